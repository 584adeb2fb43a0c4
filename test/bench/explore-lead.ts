// The threads of the exploration's figures.  The lead is that of a search (src/lab/run/), taken apart so
// that a clock fits between its parts.

import { MAX_STEPS } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { loadDesign, loadScenario } from "../../src/lab/load.ts";
import { Judge } from "../../src/lab/run/judge.ts";
import { storeResult } from "../../src/lab/run/results.ts";
import { processesOf, taskNames, type Scenario } from "../../src/lab/scenario.ts";
import type { Strategy } from "../../src/sched/decide.ts";
import { follow, Session } from "../../src/sched/session.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { serveFaults } from "../../src/xip/fault.ts";
import { median } from "./figures.ts";

export interface ExploreOrder {
  readonly scenario: string;
  readonly design: string;
  readonly results: number;
  /** Milliseconds before the first round: see WARM_MS. */
  readonly warm: number;
  /** Milliseconds of each round. */
  readonly ms: number;
  readonly rounds: number;
}

/** Of one round, for one run in the mean; times in microseconds. */
export interface RunFigures {
  readonly runsPerSecond: number;
  readonly steps: number;
  readonly handOvers: number;
  readonly restore: number;
  readonly tasks: number;
  readonly checks: number;
}

export interface ExploreFigures {
  readonly random: RunFigures;
  /** No task is preempted: what the tasks themselves cost, with as few hand-overs as there can be. */
  readonly runOn: RunFigures;
}

/** The entry of the crew's threads. */
export async function timeRuns(
  mem: Memory,
  task: number,
  taskCount: number,
  order: ExploreOrder,
): Promise<ExploreFigures | undefined> {
  const scenario = await loadScenario(order.scenario);
  const { design } = await loadDesign(order.design);
  serveFaults(mem, design);
  const name = taskNames(scenario)[task] as string;
  const run = scenario.tasks[name] as Scenario["tasks"][string];
  const sys = new Sys(mem, design, processesOf(scenario)[task] as number);
  const body = (): void => storeResult(mem, order.results, task, run(sys));
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return undefined;
  }
  const judge = new Judge(mem, scenario, design, {}, order.results);
  const session = new Session(mem, taskCount, body, judge.tasks);
  const random: RunFigures[] = [];
  const runOn: RunFigures[] = [];
  round(judge, session, "random", order.warm);
  judge.keepOrders();
  for (let turn = 0; turn < order.rounds; turn++) {
    random.push(round(judge, session, "random", order.ms));
    runOn.push(round(judge, session, "run-on", order.ms / 4));
  }
  session.end();
  return { random: medians(random), runOn: medians(runOn) };
}

function round(judge: Judge, session: Session, strategy: Strategy, ms: number): RunFigures {
  let [runs, steps, handOvers, restore, tasks, checks] = [0, 0, 0, 0, 0, 0];
  const begin = performance.now();
  let now = begin;
  const lap = (): number => {
    const before = now;
    now = performance.now();
    return now - before;
  };
  while (now - begin < ms) {
    judge.startOver();
    restore += lap();
    const seed = Math.round(begin) * 4096 + runs;
    const outcome = session.run({ strategy, seed, switches: [], maxSteps: MAX_STEPS });
    tasks += lap();
    const finding = judge.verdict();
    if (outcome.kind !== "done" || finding !== undefined) throw new Error("a sound design broke a promise");
    checks += lap();
    steps += outcome.steps;
    runs += 1;
    if (runs % 16 === 0) {
      // Counting those of every run would be part of what is measured.
      handOvers += 16 * (session.turns().length - 1);
      now = performance.now();
    }
  }
  const each = (sum: number): number => (sum * 1000) / runs;
  return {
    runsPerSecond: (runs / (restore + tasks + checks)) * 1000,
    steps: steps / runs,
    handOvers: handOvers / runs,
    restore: each(restore),
    tasks: each(tasks),
    checks: each(checks),
  };
}

function medians(rounds: readonly RunFigures[]): RunFigures {
  const of = (pick: (figures: RunFigures) => number): number => median(rounds.map(pick));
  return {
    runsPerSecond: of(({ runsPerSecond }) => runsPerSecond),
    steps: of(({ steps }) => steps),
    handOvers: of(({ handOvers }) => handOvers),
    restore: of(({ restore }) => restore),
    tasks: of(({ tasks }) => tasks),
    checks: of(({ checks }) => checks),
  };
}
