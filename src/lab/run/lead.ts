// The lead of an exploration: the thread of task 0.  It owns the session; between runs it goes back to the
// snapshot, and after each run it gives the verdict.

import { MAX_STEPS } from "../../machine/limits.ts";
import type { Plan, Turn } from "../../sched/decide.ts";
import { stepScheme } from "../../sched/schedule.ts";
import { Session, type Outcome } from "../../sched/session.ts";
import type { Finding } from "../oracles/promises.ts";
import type { Judge } from "./judge.ts";

/** What a run came to; `finding` when a promise did not hold. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly finding: Finding | undefined;
}

export class Lead {
  readonly judge: Judge;
  readonly session: Session;
  /** The hash of the steps that the tasks make when nothing preempts them: what a schedule's counts refer to. */
  readonly scheme: string;

  constructor(judge: Judge, body: () => unknown) {
    this.judge = judge;
    this.session = new Session(judge.mem, judge.tasks.length, body, judge.tasks);
    this.follow([]);
    this.scheme = stepScheme(this.session.log);
    judge.keepOrders();
  }

  /** Runs all tasks once from the snapshot, and judges. */
  run(plan: Plan): Verdict {
    this.judge.startOver();
    const outcome = this.session.run(plan);
    return {
      outcome,
      finding: outcome.kind === "done" ? this.judge.verdict() : failed(outcome, this.judge.tasks),
    };
  }

  /** Runs the given turns, then on without preemption. */
  follow(turns: readonly Turn[]): Verdict {
    return this.run({ strategy: "run-on", seed: 0, switches: turns, maxSteps: MAX_STEPS });
  }
}

/** What a run that did not come to its end has broken. */
export function failed({ kind, task, message = "" }: Outcome, tasks: readonly string[]): Finding {
  const name = task === undefined ? "a task" : `task ${tasks[task]}`;
  switch (kind) {
    case "deadlock":
      return { promise: "no-deadlock", message };
    case "livelock":
      return { promise: "no-livelock", message };
    case "bug":
      return { promise: "no-bug", message: `${name}: ${message}` };
    default:
      return { promise: "claim", message: `${name} threw: ${message}` };
  }
}
