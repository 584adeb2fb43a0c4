// read, write and lseek on an open file: where in the file, which bytes, what is an error.  The copying
// is the design's.
//
// Lock order: file.positionMutex, whatever the design takes.

import { lookUp } from "../../ext4/map.ts";
import { State } from "../../ext4/extents/extent.ts";
import { type Inode, isDirectory, readSize } from "../../ext4/inode.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { MIB } from "../../machine/limits.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { USER_END } from "../../mm/space.ts";
import { type UserBuffer, userAddress, userBytes } from "../../mm/user.ts";
import { isOffset, type UserRange } from "../arguments.ts";
import type { Caller } from "../process.ts";
import { type File, isReadable, isWritable } from "../file.ts";
import { MAX_FILE_SIZE, MAX_TRANSFER, O, Seek } from "../flags.ts";
import { Call, type CallRecord, recordBytes, recordFile } from "../record.ts";
import { resolve } from "./region.ts";

/** As a position: that of the file description, which moves on. */
export const HERE = -1;

// The compiler knows the values of a module's own constants, of imported ones it does not.
const { APPEND, DSYNC } = O;
const LIMIT = MAX_FILE_SIZE;
const MOST = MAX_TRANSFER;

/** Answers up to this size get their buffer before the size of the file is known. */
const SMALL_READ = 4 * MIB;

/** Only tasks of the same process can meet at a position. */
const positionIsShared = (caller: Caller): boolean => caller.process.tasks > 1;

/** Reads up to `length` bytes at a position.  Returns the bytes, or an error number.  kernel: ksys_pread64 */
export function readAt(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  length: number,
  position: number,
): Uint8Array | number {
  if (!isOffset(position) || position < 0) return -Errno.EINVAL;
  return readDescriptor(caller, record, fd, length, position);
}

/** The same; the position can be HERE. */
export function readDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  length: number,
  position: number,
): Uint8Array | number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  const bytes = readFile(caller, record, file, length, position);
  caller.release(file);
  return bytes;
}

/** kernel: vfs_read */
function readFile(
  caller: Caller,
  record: CallRecord | undefined,
  file: File,
  length: number,
  position: number,
): Uint8Array | number {
  if (!isReadable(file.flags)) return -Errno.EBADF;
  if (!isOffset(length) || length < 0) return -Errno.EINVAL;
  const inode = caller.inode(file);
  if (isDirectory(inode)) return -Errno.EISDIR;
  if (position !== HERE) return readInode(caller, record, inode, length, position);
  if (positionIsShared(caller)) mutexLock(file.positionMutex);
  const bytes = readInode(caller, record, inode, length, file.position);
  if (typeof bytes !== "number") file.position += bytes.length;
  if (positionIsShared(caller)) mutexUnlock(file.positionMutex);
  return bytes;
}

function readInode(
  caller: Caller,
  record: CallRecord | undefined,
  inode: Inode,
  length: number,
  position: number,
): Uint8Array | number {
  if (record !== undefined) recordFile(record, inode, position, length);
  let wanted = Math.min(length, MOST, Math.max(0, LIMIT - position));
  // A huge request must not cost a huge buffer.  Small ones never ask for the size here: the moment at
  // which it is read is the design's to choose.
  if (wanted > SMALL_READ) {
    wanted = Math.min(wanted, Math.max(SMALL_READ, readSize(inode) - position));
  }
  const bytes = new Uint8Array(wanted);
  if (wanted === 0) return bytes;
  const count = caller.design.read(inode, userBytes(bytes), position, wanted);
  if (count < 0) return count;
  const answer = count === wanted ? bytes : bytes.slice(0, count);
  if (record !== undefined) recordBytes(record, answer);
  return answer;
}

/**
 * Writes at a position, or at the end where the file was opened to append.  Returns the count, or an error
 * number.  kernel: ksys_pwrite64
 */
export function writeAt(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  source: Uint8Array | UserRange,
  position: number,
): number {
  if (!isOffset(position) || position < 0) return -Errno.EINVAL;
  return writeDescriptor(caller, record, fd, source, position);
}

/** The same; the position can be HERE. */
export function writeDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  source: Uint8Array | UserRange,
  position: number,
): number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  const count = writeFile(caller, record, file, source, position);
  caller.release(file);
  return count;
}

/** kernel: vfs_write */
function writeFile(
  caller: Caller,
  record: CallRecord | undefined,
  file: File,
  source: Uint8Array | UserRange,
  position: number,
): number {
  const { flags } = file;
  if (!isWritable(flags)) return -Errno.EBADF;
  if (!isOffset(source.length) || source.length < 0) return -Errno.EINVAL;
  if (position === HERE) return writeHere(caller, record, file, source);
  caller.place.position = position;
  return writeInode(caller, record, caller.inode(file), flags, source);
}

function writeHere(
  caller: Caller,
  record: CallRecord | undefined,
  file: File,
  source: Uint8Array | UserRange,
): number {
  if (positionIsShared(caller)) mutexLock(file.positionMutex);
  caller.place.position = file.position;
  const count = writeInode(caller, record, caller.inode(file), file.flags, source);
  if (count > 0) file.position = caller.place.position + count;
  if (positionIsShared(caller)) mutexUnlock(file.positionMutex);
  return count;
}

/** Writes where `caller.place` says.  As in Linux a pwrite to a file opened for appending appends, too. */
function writeInode(
  caller: Caller,
  record: CallRecord | undefined,
  inode: Inode,
  flags: number,
  source: Uint8Array | UserRange,
): number {
  const { place } = caller;
  const { length } = source;
  if (record !== undefined) recordSource(caller, record, inode, source, place.position);
  if (length === 0) return 0;
  place.append = (flags & APPEND) !== 0;
  // Where an append goes is the design's to say; for the limit its guess is good enough.
  const start = place.append ? inode.size : place.position;
  const wanted = length > MOST || start + length > LIMIT ? lessThan(length, start) : length;
  if (wanted < 0) return wanted;
  const from = userBuffer(caller, source);
  if (typeof from === "number") return from;
  const count = caller.design.write(inode, from, place, wanted);
  if (record !== undefined) record.position = place.position;
  return (flags & DSYNC) === 0 ? count : syncWritten(caller, inode, count);
}

/** How much of a write that is too long is tried, or -EFBIG. */
function lessThan(length: number, start: number): number {
  return start >= LIMIT ? -Errno.EFBIG : Math.min(length, MOST, LIMIT - start);
}

/** What was written to a file opened with O_DSYNC is durable before the call returns. */
function syncWritten(caller: Caller, inode: Inode, count: number): number {
  const synced = count > 0 ? caller.design.sync(inode) : 0;
  return synced < 0 ? synced : count;
}

function userBuffer(caller: Caller, source: Uint8Array | UserRange): UserBuffer | number {
  if (source instanceof Uint8Array) return userBytes(source);
  const { address, length } = source;
  // What is no user memory at all is refused before anything is written.  kernel: access_ok
  const isUser = isOffset(address) && address >= 0 && address + length <= USER_END;
  return isUser ? userAddress(caller.space, address, length) : -Errno.EFAULT;
}

function recordSource(
  caller: Caller,
  record: CallRecord,
  inode: Inode,
  source: Uint8Array | UserRange,
  position: number,
): void {
  recordFile(record, inode, position, source.length);
  if (source instanceof Uint8Array) {
    recordBytes(record, source);
    return;
  }
  record.kind = Call.copy;
  record.extra = source.address;
  const place = resolve(caller.space, source.address, source.address + source.length);
  if (place === undefined || place.end < source.address + source.length) return;
  record.mapped = place.mapped;
  record.sourceIno = place.ino;
  record.sourceGeneration = place.generation;
  record.sourcePosition = place.position;
}

/** Moves a descriptor's position.  Returns it, in bytes, or an error number.  kernel: ksys_lseek */
export function seekDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  offset: number,
  whence: number,
): number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) {
    recordFile(record, caller.inode(file), offset, 0);
    record.extra = whence;
  }
  const position = seekFile(caller, file, offset, whence);
  caller.release(file);
  return position;
}

/** kernel: ext4_llseek */
function seekFile(caller: Caller, file: File, offset: number, whence: number): number {
  if (positionIsShared(caller)) mutexLock(file.positionMutex);
  const position = seekTarget(file, caller.inode(file), offset, whence);
  if (position >= 0) file.position = position;
  if (positionIsShared(caller)) mutexUnlock(file.positionMutex);
  return position;
}

function seekTarget(file: File, inode: Inode, offset: number, whence: number): number {
  if (!isOffset(offset)) return -Errno.EINVAL;
  switch (whence) {
    case Seek.set:
      return validPosition(offset);
    case Seek.current:
      return validPosition(file.position + offset);
    case Seek.end:
      return validPosition(readSize(inode) + offset);
    case Seek.data:
    case Seek.hole:
      return seekExtent(inode, offset, whence === Seek.data);
    default:
      return -Errno.EINVAL;
  }
}

function validPosition(position: number): number {
  return position < 0 || position > LIMIT ? -Errno.EINVAL : position;
}

/**
 * The first place from `offset` on that holds data, or that does not.  Unwritten extents hold none.
 * kernel: iomap_seek_data, iomap_seek_hole
 */
function seekExtent(inode: Inode, offset: number, wantData: boolean): number {
  downRead(inode.rwsem);
  const size = readSize(inode);
  let position = offset;
  let error = offset < 0 || offset >= size ? -Errno.ENXIO : 0;
  while (error === 0 && position < size) {
    const extent = lookUp(inode, Math.floor(position / PAGE_SIZE));
    if (typeof extent === "number") {
      error = extent;
      break;
    }
    if ((extent.state === State.written) === wantData) break;
    position = (extent.start + extent.length) * PAGE_SIZE;
  }
  upRead(inode.rwsem);
  if (error < 0) return error;
  // Every file ends in a hole.
  if (position >= size) return wantData ? -Errno.ENXIO : size;
  return position;
}
