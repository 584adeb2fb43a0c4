// What is known of files and of the file system, and what of that programs set.

import {
  type FileSystemStat,
  type NewTime,
  SAME_OWNER,
  setAccessTimes,
  setOwner,
  setPermissions,
  statOfFileSystem,
} from "../../ext4/attributes.ts";
import { isDirectory, isFile, type Inode, type Stat, statOf } from "../../ext4/inode.ts";
import { InodeFlag } from "../../ext4/media/inode.ts";
import { type Path, walk } from "../../ext4/names/path.ts";
import { superBlock } from "../../ext4/super.ts";
import { Errno } from "../../machine/errors.ts";
import { isOffset } from "../arguments.ts";
import { putInode } from "../file.ts";
import { MAX_FILE_SIZE } from "../flags.ts";
import type { Caller } from "../process.ts";
import { type CallRecord, recordFile } from "../record.ts";

/** kernel: vfs_statx */
export function statPath(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  follow: boolean,
): Stat | number {
  const inode = walk(superBlock(caller.mem), path, follow);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  const stat = statOf(inode);
  const error = putInode(inode, 0);
  return error < 0 ? error : stat;
}

/** What `stat` tells of an open file. */
export function statDescriptor(caller: Caller, record: CallRecord | undefined, fd: number): Stat | number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, 0);
  const stat = statOf(caller.inode(file));
  caller.release(file);
  return stat;
}

/** Sets the size of the file at a path.  kernel: do_sys_truncate */
export function truncatePath(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  size: number,
): number {
  if (!isOffset(size) || size < 0) return -Errno.EINVAL;
  const inode = walk(superBlock(caller.mem), path, true);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, size);
  return putInode(inode, truncateInode(caller, inode, size));
}

function truncateInode(caller: Caller, inode: Inode, size: number): number {
  if (isDirectory(inode)) return -Errno.EISDIR;
  if (!isFile(inode)) return -Errno.EINVAL;
  if ((inode.flags & (InodeFlag.immutable | InodeFlag.append)) !== 0) return -Errno.EPERM;
  return size > MAX_FILE_SIZE ? -Errno.EFBIG : caller.design.truncate(inode, size);
}

/** Sets the permissions of the file at a path.  Returns 0 or an error number.  kernel: do_fchmodat */
export function changeModeAt(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  mode: number,
): number {
  const inode = walk(superBlock(caller.mem), path, true);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  return putInode(inode, setPermissions(inode, mode));
}

/** The same of an open file. */
export function changeModeOf(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  mode: number,
): number {
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, 0);
  const result = setPermissions(caller.inode(file), mode);
  caller.release(file);
  return result;
}

/** An owner as the kernel's type holds it, -1 being the largest; undefined for a number that it cannot hold. */
function ownerOf(value: number): number | undefined {
  if (!Number.isInteger(value) || value < -1 || value > SAME_OWNER) return undefined;
  return value === -1 ? SAME_OWNER : value;
}

/** Sets the owners of what a path names.  Returns 0 or an error number.  kernel: do_fchownat */
export function changeOwnerAt(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  owners: readonly [user: number, group: number],
  follow: boolean,
): number {
  const [user, group] = owners.map(ownerOf);
  if (user === undefined || group === undefined) return -Errno.EINVAL;
  const inode = walk(superBlock(caller.mem), path, follow);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  return putInode(inode, setOwner(inode, user, group));
}

/** The same of an open file. */
export function changeOwnerOf(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  owners: readonly [user: number, group: number],
): number {
  const [user, group] = owners.map(ownerOf);
  if (user === undefined || group === undefined) return -Errno.EINVAL;
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, 0);
  const result = setOwner(caller.inode(file), user, group);
  caller.release(file);
  return result;
}

/** Whether there is nothing to do: then nobody looks whether the file is there.  kernel: sys_utimensat */
const omitsBoth = (accessed: NewTime, modified: NewTime): boolean =>
  accessed === "omit" && modified === "omit";

/** Sets the times of the file at a path.  Returns 0 or an error number.  kernel: do_utimes */
export function changeTimesAt(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  accessed: NewTime | undefined,
  modified: NewTime | undefined,
): number {
  if (accessed === undefined || modified === undefined) return -Errno.EINVAL;
  if (omitsBoth(accessed, modified)) return 0;
  const inode = walk(superBlock(caller.mem), path, true);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  return putInode(inode, setAccessTimes(inode, accessed, modified));
}

/** The same of an open file. */
export function changeTimesOf(
  caller: Caller,
  record: CallRecord | undefined,
  fd: number,
  accessed: NewTime | undefined,
  modified: NewTime | undefined,
): number {
  if (accessed === undefined || modified === undefined) return -Errno.EINVAL;
  if (omitsBoth(accessed, modified)) return 0;
  const file = caller.file(fd);
  if (typeof file === "number") return file;
  if (record !== undefined) recordFile(record, caller.inode(file), 0, 0);
  const result = setAccessTimes(caller.inode(file), accessed, modified);
  caller.release(file);
  return result;
}

/** What the file system that a path leads to says of itself.  kernel: user_statfs */
export function statFileSystemAt(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
): FileSystemStat | number {
  const sb = superBlock(caller.mem);
  const inode = walk(sb, path, true);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  const stat = statOfFileSystem(sb);
  const error = putInode(inode, 0);
  return error < 0 ? error : stat;
}
