// All states that a power failure can leave at any point of one run, each brought up again and looked at: recovery must
// succeed, the checker must find nothing, and every file must hold what the calls explain (moment.ts).
//
// Points of failure are those before each fence, and the end.  Between two fences the lines that are open only become
// more, and so do the syncs that have returned: what an earlier point leaves, the last one leaves, too.
//
// A state of the media that was seen at the same moment is not brought up again; what came up equal (paths, sizes,
// contents, extents) is not looked at again.

import { Event, startLog, stopLog, type LogEntry } from "../../machine/pmem/log.ts";
import { PowerFailures, type Domain, type PendingLine, type Survivors } from "../../machine/pmem/crash.ts";
import type { Memory } from "../../machine/memory.ts";
import { Bug } from "../../machine/errors.ts";
import { check } from "../../ext4/check/check.ts";
import { readTree, type FileOnMedia } from "../../ext4/check/tree.ts";
import { freeze } from "../../ext4/journal/commit.ts";
import { Mode } from "../../ext4/media/inode.ts";
import { superBlock } from "../../ext4/super.ts";
import type { StepLog } from "../../sched/state.ts";
import { WHOLE } from "../oracles/endstate.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import { fileKey, type RecordedCall } from "../oracles/history.ts";
import type { InitialFiles } from "../oracles/initial.ts";
import type { Finding } from "../oracles/promises.ts";
import { CallSteps, Moment } from "./moment.ts";
import { namesIn } from "./names.ts";
import { choicesOf } from "./survivors.ts";
import type { Target } from "./target.ts";

/** What is asked of a search for crashes. */
export interface CrashPlan {
  readonly domain: Domain;
  /** Every way is tried where lines that may be lost leave at most 2 to this many; else chosen ones. */
  readonly maxLines: number;
}

/** A failure: after how many entries of the log, and what arrived. */
export interface Failure {
  readonly point: number;
  readonly survivors: Survivors;
}

export interface Broken {
  readonly failure: Failure;
  readonly finding: Finding;
  /** What had not arrived. */
  readonly lost: readonly PendingLine[];
}

/** What a search has counted. */
export interface CrashCounts {
  points: number;
  /** Ways that were tried. */
  states: number;
  /** Different contents of the media among them. */
  distinct: number;
  /** Different states after recovery: paths, sizes, contents, extents. */
  recovered: number;
  /** Points at which not every way was tried. */
  sampled: number;
}

export class CrashStates {
  readonly counts: CrashCounts = { points: 0, states: 0, distinct: 0, recovered: 0, sampled: 0 };
  readonly #mem: Memory;
  readonly #target: Target;
  readonly #plan: CrashPlan;
  readonly #initial: InitialFiles;
  readonly #seen = new Set<string>();
  readonly #contents = new Set<number>();
  readonly #verdicts = new Map<string, Finding | undefined>();
  readonly #semantic = new Set<string>();

  constructor(mem: Memory, target: Target, plan: CrashPlan, initial: InitialFiles) {
    this.#mem = mem;
    this.#target = target;
    this.#plan = plan;
    this.#initial = initial;
  }

  /** Looks at every failure of the run that was just logged: the first that breaks a promise. */
  explore(
    calls: readonly RecordedCall[],
    log: StepLog,
    names: Names,
    stopped: () => boolean,
  ): Broken | undefined {
    const failures = new PowerFailures(this.#mem, this.#plan.domain);
    const steps = new CallSteps(log);
    for (const point of pointsOf(failures.entries)) {
      if (stopped()) return undefined;
      this.counts.points += 1;
      const moment = this.#momentOf(steps.before(calls, stepsAt(failures.entries, point)));
      const pending = failures.pendingAt(point);
      const { complete, ways } = choicesOf(pending, this.#plan.maxLines, point);
      if (!complete) this.counts.sampled += 1;
      for (const survivors of ways) {
        const finding = this.#look(failures, { point, survivors }, moment, names);
        if (finding !== undefined)
          return this.#shrunk(failures, { point, survivors }, pending, moment, names, finding);
      }
    }
    return undefined;
  }

  /** One failure of the run that was just logged: what a replay asks for. */
  one(failure: Failure, calls: readonly RecordedCall[], log: StepLog, names: Names): Broken | undefined {
    const failures = new PowerFailures(this.#mem, this.#plan.domain);
    if (failure.point > failures.entries.length) return undefined;
    const steps = stepsAt(failures.entries, failure.point);
    const moment = this.#momentOf(new CallSteps(log).before(calls, steps));
    this.counts.points += 1;
    const finding = this.#look(failures, failure, moment, names);
    const lost = lostLines(failures.pendingAt(failure.point), failure.survivors);
    return finding && { failure, finding, lost };
  }

  #momentOf(calls: readonly RecordedCall[]): Moment {
    return new Moment(calls, this.#initial, this.#target.names);
  }

  #look(failures: PowerFailures, failure: Failure, moment: Moment, names: Names): Finding | undefined {
    this.counts.states += 1;
    const content = this.#target.fail(failures, failure.point, failure.survivors);
    if (!this.#contents.has(content)) {
      this.#contents.add(content);
      this.counts.distinct += 1;
    }
    const key = `${content} ${moment.key}`;
    if (this.#seen.has(key)) return undefined;
    const finding = this.#bringUp(moment, names);
    // Only what held is never looked at again: what broke is shrunk, and told, by looking again.
    if (finding === undefined) this.#seen.add(key);
    return finding;
  }

  #bringUp(moment: Moment, names: Names): Finding | undefined {
    const { mem } = this.#target;
    try {
      const refused = this.#target.mount();
      if (refused !== undefined)
        return {
          promise: "consistent",
          message: `after the power failure the image cannot be mounted: ${refused}`,
        };
      freeze(superBlock(mem));
      const [problem] = check(mem);
      if (problem !== undefined)
        return { promise: "consistent", message: `after recovery: ${problem.place}: ${problem.message}` };
      return this.#compare(readTree(mem), moment, names);
    } catch (error) {
      if (!(error instanceof Bug)) throw error;
      return { promise: "no-bug", message: `recovery: ${error.message}` };
    }
  }

  #compare(tree: ReadonlyMap<string, FileOnMedia>, moment: Moment, names: Names): Finding | undefined {
    const state = semanticKey(tree);
    if (!this.#semantic.has(state)) {
      this.#semantic.add(state);
      this.counts.recovered += 1;
    }
    const key = `${state} ${moment.key}`;
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    const finding = moment.names.judge(namesIn(tree), names) ?? this.#unexplained(tree, moment, names);
    this.#verdicts.set(key, finding);
    return finding;
  }

  #unexplained(tree: ReadonlyMap<string, FileOnMedia>, moment: Moment, names: Names): Finding | undefined {
    const reads = [...tree]
      .filter(([, { mode }]) => (mode & Mode.type) === Mode.file)
      .map(([, file]) => {
        const bytes = file.content().subarray(0, WHOLE);
        return moment.readOf({ key: fileKey(file.ino, file.generation), size: file.size, bytes });
      });
    return checkHistory(
      moment.history,
      reads,
      this.#initial,
      names,
      "a read after the power failure and recovery",
    );
  }

  /** The same promise broken with as few lines lost as can be. */
  #shrunk(
    failures: PowerFailures,
    failure: Failure,
    pending: readonly PendingLine[],
    moment: Moment,
    names: Names,
    found: Finding,
  ): Broken {
    let survivors = new Map(failure.survivors);
    let finding = found;
    const lost = lostLines(pending, survivors);
    for (let size = lost.length >>> 1; size >= 1; size >>>= 1) {
      for (let from = 0; from < lost.length; from += size) {
        const candidate = new Map(survivors);
        for (const { offset, reach } of lost.slice(from, from + size)) {
          if (reach > 0) candidate.set(offset, reach);
        }
        if (candidate.size === survivors.size && sameWords(candidate, survivors)) continue;
        const again = this.#look(failures, { ...failure, survivors: candidate }, moment, names);
        if (again?.promise !== found.promise) continue;
        survivors = candidate;
        finding = again;
      }
    }
    return { failure: { ...failure, survivors }, finding, lost: lostLines(pending, survivors) };
  }
}

function sameWords(one: Survivors, other: Survivors): boolean {
  for (const [offset, words] of one) if (other.get(offset) !== words) return false;
  return true;
}

function lostLines(pending: readonly PendingLine[], survivors: Survivors): PendingLine[] {
  return pending.filter(({ offset, ends }) => (survivors.get(offset) ?? 0) < (ends.at(-1) ?? 0));
}

/** Before each fence, and the end. */
function pointsOf(entries: readonly LogEntry[]): number[] {
  const points = entries.flatMap(({ event }, index) => (event === Event.fence ? [index] : []));
  return [...points, entries.length];
}

/** How many steps had been announced when the power failed at a point. */
function stepsAt(entries: readonly LogEntry[], point: number): number {
  return entries[point]?.step ?? Infinity;
}

function semanticKey(tree: ReadonlyMap<string, FileOnMedia>): string {
  const parts: string[] = [];
  for (const [path, file] of tree) {
    const extents = file.extents.map(
      ({ logical, length, unwritten }) => `${logical}+${length}${unwritten ? "u" : ""}`,
    );
    const content = (file.mode & Mode.type) === Mode.directory ? 0 : hashOf(file.content());
    parts.push(`${path} ${file.ino} ${file.mode} ${file.nlink} ${file.size} ${content} ${extents.join()}`);
  }
  return parts.join("\n");
}

/** FNV-1a, two of them, so that states that differ are told apart. */
function hashOf(bytes: Uint8Array): string {
  let [one, other] = [0x811c9dc5, 0x9747b28c];
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    other = Math.imul(other ^ byte, 0x5bd1e995);
  }
  return `${(one >>> 0).toString(16)}${(other >>> 0).toString(16)}`;
}

/** Runs something with the log of stores on. */
export function logged<T>(mem: Memory, run: () => T): T {
  startLog(mem);
  try {
    return run();
  } finally {
    stopLog(mem);
  }
}
