// The power fails a second time, while the file system recovers from the first failure: at every point of the recovery
// and of bringing the file system to rest after it (points.ts).  What comes up in the end must be what comes up without
// that.
//
// Recovery is the same for equal media, so it is looked at once for each content.  Of the ways that a point leaves, few
// are tried: all where there are at most 2 to the LINES, else whole stores, and some torn ones.

import { PowerFailures, type PendingLine, type Survivors } from "../../machine/pmem/crash.ts";
import { startLog, stopLog } from "../../machine/pmem/log.ts";
import type { Finding } from "../oracles/promises.ts";
import { recover, type CameUp, type Recoveries } from "./came-up.ts";
import { pointsOf } from "./points.ts";
import type { CrashPlan, RunStates } from "./states.ts";
import { choicesOf, everything, lostLines, shrunk } from "./survivors.ts";
import type { Target } from "./target.ts";

const LINES = 4;
const SAMPLES = 4;

/** The `maxLines` of recovery, where the run has another. */
export const linesAgain = (maxLines: number): number => Math.min(maxLines, LINES);

/** The second failure: after how many entries of recovery's log, and what arrived of them. */
export interface Again {
  readonly entries: number;
  readonly survivors: Survivors;
}

/** One that changes what comes up. */
export interface BrokenAgain {
  readonly again: Again;
  readonly finding: Finding;
  readonly lost: readonly PendingLine[];
}

/** A first failure: how to have it, what comes up of it, and what is said of anything else that comes up. */
export interface First {
  /** What the media held. */
  readonly content: number;
  fail(): number;
  readonly up: CameUp;
  judge(up: CameUp, fail: () => number): Finding | undefined;
}

/** Recovery makes no steps. */
const NO_STEPS = { length: 0, op: () => 0 as never };

export class SecondFailures {
  readonly #target: Target;
  readonly #recoveries: Recoveries;
  readonly #plan: CrashPlan;
  readonly #done = new Set<number>();

  constructor(target: Target, recoveries: Recoveries, plan: CrashPlan) {
    this.#target = target;
    this.#recoveries = recoveries;
    this.#plan = plan;
  }

  /** All second failures after a first: the first that breaks something. */
  explore(first: First, run: RunStates, goesOn: () => boolean): BrokenAgain | undefined {
    if (this.#done.has(first.content)) return undefined;
    this.#done.add(first.content);
    const log = this.#log(first);
    const { domain, maxLines } = this.#plan;
    for (const { entries, whole } of pointsOf(log.entries, NO_STEPS, domain)) {
      const pending = log.pendingAt(entries);
      const { complete, ways } = whole
        ? everything(pending)
        : choicesOf(pending, linesAgain(maxLines), 1, SAMPLES);
      run.again.points += 1;
      if (!complete) run.again.sampled += 1;
      for (const survivors of ways) {
        if (!goesOn()) return undefined;
        run.again.states += 1;
        const finding = this.#look(first, log, { entries, survivors });
        if (finding !== undefined) return this.#shrunk(first, log, { entries, survivors }, finding);
      }
    }
    return undefined;
  }

  /** One second failure after a first; undefined where there is none, or where it changes nothing. */
  one(first: First, again: Again): BrokenAgain | undefined {
    const log = this.#log(first);
    if (again.entries > log.entries.length) return undefined;
    const finding = this.#look(first, log, again);
    return finding && { again, finding, lost: lostLines(log.pendingAt(again.entries), again.survivors) };
  }

  /** What recovery stores, in the log of the machine that recovers. */
  #log(first: First): PowerFailures {
    const { mem } = this.#target;
    first.fail();
    startLog(mem);
    recover(this.#target);
    stopLog(mem);
    return new PowerFailures(mem, this.#plan.domain);
  }

  #look(first: First, log: PowerFailures, { entries, survivors }: Again): Finding | undefined {
    const fail = (): number => {
      first.fail();
      return this.#target.failAgain(log, entries, survivors);
    };
    const up = this.#recoveries.up(fail);
    if (up === first.up) return undefined;
    const finding: Finding =
      "promise" in up
        ? up
        : (first.judge(up, fail) ?? { promise: "consistent", message: difference(first.up, up) });
    return { ...finding, message: `the power failed again during recovery, and then: ${finding.message}` };
  }

  #shrunk(first: First, log: PowerFailures, found: Again, broken: Finding): BrokenAgain {
    const { entries } = found;
    const pending = log.pendingAt(entries);
    let finding = broken;
    const survivors = shrunk(pending, found.survivors, (candidate) => {
      const again = this.#look(first, log, { entries, survivors: candidate });
      if (again?.promise !== finding.promise) return false;
      finding = again;
      return true;
    });
    return { again: { entries, survivors }, finding, lost: lostLines(pending, survivors) };
  }
}

/** In which way one that has come up differs from another. */
function difference(one: CameUp, other: CameUp): string {
  const paths = new Set([...one.names.keys(), ...other.names.keys()]);
  const name = [...paths].find((path) => one.names.get(path) !== other.names.get(path));
  if (name !== undefined) return `${name} is not what it was after the first recovery`;
  return "files are not what they were after the first recovery";
}
