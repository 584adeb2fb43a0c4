// The lead of an exploration: the thread of task 0.  It owns the session; between runs it goes back to the
// snapshot, and after each run it gives the verdict.
//
// A verdict is looked up, not found again, whenever the calls with their bytes, the state the run ended in
// and the tasks' results are those of an earlier run: interleavings are many, outcomes few.

import { allocateControl } from "../../machine/layout.ts";
import { MAX_STEPS } from "../../machine/limits.ts";
import { hashState, restoreSnapshot } from "../../machine/snapshot.ts";
import type { Plan, Turn } from "../../sched/decide.ts";
import { stepScheme } from "../../sched/schedule.ts";
import { Session, type Outcome } from "../../sched/session.ts";
import { hashRecords, resetRecords, setRecording } from "../../syscalls/record.ts";
import type { Finding } from "../oracles/promises.ts";
import type { Judge } from "./judge.ts";
import { clearResults, hashResults } from "./results.ts";

/** What a run came to; `finding` when a promise did not hold. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly finding: Finding | undefined;
}

/** Bytes of a key: the three hashes, and zeros up to a whole hash block. */
const KEY = 32;

export class Lead {
  readonly judge: Judge;
  readonly session: Session;
  readonly #results: number;
  readonly #keyAt: number;
  readonly #verdicts = new Map<number, Finding | undefined>();
  readonly #endStates = new Set<number>();

  constructor(judge: Judge, results: number, body: () => unknown) {
    this.judge = judge;
    this.#results = results;
    this.#keyAt = allocateControl(judge.mem, KEY);
    this.session = new Session(judge.mem, judge.tasks.length, body);
  }

  /** Runs all tasks once from the snapshot, and judges. */
  run(plan: Plan): Verdict {
    const { mem, tasks } = this.judge;
    restoreSnapshot(mem);
    resetRecords(mem, tasks.length);
    clearResults(mem, this.#results, tasks.length);
    setRecording(mem, true);
    const outcome = this.session.run(plan);
    setRecording(mem, false);
    return { outcome, finding: outcome.kind === "done" ? this.#verdict() : this.#failed(outcome) };
  }

  /** Runs the given turns, then on without preemption. */
  follow(turns: readonly Turn[]): Verdict {
    return this.run({ strategy: "run-on", seed: 0, switches: turns, maxSteps: MAX_STEPS });
  }

  /** The hash of the steps that the tasks make when nothing preempts them: what a schedule's counts refer to. */
  scheme(): string {
    this.follow([]);
    return stepScheme(this.session.log);
  }

  /** The hashes of the distinct states that runs have ended in. */
  get endStates(): ReadonlySet<number> {
    return this.#endStates;
  }

  /** A hash of everything a run has left, before it is judged: machine, calls with their bytes, results. */
  #hash(): number {
    const { mem, tasks } = this.judge;
    const word = this.#keyAt >>> 3;
    const endState = hashState(mem);
    this.#endStates.add(endState);
    mem.f64[word] = endState;
    mem.f64[word + 1] = hashRecords(mem);
    mem.f64[word + 2] = hashResults(mem, this.#results, tasks.length);
    return mem.bulk.hash(this.#keyAt, KEY, 0);
  }

  #verdict(): Finding | undefined {
    const key = this.#hash();
    this.lastHash = key;
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    const finding = this.judge.judge();
    this.#verdicts.set(key, finding);
    return finding;
  }

  #failed({ kind, task, message = "" }: Outcome): Finding {
    this.lastHash = 0;
    const name = task === undefined ? "a task" : `task ${this.judge.tasks[task]}`;
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

  /** The hash of what the last run left; 0 when its tasks did not all end. */
  lastHash = 0;
}
