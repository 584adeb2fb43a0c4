// From what was recorded of the system calls to the history of each file, as the register check takes it.
//
// Files are told apart by inode number and generation: a new file in an old inode is another file.
// What is not verified is listed in `register.ts`; in addition loads through a private mapping whose pages
// the process has stored to are left out: those pages are its own.

import { iget, iput } from "../../ext4/inodes/cache.ts";
import { superBlock } from "../../ext4/super.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { O } from "../../syscalls/flags.ts";
import { Call, Mapped, recordData, recordsOf, type CallRecord } from "../../syscalls/record.ts";
import { Fallocate } from "../../xip/modes.ts";
import { certainSize, type FileHistory, type Read, type Write } from "./register.ts";

/** A recorded call, copied out of the machine. */
export interface RecordedCall {
  readonly kind: Call;
  readonly task: number;
  readonly process: number;
  /** The task's n-th call of the run, from 1. */
  readonly number: number;
  readonly begin: number;
  /** Infinity when the task was stopped within the call. */
  readonly end: number;
  /** Which file: `fileKey`; 0:0 when none. */
  readonly file: string;
  readonly ino: number;
  readonly position: number;
  readonly length: number;
  readonly result: number;
  readonly error: number;
  readonly mapped: number;
  readonly extra: number;
  readonly source: string;
  readonly sourcePosition: number;
  readonly data: Uint8Array;
}

/** Calls that promise something when they return. */
export const SYNCS: ReadonlySet<Call> = new Set([Call.fsync, Call.fdatasync, Call.sync]);

/** A read, and the call it was. */
export interface CallRead extends Read {
  readonly call: RecordedCall | undefined;
  readonly file: string;
}

/** One file's history in a run; the writes know their calls, for the report. */
export interface CallWrite extends Write {
  readonly call: RecordedCall;
}

export interface CallHistory extends FileHistory {
  readonly writes: CallWrite[];
}

export interface RunHistory {
  readonly calls: readonly RecordedCall[];
  readonly files: ReadonlyMap<string, CallHistory>;
  readonly reads: readonly CallRead[];
}

/** What a file held when the run began, by its key. */
export interface InitialFile {
  readonly size: number;
  byteAt(position: number): number;
  /** What it may hold instead. */
  readonly maybe: readonly CallWrite[];
}

/** When things happened that came before the run. */
export const BEFORE = { begin: -2, end: -1 } as const;

/** How a file is told apart. */
export function fileKey(ino: number, generation: number): string {
  return `${ino}:${generation}`;
}

/** The key of the file that has an inode now; undefined when that cannot be read. */
export function keyOfInode(mem: Memory, ino: number): string | undefined {
  const inode = iget(superBlock(mem), ino);
  if (typeof inode === "number") return undefined;
  const { generation } = inode;
  iput(inode);
  return fileKey(ino, generation);
}

/** The calls recorded since the last reset, oldest first. */
export function recordedCalls(mem: Memory): RecordedCall[] {
  return recordsOf(mem).map(copyOf);
}

function copyOf(record: CallRecord): RecordedCall {
  return {
    kind: record.kind as Call,
    task: record.task,
    process: record.process,
    number: record.number,
    begin: record.begin,
    end: record.end === 0 ? Infinity : record.end,
    file: fileKey(record.ino, record.generation),
    ino: record.ino,
    position: record.position,
    length: record.length,
    result: record.result,
    error: record.error,
    mapped: record.mapped,
    extra: record.extra,
    source: record.sourceIno === 0 ? "" : fileKey(record.sourceIno, record.sourceGeneration),
    sourcePosition: record.sourcePosition,
    data: Uint8Array.from(recordData(record)),
  };
}

/** The history of every file that the calls concern. */
export function historyOf(
  calls: readonly RecordedCall[],
  initialFile: (file: string) => InitialFile | undefined,
): RunHistory {
  const files = new Map<string, CallHistory>();
  const fileOf = (key: string): CallHistory => {
    let file = files.get(key);
    if (file === undefined) {
      const before = initialFile(key);
      const initial = (position: number): number => before?.byteAt(position) ?? 0;
      file = { initial, writes: [...(before?.maybe ?? [])], resizes: [] };
      file.resizes.push({ ...BEFORE, size: before?.size ?? 0, exact: true, maybe: false });
      files.set(key, file);
    }
    return file;
  };
  for (const call of calls) if (call.ino !== 0) addSize(fileOf(call.file), call);
  for (const call of calls) if (call.ino !== 0) addWrites(fileOf(call.file), call, fileOf);
  return { calls, files, reads: readsOf(calls) };
}

/** A call that did not return what it was asked for may have done it, or part of it, all the same. */
const unsure = (call: RecordedCall): boolean => call.error !== 0 || call.end === Infinity;

/** The size a call sets by truncating, undefined when it does not. */
function truncatesTo(call: RecordedCall): number | undefined {
  if (call.kind === Call.truncate || call.kind === Call.ftruncate) return call.length;
  return call.kind === Call.open && (call.extra & O.TRUNC) !== 0 ? 0 : undefined;
}

const moves = (call: RecordedCall): boolean =>
  call.kind === Call.fallocate && (call.extra & (Fallocate.collapseRange | Fallocate.insertRange)) !== 0;

function addSize(file: CallHistory, call: RecordedCall): void {
  const { begin, end, position } = call;
  const maybe = unsure(call);
  const truncated = truncatesTo(call);
  if (truncated !== undefined) file.resizes.push({ begin, end, size: truncated, exact: true, maybe });
  else if (moves(call)) file.resizes.push({ begin, end, size: 0, exact: true, maybe: true });
  else if (call.kind === Call.pwrite || call.kind === Call.write || call.kind === Call.copy) {
    if (call.result > 0) file.resizes.push({ begin, end, size: position + call.result, exact: false, maybe });
  } else if (call.kind === Call.fallocate && (call.extra & Fallocate.keepSize) === 0) {
    file.resizes.push({ begin, end, size: position + call.length, exact: false, maybe });
  }
}

function addWrites(file: CallHistory, call: RecordedCall, fileOf: (key: string) => CallHistory): void {
  const { begin, end, position } = call;
  const maybe = unsure(call);
  const add = (at: number, length: number, value: Write["value"], optional: boolean): void => {
    if (length > 0) file.writes.push({ begin, end, position: at, length, value, maybe: optional, call });
  };
  const truncated = truncatesTo(call);
  if (truncated !== undefined) return add(truncated, Infinity, "zeros", maybe);
  if (moves(call)) return add(position, Infinity, "unknown", true);
  switch (call.kind) {
    case Call.pwrite:
    case Call.write:
      return add(position, maybe ? call.data.length : call.result, call.data, maybe);
    case Call.copy: {
      const known = call.source !== "" && call.mapped !== Mapped.private;
      const value = known ? { file: fileOf(call.source), position: call.sourcePosition } : "unknown";
      return add(position, maybe ? call.length : call.result, value, maybe);
    }
    case Call.store: {
      if (call.mapped !== Mapped.shared) return;
      // Up to the byte that faulted the bytes were stored; a task that was stopped may have stored any.
      const stored = end === Infinity ? call.data.length : call.result;
      const sure =
        end === Infinity ? 0 : Math.max(0, Math.min(stored, certainSize(file, begin, end) - position));
      add(position, sure, call.data.subarray(0, sure), false);
      return add(position + sure, stored - sure, call.data.subarray(sure, stored), true);
    }
    case Call.fallocate:
      if ((call.extra & (Fallocate.punchHole | Fallocate.zeroRange | Fallocate.writeZeroes)) !== 0) {
        add(position, call.length, "zeros", maybe);
      }
      return;
    default:
      return;
  }
}

function readsOf(calls: readonly RecordedCall[]): CallRead[] {
  const own = calls.filter(({ kind, mapped }) => kind === Call.store && mapped === Mapped.private);
  const reads: CallRead[] = [];
  for (const call of calls) {
    if (call.ino === 0 || call.end === Infinity) continue;
    const { begin, end, position, file, data: bytes } = call;
    if (call.kind === Call.pread || call.kind === Call.read) {
      if (call.error === 0) reads.push({ begin, end, position, length: call.length, bytes, call, file });
    } else if (call.kind === Call.load) {
      if (call.mapped === Mapped.private && own.some((store) => samePages(store, call))) continue;
      reads.push({ begin, end, position, length: bytes.length, bytes, call, file });
    }
  }
  return reads;
}

const pageOf = (position: number): number => Math.floor(position / PAGE_SIZE);
const lastPage = ({ position, length }: RecordedCall): number => pageOf(position + Math.max(1, length) - 1);

function samePages(store: RecordedCall, load: RecordedCall): boolean {
  if (store.process !== load.process || store.file !== load.file) return false;
  return pageOf(store.position) <= lastPage(load) && pageOf(load.position) <= lastPage(store);
}
