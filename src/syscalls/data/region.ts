// Memory as a program sees it: mmap, munmap, loads and stores.  The last two are no system calls, but
// are recorded like them: the oracles explain their bytes with everybody's writes.
//
// A mapping holds its inode, not the description it was made from: the descriptor may be closed.

import { ihold, inodeAt } from "../../ext4/inodes/cache.ts";
import { isFile } from "../../ext4/inode.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { mapRegion, unmapRegion } from "../../mm/region.ts";
import { type AddressSpace, findVma, pageAt, USER_END, type Vma } from "../../mm/space.ts";
import { flushUser, loadUser, storeUser } from "../../mm/user.ts";
import { isOffset } from "../arguments.ts";
import type { Caller } from "../process.ts";
import { type File, putInode } from "../file.ts";
import { MAX_OFFSET, O } from "../flags.ts";
import { Call, type CallRecord, Mapped, recordBytes, recordFile } from "../record.ts";

export const isAligned = (value: number): boolean => isOffset(value) && value % PAGE_SIZE === 0;

/** How a mapping shows a file; "sync" is MAP_SHARED_VALIDATE with MAP_SYNC. */
export type Sharing = "shared" | "private" | "sync";

/** What a process can address on x86-64.  kernel: TASK_SIZE */
const ADDRESSES = 2 ** 47 - PAGE_SIZE;

/** Maps an open file.  Returns the address, or an error number.  kernel: ksys_mmap_pgoff */
export function mapDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  length: number,
  writable: boolean,
  sharing: Sharing,
  offset: number,
): number {
  if (!isAligned(offset)) return -Errno.EINVAL;
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) {
    recordFile(record, caller.inode(file), offset, length);
    record.mapped = sharing === "private" ? Mapped.private : Mapped.shared;
  }
  const address = mapFile(caller, file, length, writable, sharing, offset);
  caller.release(file);
  return address;
}

/** kernel: do_mmap */
function mapFile(
  caller: Caller,
  file: File,
  length: number,
  writable: boolean,
  sharing: Sharing,
  offset: number,
): number {
  if (!isOffset(length) || length <= 0) return -Errno.EINVAL;
  if (length > ADDRESSES) return -Errno.ENOMEM;
  // What no file can have may be mapped, and is SIGBUS.
  if (offset < 0 || offset + length > MAX_OFFSET) return -Errno.EOVERFLOW;
  const inode = caller.inode(file);
  if (sharing === "sync" && !(caller.design.mapSync === true && isFile(inode))) return -Errno.EOPNOTSUPP;
  const shared = sharing !== "private";
  const mode = file.flags & O.ACCMODE;
  // A mapping can always be read; a shared one that is written writes the file.
  if (mode !== O.RDONLY && mode !== O.RDWR) return -Errno.EACCES;
  if (writable && shared && mode !== O.RDWR) return -Errno.EACCES;
  if (!isFile(inode)) return -Errno.ENODEV;
  ihold(inode);
  const address = mapRegion(
    caller.space,
    length,
    writable,
    shared,
    inode.mapping,
    inode.at,
    offset / PAGE_SIZE,
    sharing === "sync",
  );
  return address < 0 ? putInode(inode, address) : address;
}

/** Unmaps the pages of a range; what is not mapped there is no error.  kernel: do_munmap */
export function unmapPages(
  caller: Caller,
  record: CallRecord | undefined,
  address: number,
  length: number,
): number {
  if (record !== undefined) recordRange(record, address, length);
  if (!isAligned(address) || address < 0 || !isOffset(length) || length <= 0) return -Errno.EINVAL;
  if (address + length > USER_END) return -Errno.EINVAL;
  const released: number[] = [];
  const error = unmapRegion(caller.space, address, length, (at) => released.push(at));
  // Outside of mmapSem: the last reference to an unlinked file frees its blocks.
  let result = error;
  for (const at of released) result = putInode(inodeAt(caller.mem, at), result);
  return result;
}

/** Says which of the caller's addresses the call is on. */
export function recordRange(record: CallRecord, address: number, length: number): void {
  record.extra = address;
  record.length = length;
}

/** Which bytes of which file an address shows. */
export interface Place {
  ino: number;
  generation: number;
  /** Of the address's byte in the file. */
  position: number;
  mapped: number;
  /** Mapped with MAP_SYNC. */
  sync: boolean;
  /** Where the mapping, or the range asked for, ends. */
  end: number;
}

/** Looks up what a user address is mapped to. */
export function resolve(space: AddressSpace, address: number, end: number): Place | undefined {
  downRead(space.mmapSem);
  const vma = findVma(space, address);
  const place = vma === undefined ? undefined : placeIn(vma, address, end);
  upRead(space.mmapSem);
  return place;
}

function placeIn(vma: Vma, address: number, end: number): Place {
  const inode = inodeAt(vma.mem, vma.inodeAt);
  return {
    ino: inode.number,
    generation: inode.generation,
    position: pageAt(vma, address) * PAGE_SIZE + (address % PAGE_SIZE),
    mapped: vma.shared !== 0 ? Mapped.shared : Mapped.private,
    sync: vma.sync !== 0,
    end: Math.min(end, vma.end),
  };
}

/** A load or store that was stopped: by which signal, at which address. */
export interface Fault {
  errno: number;
  address: number;
}

const isRange = (address: number, length: number): boolean =>
  isOffset(address) && isOffset(length) && address >= 0 && length >= 0 && address + length <= USER_END;

/**
 * Loads byte after byte: where one faults, those before it were read.  A range over several mappings is
 * recorded as a load for each.
 */
export function loadBytes(caller: Caller, address: number, length: number): Uint8Array | Fault {
  if (!isRange(address, length)) return { errno: -Errno.SIGSEGV, address };
  const bytes = new Uint8Array(length);
  for (let at = address; at < address + length;) {
    const place = placeOf(caller, at, address + length);
    const end = place?.end ?? address + length;
    const record = beginAccess(caller, Call.load, place, at, end - at);
    const fault = loadPart(caller, bytes, address, at, end);
    const reached = fault?.address ?? end;
    if (record !== undefined) recordBytes(record, bytes.subarray(at - address, reached - address));
    endAccess(caller, record, reached - at, fault);
    if (fault !== undefined) return fault;
    at = end;
  }
  return bytes;
}

function loadPart(
  caller: Caller,
  bytes: Uint8Array,
  address: number,
  from: number,
  end: number,
): Fault | undefined {
  for (let at = from; at < end;) {
    // After less than all: asked again, for the error at the place that was not reached.
    const loaded = loadUser(caller.mem, caller.space, at, end - at);
    if (typeof loaded === "number") return { errno: loaded, address: at };
    bytes.set(loaded, at - address);
    at += loaded.length;
  }
  return undefined;
}

/** Stores byte after byte.  Returns undefined when all were stored. */
export function storeAll(caller: Caller, address: number, bytes: Uint8Array): Fault | undefined {
  if (!isRange(address, bytes.length)) return { errno: -Errno.SIGSEGV, address };
  for (let at = address; at < address + bytes.length;) {
    const place = placeOf(caller, at, address + bytes.length);
    const end = place?.end ?? address + bytes.length;
    const record = beginAccess(caller, Call.store, place, at, end - at);
    if (record !== undefined) recordBytes(record, bytes.subarray(at - address, end - address));
    const fault = storePart(caller, bytes, address, at, end);
    endAccess(caller, record, (fault?.address ?? end) - at, fault);
    if (fault !== undefined) return fault;
    at = end;
  }
  return undefined;
}

function storePart(
  caller: Caller,
  bytes: Uint8Array,
  address: number,
  from: number,
  end: number,
): Fault | undefined {
  for (let at = from; at < end;) {
    const stored = storeUser(caller.mem, caller.space, at, bytes.subarray(at - address, end - address));
    if (stored < 0) return { errno: stored, address: at };
    at += stored;
  }
  return undefined;
}

/** Writes back the cache lines of a range.  Returns undefined when all were. */
export function flushRange(caller: Caller, address: number, length: number): Fault | undefined {
  if (!isRange(address, length)) return { errno: -Errno.SIGSEGV, address };
  for (let at = address; at < address + length;) {
    const place = placeOf(caller, at, address + length);
    const end = place?.end ?? address + length;
    const record = beginAccess(caller, Call.flush, place, at, end - at);
    if (record !== undefined && place?.sync === true) record.mapped = Mapped.sync;
    const fault = flushPart(caller, at, end);
    endAccess(caller, record, (fault?.address ?? end) - at, fault);
    if (fault !== undefined) return fault;
    at = end;
  }
  return undefined;
}

function flushPart(caller: Caller, from: number, end: number): Fault | undefined {
  for (let at = from; at < end;) {
    const flushed = flushUser(caller.mem, caller.space, at, end - at);
    if (flushed < 0) return { errno: flushed, address: at };
    at += flushed;
  }
  return undefined;
}

/** What an address shows; asked only for the record. */
function placeOf(caller: Caller, at: number, end: number): Place | undefined {
  return caller.records.on === 0 ? undefined : resolve(caller.space, at, end);
}

function beginAccess(
  caller: Caller,
  kind: Call,
  place: Place | undefined,
  address: number,
  length: number,
): CallRecord | undefined {
  const record = caller.begin(kind);
  if (record === undefined) return undefined;
  record.extra = address;
  record.length = length;
  if (place === undefined) return record;
  record.ino = place.ino;
  record.generation = place.generation;
  record.position = place.position;
  record.mapped = place.mapped;
  return record;
}

/** `done` bytes were accessed, also when a fault stopped the rest. */
function endAccess(caller: Caller, record: CallRecord | undefined, done: number, fault?: Fault): void {
  caller.end(record, fault?.errno ?? done);
  if (record !== undefined) record.result = done;
}
