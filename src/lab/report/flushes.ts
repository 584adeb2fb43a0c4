// Flushes and fences that a run lacks, and those that it could do without, by the calls that made them.
//
//   missing     Lines that a call has stored to and that are not durable when they have to be; a flush where they are
//               in the cache only, a fence where they are on their way:
//                 a sync     returns: the lines of calls on its file that had returned before it began, and its own
//                 a commit   is sealed: zeros and copies that were made before its transaction was closed, for those
//                            are the kernel's to see to, and the transaction may bring them into view
//                 the end    comes: zeros and copies in the cache, which nobody will flush any more
//               Each line counts once, for the first of these.
//   redundant   A flush of a range in which no line was dirty; a fence with nothing on its way since the last one.
//
// The lines are the media's, and nobody asks whose block they are: what was stored into a block that is given up later is
// missing, too, if it was never flushed.  A flush of a page counts as needed when one of its lines is dirty.

import { LINE } from "../../machine/pmem/crash.ts";
import { Event, Writer, type LogEntry } from "../../machine/pmem/log.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { Call } from "../../syscalls/record.ts";
import type { CallSteps } from "../crash/moment.ts";
import type { Names } from "../oracles/explain.ts";
import { SYNCS, type RecordedCall } from "../oracles/history.ts";
import { callWords } from "./words.ts";

/** Of one call, and for one reason. */
export interface FlushFinding {
  readonly kind: "missing" | "redundant";
  readonly what: "flush" | "fence";
  readonly task: string;
  /** The task's n-th call, from 1. */
  readonly number: number;
  readonly call: string;
  /** How many lines were not durable, or were flushed for nothing; of fences, how many. */
  readonly count: number;
  /** Blocks of the media that the lines lie in. */
  readonly blocks: readonly number[];
  /** The whole in a sentence. */
  readonly message: string;
}

/** A line that holds stores which are not durable. */
interface Line {
  /** Their places in the log. */
  readonly stores: number[];
  /** How many of them are on their way. */
  sent: number;
}

const BY_KERNEL: ReadonlySet<number> = new Set<number>([Writer.zero, Writer.copy]);
const IN_LOG: ReadonlySet<number> = new Set<number>([Writer.descriptor, Writer.logged, Writer.revoke]);

/** Of a run that was logged with the whole log of its steps. */
export function flushesOf(
  entries: readonly LogEntry[],
  calls: readonly RecordedCall[],
  steps: CallSteps,
  names: Names,
): FlushFinding[] {
  return new Run(entries, calls, steps, names).through();
}

class Run {
  readonly #entries: readonly LogEntry[];
  readonly #calls: readonly RecordedCall[];
  readonly #steps: CallSteps;
  readonly #names: Names;
  readonly #lines = new Map<number, Line>();
  readonly #found = new Map<
    string,
    { finding: Omit<FlushFinding, "message">; end: string; offsets: number[] }
  >();
  /** Lines on their way since the last fence. */
  #sent = 0;
  /** By task, where the transaction that it is writing begins in the log of stores. */
  readonly #closed = new Map<number, number>();

  constructor(entries: readonly LogEntry[], calls: readonly RecordedCall[], steps: CallSteps, names: Names) {
    this.#entries = entries;
    this.#calls = calls;
    this.#steps = steps;
    this.#names = names;
  }

  through(): FlushFinding[] {
    const syncs = this.#calls.filter(
      (call) => SYNCS.has(call.kind) && call.error === 0 && call.end !== Infinity,
    );
    const returns = syncs.toSorted((one, other) => this.#steps.left(one) - this.#steps.left(other));
    for (const [index, entry] of this.#entries.entries()) {
      while (returns[0] !== undefined && this.#steps.left(returns[0]) < entry.step)
        this.#returned(returns.shift() as RecordedCall);
      this.#take(entry, index);
    }
    for (const sync of returns) this.#returned(sync);
    this.#missing("when the run ended", (_, { writer }, sent) => BY_KERNEL.has(writer) && !sent);
    return [...this.#found.values()].map(({ finding, end, offsets }) => {
      const blocks = [...new Set(offsets.map((offset) => Math.floor(offset / PAGE_SIZE)))];
      const message = `${finding.task}'s ${finding.call} (call ${finding.number}): ${wordsOf(finding, blocks)}${end}`;
      return { ...finding, blocks, message };
    });
  }

  #take(entry: LogEntry, index: number): void {
    const { event, writer, task } = entry;
    if (event === Event.fence) return this.#fence(entry);
    if (event === Event.flush) return this.#flush(entry);
    if (IN_LOG.has(writer) && !this.#closed.has(task)) this.#closed.set(task, index);
    // The last word of a commit block, by which its transaction counts.
    if (writer === Writer.commit && entry.length < PAGE_SIZE) {
      const closed = this.#closed.get(task) ?? index;
      this.#closed.delete(task);
      const who = this.#callOf(entry);
      const whose = who === undefined ? "" : ` of ${this.#whose(who)}`;
      this.#missing(
        `when the transaction${whose} was sealed`,
        (at, store) => BY_KERNEL.has(store.writer) && at < closed,
      );
    }
    for (const offset of linesOf(entry)) {
      const line = this.#lines.get(offset) ?? { stores: [], sent: 0 };
      this.#lines.set(offset, line);
      line.stores.push(index);
      if (event !== Event.store) this.#send(line);
    }
    return undefined;
  }

  #send(line: Line): void {
    this.#sent += line.stores.length - line.sent;
    line.sent = line.stores.length;
  }

  #flush(entry: LogEntry): void {
    const lines = linesOf(entry);
    const dirty = lines.flatMap((offset) => {
      const line = this.#lines.get(offset);
      return line !== undefined && line.sent < line.stores.length ? [line] : [];
    });
    for (const line of dirty) this.#send(line);
    if (dirty.length === 0) this.#add("redundant", "flush", entry, "", lines, lines.length);
  }

  #fence(entry: LogEntry): void {
    if (this.#sent === 0) this.#add("redundant", "fence", entry, "", [], 1);
    this.#sent = 0;
    for (const [offset, line] of this.#lines) {
      line.stores.splice(0, line.sent);
      line.sent = 0;
      if (line.stores.length === 0) this.#lines.delete(offset);
    }
  }

  #returned(sync: RecordedCall): void {
    this.#missing(`when ${this.#whose(sync)} returned`, (_, store) => {
      const call = this.#callOf(store);
      if (call === undefined || call === sync) return call === sync;
      return call.end < sync.begin && (sync.kind === Call.sync || call.file === sync.file);
    });
  }

  /** Adds what is not durable and should be, and looks at it no more. */
  #missing(end: string, counts: (at: number, store: LogEntry, sent: boolean) => boolean): void {
    for (const [offset, line] of this.#lines) {
      const isWrong = (at: number, index: number): boolean =>
        counts(at, this.#entries[at] as LogEntry, index < line.sent);
      const wrong = line.stores.findLastIndex(isWrong);
      if (wrong < 0) continue;
      const store = this.#entries[line.stores[wrong] as number] as LogEntry;
      this.#add("missing", wrong < line.sent ? "fence" : "flush", store, ` ${end}`, [offset], 1);
      this.#lines.delete(offset);
    }
  }

  #add(
    kind: FlushFinding["kind"],
    what: FlushFinding["what"],
    entry: LogEntry,
    end: string,
    offsets: readonly number[],
    count: number,
  ): void {
    const call = this.#callOf(entry);
    if (call === undefined) return;
    const key = `${kind} ${what} ${call.task} ${call.number}${end}`;
    const found = this.#found.get(key);
    const { task, number } = call;
    const own = { kind, what, task: this.#names.task(task), number, call: this.#words(call), blocks: [] };
    const finding = { ...own, count: count + (found?.finding.count ?? 0) };
    this.#found.set(key, { finding, end, offsets: [...(found?.offsets ?? []), ...offsets] });
  }

  #words(call: RecordedCall): string {
    return callWords(call, this.#names.file(call.file));
  }

  #whose(call: RecordedCall): string {
    return `${this.#names.task(call.task)}'s ${this.#words(call)}`;
  }

  /** The call in which something was done. */
  #callOf({ task, step }: LogEntry): RecordedCall | undefined {
    return this.#calls.find(
      (call) => call.task === task && this.#steps.entered(call) < step && step <= this.#steps.left(call),
    );
  }
}

function wordsOf({ kind, what, count }: Omit<FlushFinding, "message">, blocks: readonly number[]): string {
  if (what === "fence" && kind === "redundant")
    return count === 1 ? "a fence with nothing on its way" : `${count} fences with nothing on their way`;
  const places =
    blocks.length === 1 ? `block ${blocks[0]}` : `${blocks.length} blocks from ${Math.min(...blocks)} on`;
  const lines = `${count} ${count === 1 ? "line" : "lines"} of media ${places}`;
  if (kind === "redundant") return `flush of ${lines}, none of them dirty`;
  const was = count === 1 ? "was" : "were";
  return `${lines} ${was} ${what === "flush" ? "only in the cache" : "still on the way"}`;
}

function linesOf({ offset, length }: LogEntry): number[] {
  const first = offset - (offset % LINE);
  return Array.from(
    { length: Math.ceil((offset + length - first) / LINE) },
    (_, index) => first + index * LINE,
  );
}

/** What several machines have found in the same runs: each thing once. */
export function joinedFlushes(parts: readonly (readonly FlushFinding[])[]): FlushFinding[] {
  return [...new Map(parts.flat().map((one) => [`${one.kind} ${one.message}`, one])).values()];
}
