// Calls that change or show which space an open file has: ftruncate, fallocate, fiemap.

import { extents } from "../../ext4/extents/find.ts";
import { State } from "../../ext4/extents/extent.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { isInt, isOffset } from "../arguments.ts";
import type { Caller } from "../process.ts";
import { type Inode, isDirectory, isFile } from "../../ext4/inode.ts";
import { type CallRecord, recordFile } from "../record.ts";
import { type File, isWritable } from "../file.ts";
import { Fallocate } from "../../xip/modes.ts";
import { MAX_FILE_SIZE } from "../flags.ts";

/** Sets the size of an open file.  Returns 0 or an error number.  kernel: do_sys_ftruncate */
export function truncateDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  size: number,
): number {
  if (!isOffset(size) || size < 0) return -Errno.EINVAL;
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, size);
  const result = truncateFile(caller, file, size);
  caller.release(file);
  return result;
}

function truncateFile(caller: Caller, file: File, size: number): number {
  const inode = caller.inode(file);
  if (!isFile(inode) || !isWritable(file.flags)) return -Errno.EINVAL;
  return size > MAX_FILE_SIZE ? -Errno.EFBIG : caller.design.truncate(inode, size);
}

/** The bits of which one at most says what is done; none of them reserves space. */
const ACTIONS =
  Fallocate.punchHole |
  Fallocate.collapseRange |
  Fallocate.zeroRange |
  Fallocate.insertRange |
  Fallocate.unshareRange |
  Fallocate.writeZeroes;

/** Reserves space, or what else the mode says.  Returns 0 or an error number.  kernel: ksys_fallocate */
export function allocateDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  mode: number,
  offset: number,
  length: number,
): number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) {
    recordFile(record, caller.inode(file), offset, length);
    record.extra = mode;
  }
  const result = allocateSpace(caller, file, mode, offset, length);
  caller.release(file);
  return result;
}

/** kernel: vfs_fallocate */
function allocateSpace(caller: Caller, file: File, mode: number, offset: number, length: number): number {
  if (!isOffset(offset) || !isOffset(length) || offset < 0 || length <= 0) return -Errno.EINVAL;
  if (!isSupported(mode)) return -Errno.EOPNOTSUPP;
  if (!isWritable(file.flags)) return -Errno.EBADF;
  const inode = caller.inode(file);
  if (isDirectory(inode)) return -Errno.EISDIR;
  if (offset + length > MAX_FILE_SIZE) return -Errno.EFBIG;
  return caller.design.fallocate(inode, mode, offset, length);
}

function isSupported(mode: number): boolean {
  const keepsSize = (mode & Fallocate.keepSize) !== 0;
  if (!isInt(mode) || (mode & ~(ACTIONS | Fallocate.keepSize)) !== 0) return false;
  switch (mode & ACTIONS) {
    case 0:
    case Fallocate.unshareRange:
    case Fallocate.zeroRange:
      return true;
    case Fallocate.punchHole:
      return keepsSize;
    case Fallocate.collapseRange:
    case Fallocate.insertRange:
    case Fallocate.writeZeroes:
      return !keepsSize;
    default:
      return false;
  }
}

/** One extent of a file, all numbers in bytes. */
export interface FileExtent {
  logical: number;
  physical: number;
  length: number;
  unwritten: boolean;
}

/** The extents of an open file as the tree stores them, holes left out.  kernel: ext4_fiemap */
export function extentsOfDescriptor(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
): FileExtent[] | number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, 0);
  const found = extentsOf(caller.inode(file));
  caller.release(file);
  return found;
}

function extentsOf(inode: Inode): FileExtent[] | number {
  downRead(inode.dataSem);
  const found = extents(inode);
  upRead(inode.dataSem);
  if (typeof found === "number") return found;
  return found
    .filter(({ state }) => state !== State.hole)
    .map(({ start, length, media, state }) => ({
      logical: start * PAGE_SIZE,
      physical: media * PAGE_SIZE,
      length: length * PAGE_SIZE,
      unwritten: state === State.unwritten,
    }));
}
