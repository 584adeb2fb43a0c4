// At which moments of a run the power fails.  Every other moment leaves only states that one of these leaves, too, and is
// no stricter about them:
//
//   states      What is durable changes at fences only; between two fences lines open and reaches grow.  So what a
//               moment leaves, every later one up to the next fence leaves as well.
//   strictness  Later is stricter where a sync returns, for that binds; it is laxer only where a call is entered,
//               for that explains what the call may have done.
//
// So from any moment one can go on until a call is entered, a fence comes or the run ends: these are the points, each
// just before.  Fences alone are not enough: a file that is empty after its fsync is wrong until a truncation begins.
//
// With "eadr" every store changes what is durable, and nothing is open but the one that is cut: there each store is
// a point as well, while it is under way, and the others leave one state each.

import { Op } from "../../machine/cpu.ts";
import type { Domain } from "../../machine/pmem/crash.ts";
import { Event, type LogEntry } from "../../machine/pmem/log.ts";
import type { StepLog } from "../../sched/state.ts";

/** A moment. */
export interface Point {
  /** Entries of the log of stores that have happened; the last of them perhaps in part. */
  readonly entries: number;
  /** Steps that had been announced. */
  readonly steps: number;
}

const isStore = ({ event }: LogEntry): boolean => event !== Event.flush && event !== Event.fence;

/** The points of a run in the order of time; `whole`: no store is under way. */
export function pointsOf(
  entries: readonly LogEntry[],
  log: Pick<StepLog, "length" | "op">,
  domain: Domain,
): (Point & { whole: boolean })[] {
  const eadr = domain === "eadr";
  const points: (Point & { whole: boolean })[] = [];
  let done = 0;
  for (let steps = 0; steps <= log.length; steps++) {
    for (; done < entries.length && (entries[done] as LogEntry).step <= steps; done++) {
      const entry = entries[done] as LogEntry;
      if (!eadr && entry.event === Event.fence) points.push({ entries: done, steps, whole: false });
      if (eadr && isStore(entry)) points.push({ entries: done + 1, steps, whole: false });
    }
    if (steps < log.length && log.op(steps) === Op.call) points.push({ entries: done, steps, whole: eadr });
  }
  return [...points, { entries: entries.length, steps: log.length, whole: eadr }];
}
