// What the worker threads of a stress test run: round after round, all tasks at once, free on real cores.
// Between rounds the lead (the thread of task 0) judges and goes back to what the setup left.
//
//   lead       sets `round`, then runs task 0; all arrive, then all go; waits until all are `done`; judges
//   followers  wait for `round` to change
//
// A task that throws halts the round (Halt.run): the others unwind at their next step, because what the dead
// one holds it will never give back.

import { runAs } from "../../machine/cpu.ts";
import { Bug, Halted } from "../../machine/errors.ts";
import { allocateControl, header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { struct, u32, type ViewOf } from "../../machine/struct.ts";
import { ChaosEngine } from "../../sched/chaos.ts";
import { Halt, readMessage, writeMessage } from "../../sched/state.ts";
import { serveFaults } from "../../xip/fault.ts";
import { loadDesign, loadScenario } from "../load.ts";
import type { MachineOptions } from "../options.ts";
import { recordedCalls } from "../oracles/history.ts";
import type { Finding, PromiseName } from "../oracles/promises.ts";
import { taskNames } from "../scenario.ts";
import { workloadScenario, type Workload } from "../workload/workload.ts";
import { askedToStop, controlAt } from "./control.ts";
import { bodyOf, withKjournald } from "./kjournald.ts";
import { Judge } from "./judge.ts";
import { overlapText } from "../report/overlap.ts";
import { storeResult } from "./results.ts";

const Rounds = struct("lab_rounds", {
  round: u32, // counts from 1; LAST ends the test
  arrived: u32, // threads that have reached the current round
  done: u32, // tasks that have ended in it
  failed: u32, // 1 + the first task that threw
  failedKind: u32, // 1: a bug
});
type Rounds = ViewOf<typeof Rounds>;

const LAST = 0xffff_ffff;
const NAP_MS = 50;
/** How long tasks may take for a round, in milliseconds, before that counts as a livelock. */
const PATIENCE_MS = 30_000;

export interface RoundsOrder {
  /** The URL of a scenario's module, or a workload. */
  readonly scenario: string | Workload;
  readonly design: string;
  readonly options: MachineOptions;
  /** Addresses in the control area. */
  readonly control: number;
  readonly results: number;
  readonly rounds: number;
  readonly seed: number;
  /** The share of steps before which a task is delayed: 0 to 1. */
  readonly chaos: number;
  /** Ends after so many rounds. */
  readonly limit: number;
}

/** A promise that was broken in free running: no schedule can be printed. */
export interface FreeViolation {
  readonly promise: PromiseName;
  readonly message: string;
  /** The calls with their overlap, and what the bytes should have been. */
  readonly story: string;
  readonly seed: number;
  /** Which round broke the promise, from 1. */
  readonly round: number;
}

export interface RoundsReport {
  readonly rounds: number;
  readonly violation?: FreeViolation;
}

/** At boot, on the host.  Returns its address. */
export function makeRounds(mem: Memory): number {
  return allocateControl(mem, Rounds.size);
}

/** The job of every worker thread: see `sched/pool.ts`. */
export async function runRounds(
  mem: Memory,
  task: number,
  taskCount: number,
  order: RoundsOrder,
): Promise<RoundsReport | undefined> {
  const rounds = Rounds.of(mem, order.rounds);
  const given =
    typeof order.scenario === "string"
      ? await loadScenario(order.scenario)
      : workloadScenario(order.scenario, () => rounds.round);
  const scenario = withKjournald(given, order.options);
  const { design } = await loadDesign(order.design);
  serveFaults(mem, design);
  const names = taskNames(scenario);
  const body = bodyOf(mem, design, scenario, order.options, task);
  const engine = new ChaosEngine(mem, task, { seed: order.seed, rate: order.chaos, names });
  const run = (): void => {
    meet(rounds, taskCount);
    const before = runAs(task, engine);
    try {
      storeResult(mem, order.results, task, body());
    } catch (error) {
      fail(rounds, task, error);
    }
    runAs(before.task, before.engine);
    Atomics.add(mem.u32, index(rounds, "done"), 1);
    Atomics.notify(mem.i32, index(rounds, "done"));
  };
  if (task !== 0) {
    follow(rounds, run);
    return undefined;
  }
  const judge = new Judge(mem, scenario, design, order.options, order.results);
  return lead(rounds, judge, order, run);
}

const index = (rounds: Rounds, field: "round" | "arrived" | "done" | "failed"): number =>
  (rounds.at + Rounds.offset(field)) >>> 2;

const hostHalted = (mem: Memory): boolean => (header(mem).halted.load() & Halt.host) !== 0;

/** Nobody starts before all are here: starting a thread takes longer than most tasks run. */
function meet(rounds: Rounds, taskCount: number): void {
  const { mem } = rounds;
  const at = index(rounds, "arrived");
  const target = Atomics.load(mem.u32, index(rounds, "round")) * taskCount;
  let here = Atomics.add(mem.u32, at, 1) + 1;
  Atomics.notify(mem.i32, at);
  for (let spins = 0; here < target; spins++) {
    if (spins > 2000) Atomics.wait(mem.i32, at, here, 1);
    if (hostHalted(mem)) throw new Halted();
    here = Atomics.load(mem.u32, at);
  }
}

function fail(rounds: Rounds, task: number, error: unknown): void {
  const { mem } = rounds;
  if (hostHalted(mem)) throw new Halted();
  if (error instanceof Halted) return;
  // The first failure is the cause of the others.
  if (Atomics.compareExchange(mem.u32, index(rounds, "failed"), 0, task + 1) !== 0) return;
  rounds.failedKind = error instanceof Bug ? 1 : 0;
  writeMessage(mem, error instanceof Bug ? error.message : String(error));
  header(mem).halted.or(Halt.run);
}

function follow(rounds: Rounds, run: () => void): void {
  const { mem } = rounds;
  for (let seen = 0; ;) {
    Atomics.wait(mem.i32, index(rounds, "round"), seen | 0, NAP_MS);
    if (hostHalted(mem)) throw new Halted();
    const round = Atomics.load(mem.u32, index(rounds, "round"));
    if (round === seen) continue;
    if (round === LAST) return;
    seen = round;
    run();
  }
}

function lead(rounds: Rounds, judge: Judge, order: RoundsOrder, run: () => void): RoundsReport {
  const { mem, tasks, scenario, design } = judge;
  const control = controlAt(mem, order.control);
  control.running = 1;
  let round = 0;
  let violation: FreeViolation | undefined;
  while (round < order.limit && !askedToStop(control) && violation === undefined) {
    round += 1;
    judge.startOver();
    rounds.done = 0;
    rounds.failed = 0;
    begin(rounds, round);
    run();
    const finding = waitForAll(rounds, tasks) ?? judge.verdict();
    if (finding !== undefined) {
      const calls = recordedCalls(mem);
      const names = judge.names(calls);
      const input = {
        claim: scenario.claim,
        design: design.name,
        seed: order.seed,
        round,
        finding,
        calls,
        names,
      };
      const { promise, message } = finding;
      violation = { promise, message, story: overlapText(input), seed: order.seed, round };
      control.broken = 1;
    }
    control.runs = round;
    control.distinct = judge.endStates.size;
  }
  begin(rounds, LAST);
  return { rounds: round, ...(violation !== undefined && { violation }) };
}

function begin(rounds: Rounds, round: number): void {
  const { mem } = rounds;
  Atomics.store(mem.u32, index(rounds, "round"), round);
  Atomics.notify(mem.i32, index(rounds, "round"));
}

/** Waits until every task has ended; a finding when one of them failed or they do not end. */
function waitForAll(rounds: Rounds, tasks: readonly string[]): Finding | undefined {
  const { mem } = rounds;
  const at = index(rounds, "done");
  const since = performance.now();
  let late = false;
  for (;;) {
    const done = Atomics.load(mem.u32, at);
    if (done === tasks.length) break;
    if (hostHalted(mem)) throw new Halted();
    Atomics.wait(mem.i32, at, done | 0, NAP_MS);
    late ||= performance.now() - since > PATIENCE_MS;
    if (late) header(mem).halted.or(Halt.run);
  }
  header(mem).halted.and(~Halt.run);
  if (late) return { promise: "no-livelock", message: `the tasks did not end within ${PATIENCE_MS} ms` };
  if (rounds.failed === 0) return undefined;
  const name = tasks[rounds.failed - 1] as string;
  const message = readMessage(mem);
  if (rounds.failedKind === 0) return { promise: "claim", message: `task ${name} threw: ${message}` };
  if (message.startsWith("deadlock:")) return { promise: "no-deadlock", message };
  return { promise: "no-bug", message: `task ${name}: ${message}` };
}
