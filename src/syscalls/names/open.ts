// Opening a path.
//
// Every process has the root directory as its own: "a/b" is "/a/b".  Every task is root, so no mode is
// checked.

import { type Inode, isDirectory, isFile, isSymlink } from "../../ext4/inode.ts";
import { iput } from "../../ext4/inodes/cache.ts";
import { InodeFlag } from "../../ext4/media/inode.ts";
import { create, type Opened, openOrCreate } from "../../ext4/names/create.ts";
import { isPlain, type Path, walk, walkParent } from "../../ext4/names/path.ts";
import { superBlock } from "../../ext4/super.ts";
import { Errno } from "../../machine/errors.ts";
import { putInode } from "../file.ts";
import { O } from "../flags.ts";
import { type Caller, openDescriptor } from "../process.ts";
import { type CallRecord, recordFile } from "../record.ts";

/** Ends in a way that names a directory: then a file of that name is none. */
const namesDirectory = (path: Path): boolean =>
  typeof path === "string" ? path.endsWith("/") : path[path.length - 1] === 0x2f;

/** Opens a file, making it first where the flags say so.  Returns a descriptor.  kernel: path_openat */
export function openPath(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  flags: number,
  mode: number,
): number {
  if ((flags & O.PATH) !== 0 || (flags & O.TMPFILE) === O.TMPFILE) return -Errno.EOPNOTSUPP;
  const creates = (flags & O.CREAT) !== 0;
  if (creates && (flags & O.DIRECTORY) !== 0) return -Errno.EINVAL;
  if (creates) return openNew(caller, record, path, flags, mode);
  const found = walk(superBlock(caller.mem), path, (flags & O.NOFOLLOW) === 0);
  return typeof found === "number" ? found : openInode(caller, record, found, path, flags);
}

/** Opens a file that is made if it is not there.  kernel: open_last_lookups with O_CREAT */
function openNew(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  flags: number,
  mode: number,
): number {
  const exclusive = (flags & O.EXCL) !== 0;
  const follow = (flags & O.NOFOLLOW) === 0 && !exclusive;
  const sb = superBlock(caller.mem);
  for (let follows = false; ; follows = true) {
    const parent = walkParent(sb, path, follows);
    if (typeof parent === "number") return parent;
    const { directory, name } = parent;
    if (!isPlain(parent)) return putInode(directory, exclusive ? -Errno.EEXIST : -Errno.EISDIR);
    if (parent.slash) return putInode(directory, -Errno.EISDIR);
    const permissions = mode & ~caller.process.umask;
    const opened = exclusive
      ? asMade(create(directory, name, permissions))
      : openOrCreate(directory, name, permissions);
    if (typeof opened === "number") return putInode(directory, opened);
    const { inode, made } = opened;
    const error = iput(directory);
    if (error < 0) return putInode(inode, error);
    // A new file is empty.
    if (made) return openInode(caller, record, inode, path, flags & ~O.TRUNC);
    if (!follow || !isSymlink(inode)) return openInode(caller, record, inode, path, flags);
    // Once more, where the symlink leads: there the file is, or is made.
    const put = iput(inode);
    if (put < 0) return put;
  }
}

const asMade = (inode: Inode | number): Opened | number =>
  typeof inode === "number" ? inode : { inode, made: true };

function openInode(
  caller: Caller,
  record: CallRecord | undefined,
  inode: Inode,
  path: Path,
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

function mayOpen(inode: Inode, path: Path, flags: number): number {
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
