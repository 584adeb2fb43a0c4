// What the tasks called, for the oracles: every system call with its arguments, result, bytes, and its
// place in the order of calls.
//
// The order clock ticks when a call begins and when it ends.  A call that ended before another began
// happened before it; otherwise the two overlap.  Both ticks are announced on one address (Op.call,
// Op.return), so that the scheduler knows that the order of calls can be observed, and they are made
// whether recording is on or off, so that the steps of a run do not depend on who is looking.
//
// Records lie in the control area: going back to a snapshot does not undo them.  Each task appends to a
// part of its own, so no lock is needed:
//
//   record, its data (8-aligned), record, its data, …
//
// A task that was stopped within a call leaves a record with end = 0: it may or may not have had its effect.

import type { Inode } from "../ext4/inode.ts";
import { bytesOf, type Path } from "../ext4/names/path.ts";
import { currentTask, Op, step } from "../machine/cpu.ts";
import { assert, Halted } from "../machine/errors.ts";
import { allocateControl, Root, rootView, setRoot } from "../machine/layout.ts";
import { HOST_TASK, MAX_TASKS, MIB, TASK_SLOTS } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { f64, quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import { note, Note } from "../machine/trace.ts";

const CALL = Op.call;
const RETURN = Op.return;

/** Which call a record is of. */
export const Call = {
  open: 1, // extra: the flags; data: the path
  close: 2,
  pread: 3, // data: the bytes returned
  pwrite: 4, // data: the bytes given; only the first `result` of them were written
  read: 5, // as pread; position is where it read
  write: 6, // as pwrite
  copy: 7, // a write or pwrite from user memory: the bytes are those of a mapping, see sourceIno
  lseek: 8,
  fallocate: 9, // extra: the mode
  ftruncate: 10, // length: the new size
  truncate: 11, // the same; data: the path
  fstat: 12,
  stat: 13, // data: the path
  lstat: 14, // data: the path
  fsync: 15,
  fdatasync: 16,
  sync: 17,
  mmap: 18, // result: the address
  munmap: 19, // extra: the address
  msync: 20, // extra: the address; of one shared mapping, with MS_SYNC, position in the file and mapped, too
  load: 21, // position in the file; extra: the address; data: the bytes loaded
  store: 22, // the same; data: the bytes given; only the first `result` of them were stored
  fiemap: 23,
  unlink: 24, // data: the path
  readdir: 25, // data: the path
  readlink: 26, // data: the path
  mkdir: 27, // data: the path
  rmdir: 28, // data: the path
  rename: 29, // extra: the flags; data: the old path, NUL, the new one
  link: 30, // data: the path that is there, NUL, the new one
  symlink: 31, // data: what it says, NUL, its path
  chmod: 32, // data: the path
  fchmod: 33,
  utimens: 34, // data: the path
  futimens: 35,
  statfs: 36, // data: the path
  chown: 37, // data: the path
  lchown: 38, // data: the path
  fchown: 39,
  flush: 40, // position in the file; extra: the address; mapped: sync where the mapping is
  drain: 41,
} as const;
export type Call = (typeof Call)[keyof typeof Call];

const names: string[] = [];
for (const [name, value] of Object.entries(Call)) names[value] = name;

/** 4 -> "pwrite". */
export function callName(call: number): string {
  return names[call] ?? `call ${call}`;
}

/** How a load or store reached its bytes. */
export const Mapped = { no: 0, shared: 1, private: 2, sync: 3 } as const;

export const CallRecord = struct("call_record", {
  kind: u32, // a Call
  task: u32,
  process: u32,
  number: u32, // of the task's calls since the reset, from 1
  begin: u32, // order clock
  end: u32, // 0: the task was stopped before the call returned
  ino: u32, // of the file; 0 when the call has none or failed before it knew
  generation: u32,
  position: f64, // in the file, bytes
  length: f64, // as asked
  result: f64, // what the program saw: a count, a descriptor, an address; on an error what was done before it
  error: u32, // errno, positive; 0 is none
  mapped: u32, // a Mapped
  extra: f64,
  sourceIno: u32, // copy: the file whose mapping the source is; 0 when it is not one mapping's
  sourceGeneration: u32,
  sourcePosition: f64, // of the source's first byte in that file
  dataAt: u32, // where the bytes lie in the memory
  dataLength: u32,
  size: u32, // of the record and its data
});
export type CallRecord = ViewOf<typeof CallRecord>;

const Records = struct("records", {
  clock: quiet,
  on: u32, // 0 nothing is recorded, 1 calls are, 2 calls are refused: the machine is closed
  overflow: u32,
  start: u32, // of the space all tasks' parts are made of
});
export type Records = ViewOf<typeof Records>;

const Part = struct("record_part", { start: u32, end: u32, next: u32, count: u32 });
type Part = ViewOf<typeof Part>;

/** Bytes for the records of all tasks together. */
const RECORD_SPACE = 8 * MIB;

const partAt = (records: Records, task: number): number =>
  records.at + Math.ceil(Records.size / 8) * 8 + task * Part.size;

/** Makes the record space, recording off.  At boot. */
export function initRecords(mem: Memory): void {
  const parts = Math.ceil(Records.size / 8) * 8 + TASK_SLOTS * Part.size;
  setRoot(mem, Root.records, allocateControl(mem, parts));
  recordsIn(mem).start = allocateControl(mem, RECORD_SPACE);
  resetRecords(mem);
}

/** The recorder's state, for callers that keep the view. */
export function recordsIn(mem: Memory): Records {
  return rootView(mem, Root.records, Records);
}

/** Starts or stops recording.  What was recorded stays. */
export function setRecording(mem: Memory, on: boolean): void {
  recordsIn(mem).on = on ? 1 : 0;
}

const REFUSED = 2;

/** Lets no call begin any more.  Every call asks whether it is recorded, so asking this, too, costs none anything. */
export function refuseCalls(mem: Memory): void {
  recordsIn(mem).on = REFUSED;
}

/**
 * Forgets all records and starts the clock anew.  The space is shared out evenly among tasks
 * 0 … `tasks` - 1 and the host.  No task may be in a call.
 */
export function resetRecords(mem: Memory, tasks = MAX_TASKS): void {
  const records = recordsIn(mem);
  const share = Math.floor(RECORD_SPACE / (tasks + 1) / 64) * 64;
  for (let task = 0; task < TASK_SLOTS; task++) {
    const part = Part.of(mem, partAt(records, task));
    const place = task === HOST_TASK ? tasks : task;
    part.start = records.start + Math.min(place, tasks) * share;
    part.end = task < tasks || task === HOST_TASK ? part.start + share : part.start;
    part.next = part.start;
    part.count = 0;
  }
  records.clock.store(0);
  records.overflow = 0;
}

/** Whether some call found no room: recording stopped there, and the records are not all. */
export function recordsOverflowed(mem: Memory): boolean {
  return recordsIn(mem).overflow !== 0;
}

/** All records, in the order in which the calls began. */
export function recordsOf(mem: Memory): CallRecord[] {
  const records = recordsIn(mem);
  const found: CallRecord[] = [];
  for (let task = 0; task < TASK_SLOTS; task++) {
    const part = Part.of(mem, partAt(records, task));
    for (let at = part.start; at < part.next;) {
      const record = CallRecord.of(mem, at);
      found.push(record);
      at += record.size;
    }
  }
  return found.toSorted((a, b) => a.begin - b.begin);
}

/**
 * A 52-bit hash of all records.  Runs in which every task made the same calls with the same bytes and
 * results, in the same order of begins and ends, have the same hash.
 */
export function hashRecords(mem: Memory): number {
  const records = recordsIn(mem);
  let sum = 0;
  for (let task = 0; task < TASK_SLOTS; task++) {
    // Words, not a view: this is asked after every run of a search.
    const part = partAt(records, task) >>> 2;
    const start = mem.u32[part + PART_START] as number;
    const end = mem.u32[part + PART_NEXT] as number;
    if (start === end) continue;
    // Whole hash blocks: what an earlier run has left behind the last record must not count.
    const padded = Math.ceil((end - start) / HASH_BLOCK) * HASH_BLOCK;
    mem.fill(end, 0, padded - (end - start));
    sum = (sum + mem.bulk.hash(start, padded, task)) % 2 ** 52;
  }
  return sum;
}

const HASH_BLOCK = 32;
const PART_START = Part.offset("start") >>> 2;
const PART_NEXT = Part.offset("next") >>> 2;

/** The bytes of a record, as a view of the memory: valid until the next reset. */
export function recordData(record: CallRecord): Uint8Array<SharedArrayBuffer> {
  return record.mem.u8.subarray(record.dataAt, record.dataAt + record.dataLength);
}

/** Enters a system call.  Returns its record, or undefined while nothing is recorded. */
export function beginCall(records: Records, process: number, kind: Call): CallRecord | undefined {
  step(CALL, records.at);
  return records.on === 0 ? undefined : openRecord(records, process, kind);
}

function openRecord(records: Records, process: number, kind: Call): CallRecord | undefined {
  if (records.on === REFUSED) throw new Halted("the machine is closed");
  const { mem } = records;
  const task = currentTask();
  const part = Part.of(mem, partAt(records, task));
  const at = part.next;
  if (!reserve(records, part, CallRecord.size)) return undefined;
  mem.fill(at, 0, CallRecord.size);
  part.count += 1;
  const record = CallRecord.of(mem, at);
  record.kind = kind;
  record.task = task;
  record.process = process;
  record.number = part.count;
  record.size = CallRecord.size;
  record.begin = records.clock.add(1) + 1;
  note(mem, Note.call, record.number);
  return record;
}

/** Takes bytes off a task's part.  A full part stops the recording: an oracle needs all calls or none. */
function reserve(records: Records, part: Part, length: number): boolean {
  const taken = Math.ceil(length / 8) * 8;
  if (part.next + taken > part.end) {
    records.overflow = 1;
    records.on = 0;
    return false;
  }
  part.next += taken;
  return true;
}

/** Says which file the call is on, and which bytes of it were asked for. */
export function recordFile(record: CallRecord, inode: Inode, position: number, length: number): void {
  record.ino = inode.number;
  record.generation = inode.generation;
  record.position = position;
  record.length = length;
}

/** Adds the call's bytes.  Once for each record, while its call is the task's last. */
export function recordBytes(record: CallRecord, bytes: Uint8Array): void {
  const { mem } = record;
  const records = recordsIn(mem);
  const part = Part.of(mem, partAt(records, record.task));
  assert(record.at + record.size === part.next, "bytes are added to the task's last record");
  const at = part.next;
  if (!reserve(records, part, bytes.length)) return;
  // Equal records are equal bytes: what is left over of the last word does not depend on earlier runs.
  if (bytes.length > 0) mem.f64[(part.next >>> 3) - 1] = 0;
  mem.write(at, bytes);
  mem.fill(at + bytes.length, 0, part.next - at - bytes.length); // for hashRecords
  record.dataAt = at;
  record.dataLength = bytes.length;
  record.size = part.next - record.at;
}

/** Adds the path that a call was given, or the two with a NUL between them. */
export function recordPath(record: CallRecord, path: Path, second?: Path): void {
  const first = bytesOf(path);
  if (second === undefined) return recordBytes(record, first);
  const other = bytesOf(second);
  const both = new Uint8Array(first.length + 1 + other.length);
  both.set(first);
  both.set(other, first.length + 1);
  return recordBytes(record, both);
}

/** Leaves a system call.  `result` is what the kernel returned: a value, or a negative error number. */
export function endCall(records: Records, record: CallRecord | undefined, result: number): void {
  step(RETURN, records.at);
  if (record !== undefined) closeRecord(records, record, result);
}

function closeRecord(records: Records, record: CallRecord, result: number): void {
  note(records.mem, Note.return, record.number, result);
  if (result < 0) record.error = -result;
  else record.result = result;
  record.end = records.clock.add(1) + 1;
}
