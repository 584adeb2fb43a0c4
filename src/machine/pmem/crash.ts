// What a power failure leaves: made from the log of stores (log.ts), for any point of it.
//
// The media loses and keeps whole stores line by line, and the stores of one line in their order: what a line holds is
// what some first part of its stores made of it.  A store of more than eight bytes arrives eight by eight,
// lowest first.  How long that first part is at least, and at most, follows from flushes and fences:
//
//   adr    a line on its way to the media (flushed, or stored past the caches) may have arrived or not, after
//          a fence it has; what is in a cache only is lost
//   none   the same, but a cache may also have given a line up, at any time
//   eadr   caches are saved when the power fails: every store counts at once
//
// Points are numbered: at point p the first p entries of the log have happened.  Between two fences the pending
// lines only become more, so whatever a point leaves open the last one before the next fence leaves open, too.
//
// A store that the hardware does as a whole (Event.whole) arrives or does not.  What else goes to the same bytes is
// separated from it by a fence.
//
// A fence is one for all tasks: between the flush of one and the fence of another lies a lock, and on x86 an
// operation on a lock orders write-backs as a fence does.

import { header } from "../layout.ts";
import type { Memory } from "../memory.ts";
import { touch } from "../snapshot.ts";
import { Event, readLog, type LogEntry } from "./log.ts";

export const LINE = 64;
const WORD = 8;

/** What a platform saves when the power fails. */
export type Domain = "adr" | "eadr" | "none";

/** A line that may hold something else after a failure than before it. */
export interface PendingLine {
  /** Of the line on the media. */
  readonly offset: number;
  /** The stores that are not durable, oldest first. */
  readonly stores: readonly LogEntry[];
  /** How many words of those have been stored when each of them is complete. */
  readonly ends: readonly number[];
  /** How many words may have arrived: none of them up to so many. */
  readonly reach: number;
}

/** What has arrived: words of pending lines, by the lines' offsets.  A line that is not in it has lost all. */
export type Survivors = ReadonlyMap<number, number>;

/** A store's part in one line: the entry, and its bytes on the media. */
interface Piece {
  readonly entry: LogEntry;
  readonly from: number;
  readonly to: number;
}

/** A line; or what is always stored as a whole, and is like a line with one word. */

interface Line {
  readonly offset: number;
  readonly pieces: Piece[];
  sent: number; // pieces that are on their way
  durable: number; // pieces that have arrived for certain
}

const wordsOf = ({ entry, from, to }: Piece): number =>
  entry.event === Event.whole ? 1 : Math.ceil(to / WORD) - Math.floor(from / WORD);
const isStore = ({ event }: LogEntry): boolean => event !== Event.flush && event !== Event.fence;
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** The failures that a log allows. */
export class PowerFailures {
  readonly entries: readonly LogEntry[];
  readonly #mem: Memory;
  readonly #domain: Domain;
  readonly #lines = new Map<number, Line>();
  readonly #sent = new Set<Line>();
  #point = 0;

  /** Throws when the log has lost entries. */
  constructor(mem: Memory, domain: Domain = "adr") {
    const { entries, dropped } = readLog(mem);
    if (dropped > 0) throw new RangeError(`the log of stores is full: ${dropped} entries are not in it`);
    this.entries = entries;
    this.#mem = mem;
    this.#domain = domain;
  }

  /** The lines that are open at a point, by offset.  Cheapest from point to point upwards. */
  pendingAt(point: number): PendingLine[] {
    this.#goTo(point);
    return [...this.#lines.values()]
      .filter(({ pieces, durable }) => pieces.length > durable)
      .map((line) => this.#pending(line))
      .toSorted((one, other) => one.offset - other.offset);
  }

  /**
   * Makes the media of `target` what a failure at a point leaves.  It must be what it was when the log began: the
   * same machine after restoring its snapshot, or another one of that size.
   */
  leave(point: number, survivors: Survivors, target: Memory): void {
    this.#goTo(point);
    const seen = new Map<Line, number>(); // pieces of each line that have passed
    const left = new Map(survivors);
    for (let index = 0; index < point; index++) {
      const entry = this.entries[index] as LogEntry;
      if (!isStore(entry)) continue;
      let from = entry.offset;
      for (const offset of linesOf(entry)) {
        const line = this.#lines.get(keyOf(entry, offset)) as Line;
        const number = seen.get(line) ?? 0;
        seen.set(line, number + 1);
        const piece = line.pieces[number] as Piece;
        const kept = number < line.durable ? piece.to : keptUntil(piece, offset, left);
        if (kept < piece.to) {
          this.#put(target, entry, from, kept);
          from = piece.to;
        }
      }
      this.#put(target, entry, from, entry.offset + entry.length);
    }
  }

  #put(target: Memory, entry: LogEntry, from: number, to: number): void {
    if (to <= from) return;
    const at = header(target).media.start + from;
    const data = entry.dataAt + from - entry.offset;
    touch(target, at, to - from);
    target.u8.set(this.#mem.u8.subarray(data, data + to - from), at);
  }

  #goTo(point: number): void {
    if (point < this.#point) {
      this.#lines.clear();
      this.#sent.clear();
      this.#point = 0;
    }
    while (this.#point < point) this.#take(this.entries[this.#point++] as LogEntry);
  }

  #take(entry: LogEntry): void {
    if (entry.event === Event.fence) {
      for (const line of this.#sent) line.durable = Math.max(line.durable, line.sent);
      this.#sent.clear();
      return;
    }
    for (const offset of linesOf(entry)) {
      const key = keyOf(entry, offset);
      let line = this.#lines.get(key);
      if (entry.event === Event.flush) {
        if (line !== undefined) this.#send(line);
        continue;
      }
      if (line === undefined) {
        line = { offset, pieces: [], sent: 0, durable: 0 };
        this.#lines.set(key, line);
      }
      const end = entry.event === Event.whole ? Infinity : offset + LINE;
      const to = Math.min(end, entry.offset + entry.length);
      line.pieces.push({ entry, from: Math.max(offset, entry.offset), to });
      if (entry.event !== Event.store) this.#send(line);
      if (this.#domain === "eadr") line.durable = line.pieces.length;
    }
  }

  #send(line: Line): void {
    line.sent = line.pieces.length;
    if (line.sent > line.durable) this.#sent.add(line);
  }

  #pending({ offset, pieces, sent, durable }: Line): PendingLine {
    const open = pieces.slice(durable);
    const words = open.map(wordsOf);
    const ends = words.map((_, index) => sum(words.slice(0, index + 1)));
    const most = this.#domain === "none" ? open.length : sent - durable;
    return {
      offset,
      stores: open.map(({ entry }) => entry),
      ends,
      reach: most === 0 ? 0 : (ends[most - 1] as number),
    };
  }
}

/** Up to where on the media a piece that is not durable has arrived; what that takes is taken off `left`. */
function keptUntil(piece: Piece, offset: number, left: Map<number, number>): number {
  const words = left.get(offset) ?? 0;
  const all = wordsOf(piece);
  left.set(offset, Math.max(0, words - all));
  if (words === 0) return piece.from;
  return words >= all ? piece.to : (Math.floor(piece.from / WORD) + words) * WORD;
}

function* linesOf({ event, offset, length }: LogEntry): Generator<number> {
  if (event === Event.whole) yield offset;
  else for (let line = offset - (offset % LINE); line < offset + length; line += LINE) yield line;
}

/** The lines that a whole store covers are one of their own. */
const keyOf = ({ event }: LogEntry, offset: number): number => (event === Event.whole ? -1 - offset : offset);
