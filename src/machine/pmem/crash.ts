// What a power failure leaves: made from the log of stores (log.ts), for any point of it.
//
// The media loses and keeps whole stores line by line, and the stores of one line in their order: what a line holds is
// what some first part of its stores made of it.  A store of more than eight bytes arrives eight by eight,
// lowest first.  How long that first part is at least, and at most, follows from flushes and fences:
//
//   adr    a line on its way to the media (flushed, or stored past the caches) may have arrived or not, after
//          a fence it has; what is in a cache only is lost
//   none   the same, but a cache may also have given a line up, at any time
//   eadr   caches are saved when the power fails: every store counts at once, but for the last one when it is cut
//
// Points are numbered: at point p the first p entries of the log have happened, and the last of them, if it is a store,
// may have happened in part.
//
// A store that the hardware does as a whole (Event.whole) arrives or does not.  What else goes to the same bytes is
// separated from it by a fence.
//
// A fence is one for all tasks: between the flush of one and the fence of another lies a lock, and on x86 an
// operation on a lock orders write-backs as a fence does.

import { RecordsFull } from "../errors.ts";
import { header } from "../layout.ts";
import type { Memory } from "../memory.ts";
import { touch } from "../snapshot.ts";
import { Event, readLog, type LogEntry } from "./log.ts";

export const LINE = 64;
const WORD = 8;
/** A hash is of so many bytes at once. */
const HASHED = 32;

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
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
/** Older stores first: the log keeps their bytes one behind the other. */
const byAge = (one: Piece, other: Piece): number =>
  one.entry.dataAt - other.entry.dataAt || one.from - other.from;

/** The failures that a log allows. */
export class PowerFailures {
  readonly entries: readonly LogEntry[];
  readonly #mem: Memory;
  readonly #domain: Domain;
  readonly #lines = new Map<number, Line>();
  readonly #sent = new Set<Line>();
  /** What is durable, in the order in which it came to be. */
  #settled: Piece[] = [];
  #open: readonly { piece: Piece; offset: number }[] | undefined;
  #point = 0;

  /** Throws when the log has lost entries. */
  constructor(mem: Memory, domain: Domain = "adr") {
    const { entries, dropped } = readLog(mem);
    if (dropped > 0) throw new RecordsFull(`the log of stores is full: ${dropped} entries are not in it`);
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

  /** What is open at a point, in short: the same bytes on their way to the same places, in the same stores. */
  fingerprintAt(point: number): string {
    this.#goTo(point);
    const { bulk, u8 } = this.#mem;
    const stores = new Map<LogEntry, number>();
    let [one, other] = [0x811c9dc5, 0x9747b28c];
    const mix = (value: number): void => {
      one = Math.imul(one ^ value, 0x01000193);
      other = Math.imul(other ^ value ^ (value / 2 ** 32), 0x5bd1e995);
      other ^= other >>> 15;
    };
    for (const { piece, offset } of this.#openPieces()) {
      const { entry, from, to } = piece;
      if (!stores.has(entry)) stores.set(entry, stores.size);
      const at = entry.dataAt + from - entry.offset;
      for (const value of [offset, from, to, stores.get(entry) as number, entry.event]) mix(value);
      if ((to - from) % HASHED === 0) mix(bulk.hash(at, to - from, from));
      else for (let byte = at; byte < at + to - from; byte++) mix(u8[byte] as number);
    }
    for (const { offset, reach } of this.pendingAt(point)) {
      mix(offset);
      mix(reach);
    }
    return `${one >>> 0}.${other >>> 0}`;
  }

  /**
   * Makes the media of `target` what a failure at a point leaves.  It must be what it was when the log began: the
   * same machine after restoring its snapshot, or another one of that size.
   */
  leave(point: number, survivors: Survivors, target: Memory): void {
    this.settle(point, target);
    this.survive(point, survivors, target);
  }

  /**
   * Brings to the media what has become durable up to a point, but for the first `known` stores to lines of which that is
   * said; returns how many those are then.
   */
  settle(point: number, target: Memory, known = 0): number {
    this.#goTo(point);
    const writer = new RunWriter(this.#mem, target);
    for (const piece of this.#settled.slice(known)) writer.put(piece, piece.to);
    writer.end();
    return this.#settled.length;
  }

  /** Brings what has survived to media on which all that is durable at the point has been settled. */
  survive(point: number, survivors: Survivors, target: Memory): void {
    this.#goTo(point);
    const left = new Map(survivors);
    const writer = new RunWriter(this.#mem, target);
    for (const { piece, offset } of this.#openPieces()) writer.put(piece, keptUntil(piece, offset, left));
    writer.end();
  }

  /** The stores to lines that are not durable, oldest first. */
  #openPieces(): readonly { piece: Piece; offset: number }[] {
    this.#open ??= [...this.#lines.values()]
      .flatMap(({ offset, pieces, durable }) => pieces.slice(durable).map((piece) => ({ piece, offset })))
      .toSorted((one, other) => byAge(one.piece, other.piece));
    return this.#open;
  }

  #goTo(point: number): void {
    if (point === this.#point) return;
    this.#open = undefined;
    if (point < this.#point) {
      this.#lines.clear();
      this.#sent.clear();
      this.#settled = [];
      this.#point = 0;
    }
    while (this.#point < point) this.#take(this.entries[this.#point++] as LogEntry);
  }

  #take(entry: LogEntry): void {
    const eadr = this.#domain === "eadr";
    if (entry.event === Event.fence || eadr) this.#arrive();
    if (entry.event === Event.fence) return;
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
      if (entry.event !== Event.store || eadr) this.#send(line);
    }
  }

  #send(line: Line): void {
    line.sent = line.pieces.length;
    if (line.sent > line.durable) this.#sent.add(line);
  }

  /** What was on its way has arrived. */
  #arrive(): void {
    const arrived = [...this.#sent].flatMap(({ pieces, durable, sent }) => pieces.slice(durable, sent));
    for (const piece of arrived.toSorted(byAge)) this.#settled.push(piece);
    for (const line of this.#sent) line.durable = Math.max(line.durable, line.sent);
    this.#sent.clear();
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

/** Writes the first parts of pieces; neighbours of one store go at once. */
class RunWriter {
  readonly #source: Memory;
  readonly #target: Memory;
  #entry: LogEntry | undefined;
  #from = 0;
  #to = 0;

  constructor(source: Memory, target: Memory) {
    this.#source = source;
    this.#target = target;
  }

  put({ entry, from }: Piece, to: number): void {
    if (to <= from) return;
    if (entry !== this.#entry || from !== this.#to) {
      this.end();
      this.#entry = entry;
      this.#from = from;
    }
    this.#to = to;
  }

  end(): void {
    if (this.#entry === undefined) return;
    const at = header(this.#target).media.start + this.#from;
    const data = this.#entry.dataAt + this.#from - this.#entry.offset;
    const length = this.#to - this.#from;
    touch(this.#target, at, length);
    if (this.#target === this.#source) this.#target.copy(at, data, length);
    else this.#target.u8.set(this.#source.u8.subarray(data, data + length), at);
    this.#entry = undefined;
  }
}

function* linesOf({ event, offset, length }: LogEntry): Generator<number> {
  if (event === Event.whole) yield offset;
  else for (let line = offset - (offset % LINE); line < offset + length; line += LINE) yield line;
}

/** The lines that a whole store covers are one of their own. */
const keyOf = ({ event }: LogEntry, offset: number): number => (event === Event.whole ? -1 - offset : offset);
