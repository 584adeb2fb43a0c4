// Calls that take a path: open with its flags, stat, unlink, readdir, readlink, truncate.
//
// Every process has the root directory as its own: "a/b" is "/a/b".  Every task is root, so no mode is
// checked.

import { listNames } from "../../ext4/directory/entries.ts";
import { type Inode, isDirectory, isFile, isSymlink, type Stat, statOf } from "../../ext4/inode.ts";
import { InodeFlag } from "../../ext4/media/inode.ts";
import { create, readLink, unlink, walk, walkParent } from "../../ext4/names.ts";
import { superBlock } from "../../ext4/super.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { isOffset } from "../arguments.ts";
import { putInode } from "../file.ts";
import { MAX_FILE_SIZE, O } from "../flags.ts";
import { type Caller, openDescriptor } from "../process.ts";
import { type CallRecord, recordFile } from "../record.ts";

/** Ends in a way that names a directory: then a file of that name is none. */
const namesDirectory = (path: string): boolean => path.endsWith("/");

/**
 * Opens a file, making it first where the flags say so.  Returns a descriptor.  Between not finding a file and
 * making it another task may be faster: then it is looked for again.  kernel: path_openat
 */
export function openPath(
  caller: Caller,
  record: CallRecord | undefined,
  path: string,
  flags: number,
  mode: number,
): number {
  if ((flags & O.PATH) !== 0 || (flags & O.TMPFILE) === O.TMPFILE) return -Errno.EOPNOTSUPP;
  const creates = (flags & O.CREAT) !== 0;
  if (creates && (flags & O.DIRECTORY) !== 0) return -Errno.EINVAL;
  const exclusive = creates && (flags & O.EXCL) !== 0;
  const follow = (flags & O.NOFOLLOW) === 0 && !exclusive;
  for (;;) {
    const found = walk(superBlock(caller.mem), path, follow);
    if (typeof found !== "number") {
      return exclusive ? putInode(found, -Errno.EEXIST) : openInode(caller, record, found, path, flags);
    }
    if (found !== -Errno.ENOENT || !creates) return found;
    if (namesDirectory(path)) return -Errno.EISDIR;
    const made = createFile(caller, path, mode, follow);
    // A new file is empty.
    if (typeof made !== "number") return openInode(caller, record, made, path, flags & ~O.TRUNC);
    if (made !== -Errno.EEXIST || exclusive) return made;
  }
}

function openInode(
  caller: Caller,
  record: CallRecord | undefined,
  inode: Inode,
  path: string,
  flags: number,
): number {
  if (record !== undefined) {
    recordFile(record, inode, 0, 0);
    record.extra = flags;
  }
  const error = mayOpen(inode, path, flags) || truncateOpened(caller, inode, flags);
  if (error < 0) return putInode(inode, error);
  const fd = openDescriptor(caller.process, inode, flags);
  return fd < 0 ? putInode(inode, fd) : fd;
}

/** Makes a file; with `follow`, where a symlink that leads nowhere points to. */
function createFile(caller: Caller, path: string, mode: number, follow: boolean): Inode | number {
  const parent = walkParent(superBlock(caller.mem), path, follow);
  if (typeof parent === "number") return parent;
  const inode = create(parent.directory, parent.name, mode & ~caller.process.umask);
  const result = putInode(parent.directory, typeof inode === "number" ? inode : 0);
  if (typeof inode === "number") return result;
  return result < 0 ? putInode(inode, result) : inode;
}

function mayOpen(inode: Inode, path: string, flags: number): number {
  const writes = (flags & O.ACCMODE) !== O.RDONLY || (flags & O.TRUNC) !== 0;
  if (isSymlink(inode)) return (flags & O.DIRECTORY) === 0 ? -Errno.ELOOP : -Errno.ENOTDIR;
  if (isDirectory(inode)) return writes || (flags & O.CREAT) !== 0 ? -Errno.EISDIR : 0;
  if ((flags & O.DIRECTORY) !== 0 || namesDirectory(path)) return -Errno.ENOTDIR;
  // Devices, pipes and sockets have no driver here.
  if (!isFile(inode)) return -Errno.ENXIO;
  if (writes && superBlock(inode.mem).readOnly !== 0) return -Errno.EROFS;
  if (writes && (inode.flags & InodeFlag.immutable) !== 0) return -Errno.EPERM;
  const overwrites = writes && ((flags & O.APPEND) === 0 || (flags & O.TRUNC) !== 0);
  return overwrites && (inode.flags & InodeFlag.append) !== 0 ? -Errno.EPERM : 0;
}

function truncateOpened(caller: Caller, inode: Inode, flags: number): number {
  if ((flags & O.TRUNC) === 0 || !isFile(inode)) return 0;
  return caller.design.truncate(inode, 0);
}

/** kernel: vfs_statx */
export function statPath(
  caller: Caller,
  record: CallRecord | undefined,
  path: string,
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
  path: string,
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

/** Takes a name away; the file goes with its last name and its last user.  kernel: do_unlinkat */
export function unlinkPath(caller: Caller, path: string): number {
  if (namesDirectory(path)) return refuseUnlink(caller, path);
  const parent = walkParent(superBlock(caller.mem), path);
  if (typeof parent === "number") return parent;
  return putInode(parent.directory, unlink(parent.directory, parent.name));
}

/** Why a path with a slash at its end cannot be unlinked: what it names, symlink or not, is not followed. */
function refuseUnlink(caller: Caller, path: string): number {
  const inode = walk(superBlock(caller.mem), path.replace(/(?<=.)\/+$/, ""), false);
  if (typeof inode === "number") return inode;
  return putInode(inode, isDirectory(inode) ? -Errno.EISDIR : -Errno.ENOTDIR);
}

/** The names in a directory, without "." and "..", in the order in which they lie there. */
export function listPath(caller: Caller, record: CallRecord | undefined, path: string): string[] | number {
  const dir = walk(superBlock(caller.mem), path, true);
  if (typeof dir === "number") return dir;
  if (record !== undefined) recordFile(record, dir, 0, 0);
  if (!isDirectory(dir)) return putInode(dir, -Errno.ENOTDIR);
  downRead(dir.rwsem);
  const entries = listNames(dir);
  upRead(dir.rwsem);
  const error = putInode(dir, typeof entries === "number" ? entries : 0);
  if (error < 0 || typeof entries === "number") return error;
  const decoder = new TextDecoder();
  return entries.map(({ name }) => decoder.decode(name)).filter((name) => name !== "." && name !== "..");
}

/** What a symlink says; -EINVAL for anything else. */
export function readLinkAt(caller: Caller, record: CallRecord | undefined, path: string): string | number {
  const inode = walk(superBlock(caller.mem), path, false);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  const target = readLink(inode);
  const error = putInode(inode, typeof target === "number" ? target : 0);
  return error < 0 || typeof target === "number" ? error : new TextDecoder().decode(target);
}
