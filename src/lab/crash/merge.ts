// What several machines have seen of one search, put together: the same, however many they were.

import { joinedFlushes, type FlushFinding } from "../report/flushes.ts";
import type { ShardReport } from "../run/shard.ts";
import type { Violation } from "../run/violation.ts";
import { linesAgain } from "./again.ts";
import { verdictsOf, type CallVerdict } from "./calls.ts";
import type { RunStates } from "./states.ts";

/** What a search for crashes has found. */
export interface CrashCounts {
  /** Runs of the scenario. */
  readonly runs: number;
  /** Points of failure, of all runs. */
  readonly points: number;
  /** Points at which not every way was tried. */
  readonly sampled: number;
  /** Ways that were tried. */
  readonly states: number;
  /** Different contents of the media among them. */
  readonly distinct: number;
  /** Different states after recovery: paths, kinds, sizes, contents, extents. */
  readonly recovered: number;
  /** Of the ways that were tried, those that broke a promise. */
  readonly broken: number;
  /** What `sampled` is measured by: a point of more than 2 to this many ways is. */
  readonly maxLines: number;
  /** The same of the power failing a second time, during recovery, where that was asked for. */
  readonly nested?: Readonly<Record<"points" | "sampled" | "states" | "maxLines", number>>;
  /** What the states say of each call of the tasks. */
  readonly calls: readonly CallVerdict[];
  /** Flushes and fences that calls lack, or could do without; none with "eadr", which needs none. */
  readonly flushes: readonly FlushFinding[];
  /**
   * Every schedule within the bound was run, up to the first in which something broke, and the power failed at all
   * points.
   */
  readonly finished: boolean;
  /** Nothing broke, and at every point every way was tried. */
  readonly complete: boolean;
  readonly violation?: Violation;
}

/** The reports of the machines that shared a search; undefined for one that had to be halted. */
export function merged(
  reports: readonly (ShardReport | undefined)[],
  tasks: readonly string[],
  maxLines: number,
): CrashCounts {
  const known = reports.filter((report) => report !== undefined);
  const [first] = known.filter(({ violation }) => violation !== undefined).toSorted(earlier);
  const violation = first?.violation;
  // A machine may have gone on while another found something in an earlier run.
  const runs = violation?.run ?? Math.max(0, ...known.map((report) => report.runs));
  const parts = Array.from({ length: runs }, (_, run) => known.flatMap(({ crash }) => crash?.[run] ?? []));
  const all = parts.flat();
  const most = (pick: (part: RunStates) => number): number =>
    parts.reduce((total, run) => total + Math.max(0, ...run.map(pick)), 0);
  const sum = (pick: (part: RunStates) => number): number =>
    all.reduce((total, part) => total + pick(part), 0);
  const sampled = most((part) => part.sampled);
  const nested = {
    points: sum(({ again }) => again.points),
    sampled: sum(({ again }) => again.sampled),
    states: sum(({ again }) => again.states),
    maxLines: linesAgain(maxLines),
  };
  const through = known.length === reports.length && known.every((report) => report.complete);
  return {
    runs,
    points: most(({ points }) => points),
    sampled,
    maxLines,
    states: sum(({ states }) => states),
    distinct: sum(({ distinct }) => distinct),
    recovered: new Set(all.flatMap(({ seen }) => seen)).size,
    broken: sum(({ broken }) => broken),
    calls: verdictsOf(
      parts.map((run) => run.flatMap(({ calls }) => calls)),
      tasks,
    ),
    flushes: joinedFlushes(all.map(({ flushes }) => flushes)),
    ...(nested.points > 0 && { nested }),
    finished: through || violation !== undefined,
    complete: through && sampled + nested.sampled === 0,
    ...(violation !== undefined && { violation }),
  };
}

/** Which of two machines' violations comes first. */
function earlier(one: ShardReport, other: ShardReport): number {
  const places = [one, other].map(({ violation, crash }) => {
    const run = violation?.run ?? 0;
    return [run, ...(crash?.[run - 1]?.first?.place ?? [])];
  }) as [number[], number[]];
  const at = places[0].findIndex((value, i) => value !== places[1][i]);
  return at < 0 ? 0 : (places[0][at] as number) - (places[1][at] as number);
}
