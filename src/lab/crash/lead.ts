// What the lead of a search for crashes does: each run is made with the log of stores on, and then every state that a
// power failure could have left of it is brought up and looked at.
//
// What is printed has failed again: the run is made anew from the printed turns, and the failure from the printed text.

import { setTracing, traceLines } from "../../machine/trace.ts";
import { MAX_STEPS } from "../../machine/limits.ts";
import { LINE, type PendingLine } from "../../machine/pmem/crash.ts";
import { startLog, stopLog, Writer } from "../../machine/pmem/log.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import type { Plan, Turn } from "../../sched/decide.ts";
import { namedTurns, printSchedule } from "../../sched/schedule.ts";
import type { Outcome } from "../../sched/session.ts";
import { recordedCalls, type RecordedCall } from "../oracles/history.ts";
import type { Finding } from "../oracles/promises.ts";
import { story } from "../report/story.ts";
import { NotDeterministic } from "../run/determinism.ts";
import { failed, type Lead } from "../run/lead.ts";
import type { Violation } from "../run/violation.ts";
import {
  CrashStates,
  noStates,
  type Broken,
  type CrashPlan,
  type Failure,
  type RunStates,
} from "./states.ts";
import { printFailure } from "./text.ts";
import { Target } from "./target.ts";

/** A run: what was wrong with it itself, or what its failures have left. */
export interface CrashVerdict {
  readonly finding: Finding | undefined;
  /** Turns of the plan that could not be run as they say. */
  readonly misfits: number;
  readonly states: RunStates;
}

export class CrashLead {
  readonly #lead: Lead;
  readonly #plan: CrashPlan;
  readonly #target: Target;
  readonly #states: CrashStates;

  constructor(lead: Lead, plan: CrashPlan) {
    const { judge } = lead;
    this.#lead = lead;
    this.#plan = plan;
    judge.startOver();
    this.#target = new Target(judge.mem, judge.options);
    this.#states = this.#newStates();
  }

  #newStates(): CrashStates {
    const { judge } = this.#lead;
    return new CrashStates(judge.mem, this.#target, this.#plan, judge.initial);
  }

  /** Runs a plan and looks at all its failures, as long as `goesOn`, which is asked before each. */
  run(plan: Plan, goesOn: () => boolean): CrashVerdict {
    const [outcome, calls] = this.#log(plan);
    const { judge, session } = this.#lead;
    const { misfits } = outcome;
    if (outcome.kind !== "done")
      return { finding: failed(outcome, judge.tasks), misfits, states: noStates() };
    const states = this.#states.explore(calls, session.log, judge.names(calls), goesOn);
    return { finding: undefined, misfits, states };
  }

  #log(plan: Plan): [Outcome, RecordedCall[]] {
    const { judge, session } = this.#lead;
    judge.startOver();
    startLog(judge.mem);
    try {
      const outcome = session.run(plan);
      return [outcome, recordedCalls(judge.mem)];
    } finally {
      stopLog(judge.mem);
    }
  }

  /** One failure of one run, told.  Undefined when it breaks nothing. */
  tell(turns: readonly Turn[], failure: Failure, run: number): Violation | undefined {
    const { judge, session, scheme } = this.#lead;
    const { mem, scenario, design, tasks, options } = judge;
    setTracing(mem, true);
    const [outcome, calls] = this.#log({ strategy: "run-on", seed: 0, switches: turns, maxSteps: MAX_STEPS });
    const { lines } = traceLines(mem);
    setTracing(mem, false);
    if (outcome.kind !== "done") return undefined;
    const names = judge.names(calls);
    const broken = this.#newStates().one(failure, calls, session.log, names);
    if (broken === undefined) return undefined;
    const schedule = printSchedule({
      design: design.name,
      scenario: scenario.name,
      options: { ...options },
      scheme,
      turns: namedTurns(session.turns(), tasks),
      crash: printFailure(this.#plan.domain, failure),
    });
    const text = story({
      claim: scenario.claim,
      design: design.name,
      schedule,
      tasks,
      lines,
      calls,
      finding: broken.finding,
      names,
    });
    const lost = lossWords(broken, tasks);
    const { promise, message } = broken.finding;
    return { promise, message, story: `${text}\n${lost}`, schedule, switches: outcome.preemptions, run };
  }

  /** What is printed of a failure that a search has found. */
  violation({ failure, finding }: Broken, run: number): Violation {
    const told = this.tell(this.#lead.session.turns(), failure, run);
    if (told?.promise === finding.promise) return told;
    throw new NotDeterministic(
      `a power failure that broke ${finding.promise} did not break it again: ${finding.message}`,
    );
  }
}

const writers = new Map<number, string>(Object.entries(Writer).map(([name, number]) => [number, name]));

/** What had not arrived when the power failed, and when it failed again. */
function lossWords({ lost, lostAgain }: Broken, tasks: readonly string[]): string {
  const first =
    lost.length === 0
      ? "The power failed, and nothing that had been stored was lost."
      : `Lost when the power failed, wholly or in part:\n${lostWords(lost, tasks)}`;
  if (lostAgain === undefined) return first;
  const second =
    lostAgain.length === 0
      ? "It failed again during recovery, and nothing was lost then."
      : `Lost when it failed again, during recovery:\n${lostWords(lostAgain, [])}`;
  return `${first}\n${second}`;
}

/** A line for the bytes of one store that lie together. */
function lostWords(lost: readonly PendingLine[], tasks: readonly string[]): string {
  const runs: { from: number; to: number; who: string }[] = [];
  for (const { offset, stores } of lost) {
    const who = [
      ...new Set(
        stores.map(({ writer, task }) => `${tasks[task] ?? "recovery"}'s ${writers.get(writer) ?? "store"}`),
      ),
    ];
    const last = runs.at(-1);
    if (last !== undefined && last.to === offset && last.who === who.join(", ")) last.to += LINE;
    else runs.push({ from: offset, to: offset + LINE, who: who.join(", ") });
  }
  const words = runs.slice(0, MAX_LOST).map(({ from, to, who }) => {
    const block = Math.floor(from / PAGE_SIZE);
    return `  media block ${block}, bytes ${from % PAGE_SIZE} to ${to - block * PAGE_SIZE - 1}: ${who}`;
  });
  const more = runs.length > words.length ? [`  … ${runs.length - words.length} more`] : [];
  return [...words, ...more].join("\n");
}

const MAX_LOST = 20;
