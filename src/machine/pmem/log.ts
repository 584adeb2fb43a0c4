// What happened to the media's cache lines, in order: every store, write-back and fence since `startLog`, for who
// wants to know what a power failure would have left (crash.ts).
//
// An entry is a range of bytes; behind a store its bytes are kept as they were right after it.  The log lies in
// the control area, so going back to a snapshot leaves it as it is.  It has no lock: the machine is under
// control, or one thread uses it.  While it is off (header.logging), a store pays one look at that word.

import { currentTask } from "../cpu.ts";
import { allocateControl, header, Root, rootAt, rootView, setRoot } from "../layout.ts";
import type { Memory } from "../memory.ts";
import { struct, u32, u8, type ViewOf } from "../struct.ts";
import { currentStep } from "../trace.ts";

/** What an entry is. */
export const Event = {
  store: 1, // into a cache: written back by a flush, or by chance
  stream: 2, // past the caches (non-temporal, or flushed on the spot): on its way to the media
  flush: 3, // writes the lines of a range back
  fence: 4, // what was on its way has arrived
  whole: 5, // a stream that a power failure cannot cut
} as const;
export type Event = (typeof Event)[keyof typeof Event];

/** Which part of the kernel stored; 0 where nobody said so. */
export const Writer = {
  user: 1, // a program, through a mapping
  copy: 2, // a write's copy
  zero: 3,
  descriptor: 4, // the blocks of a transaction in the log
  logged: 5,
  revoke: 6,
  commit: 7,
  checkpoint: 8, // a block of metadata to its place
  journalSuper: 9, // the journal's superblock
  superblock: 10, // of the file system
  recovery: 11,
} as const;
export type Writer = (typeof Writer)[keyof typeof Writer];

const LogState = struct("store_log", {
  count: u32,
  used: u32, // bytes of data
  dropped: u32, // entries that found no room: what is read from the log is worthless then
  entriesAt: u32,
  dataAt: u32,
});

const Entry = struct("store_log_entry", {
  event: u8,
  writer: u8,
  task: u8,
  unused: u8,
  step: u32, // how many steps the run had announced
  offset: u32, // of the first byte on the media
  length: u32,
  dataAt: u32, // the address of a store's bytes
});

const MAX_ENTRIES = 32_768;
const DATA_LENGTH = 8 * 1024 * 1024;

function logOf(mem: Memory): ViewOf<typeof LogState> {
  return rootView(mem, Root.storeLog, LogState);
}

/** Begins with an empty log: the media as it is now counts as durable. */
export function startLog(mem: Memory): void {
  if (rootAt(mem, Root.storeLog) === 0) {
    setRoot(mem, Root.storeLog, allocateControl(mem, LogState.size));
    const made = logOf(mem);
    made.entriesAt = allocateControl(mem, MAX_ENTRIES * Entry.size);
    made.dataAt = allocateControl(mem, DATA_LENGTH);
  }
  const log = logOf(mem);
  log.count = 0;
  log.used = 0;
  log.dropped = 0;
  header(mem).logging = 1;
}

/** Ends it; the log can still be read. */
export function stopLog(mem: Memory): void {
  header(mem).logging = 0;
}

/** Adds what has just been done to a range of the memory; what is not media does not count. */
export function logEvent(mem: Memory, event: Event, at: number, length: number, writer: number): void {
  const { start, length: mediaLength } = header(mem).media;
  if (at < start || at >= start + mediaLength) return;
  const log = logOf(mem);
  const data = event === Event.flush || event === Event.fence ? 0 : length;
  if (log.count === MAX_ENTRIES || log.used + data > DATA_LENGTH) {
    // No exception: the store that brought us here may be one of a program, in the middle of its access.
    log.dropped += 1;
    return;
  }
  const entry = Entry.of(mem, log.entriesAt + log.count * Entry.size);
  entry.event = event;
  entry.writer = writer;
  entry.task = currentTask();
  entry.step = currentStep(mem);
  entry.offset = at - start;
  entry.length = length;
  entry.dataAt = log.dataAt + log.used;
  if (data > 0) mem.copy(entry.dataAt, at, length);
  log.count += 1;
  log.used += data;
}

/** One entry of the log. */
export interface LogEntry {
  readonly event: Event;
  readonly writer: number;
  readonly task: number;
  /** How many steps the run had announced. */
  readonly step: number;
  /** Of the first byte on the media. */
  readonly offset: number;
  readonly length: number;
  /** The address of a store's bytes, in the memory of the log. */
  readonly dataAt: number;
}

/** The log, oldest first, and how many entries found no room in it. */
export function readLog(mem: Memory): { entries: LogEntry[]; dropped: number } {
  if (rootAt(mem, Root.storeLog) === 0) return { entries: [], dropped: 0 };
  const { count, dropped, entriesAt } = logOf(mem);
  const entries = Array.from({ length: count }, (_, i) => {
    const { event, writer, task, step, offset, length, dataAt } = Entry.of(mem, entriesAt + i * Entry.size);
    return { event: event as Event, writer, task, step, offset, length, dataAt };
  });
  return { entries, dropped };
}
