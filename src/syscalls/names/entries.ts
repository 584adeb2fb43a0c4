// Names made, removed and moved, and what directories and symlinks say.

import { listNames } from "../../ext4/directory/entries.ts";
import { isDirectory, type Inode } from "../../ext4/inode.ts";
import { link, makeDirectory, makeSymlink } from "../../ext4/names/create.ts";
import {
  bytesOf,
  isDot,
  isDotDot,
  isPlain,
  lookUpName,
  type Parent,
  type Path,
  readLink,
  walk,
  walkParent,
} from "../../ext4/names/path.ts";
import { removeDirectory, unlink } from "../../ext4/names/remove.ts";
import { areRenameFlags, rename } from "../../ext4/names/rename.ts";
import { superBlock } from "../../ext4/super.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { MAX_PATH } from "../../machine/limits.ts";
import { putInode } from "../file.ts";
import type { Caller } from "../process.ts";
import { type CallRecord, recordFile } from "../record.ts";

/** Where a new name goes; -EEXIST for "/", "." and "..".  kernel: filename_create */
function newParent(caller: Caller, path: Path): Parent | number {
  const parent = walkParent(superBlock(caller.mem), path);
  if (typeof parent === "number" || isPlain(parent)) return parent;
  return putInode(parent.directory, -Errno.EEXIST);
}

/** Makes a directory.  Returns 0 or an error number.  kernel: do_mkdirat */
export function makeDirectoryAt(
  caller: Caller,
  record: CallRecord | undefined,
  path: Path,
  mode: number,
): number {
  const parent = newParent(caller, path);
  if (typeof parent === "number") return parent;
  return putNew(record, parent, makeDirectory(parent.directory, parent.name, mode & ~caller.process.umask));
}

/** Makes a symlink that says `target`.  Returns 0 or an error number.  kernel: do_symlinkat */
export function makeSymlinkAt(
  caller: Caller,
  record: CallRecord | undefined,
  target: Path,
  path: Path,
): number {
  const bytes = bytesOf(target);
  if (bytes.length === 0) return -Errno.ENOENT;
  if (bytes.length >= MAX_PATH) return -Errno.ENAMETOOLONG;
  const parent = newParent(caller, path);
  if (typeof parent === "number") return parent;
  if (parent.slash) return refuseSlash(parent);
  return putNew(record, parent, makeSymlink(parent.directory, parent.name, bytes));
}

/** A slash behind a new name asks for a directory: if there is nothing of that name, nothing is made. */
function refuseSlash({ directory, name }: Parent): number {
  const there = lookUpName(directory, name);
  const error = typeof there === "number" ? there : putInode(there, -Errno.EEXIST);
  return putInode(directory, error);
}

/** Lets go of what was made, and of its parent. */
function putNew(record: CallRecord | undefined, { directory }: Parent, made: Inode | number): number {
  if (typeof made !== "number" && record !== undefined) recordFile(record, made, 0, 0);
  const error = putInode(directory, typeof made === "number" ? made : 0);
  return typeof made === "number" ? error : putInode(made, error);
}

/** Gives the file at a path one more name; a symlink is not followed.  kernel: do_linkat */
export function linkPath(caller: Caller, record: CallRecord | undefined, old: Path, path: Path): number {
  const inode = walk(superBlock(caller.mem), old, false);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  const parent = newParent(caller, path);
  if (typeof parent === "number") return putInode(inode, parent);
  const result = parent.slash
    ? refuseSlash(parent)
    : putInode(parent.directory, link(inode, parent.directory, parent.name));
  return putInode(inode, result);
}

/** Renames; `flags` as renameat2 has them.  Returns 0 or an error number.  kernel: do_renameat2 */
export function renamePath(caller: Caller, old: Path, path: Path, flags: number): number {
  if (!areRenameFlags(flags)) return -Errno.EINVAL;
  const sb = superBlock(caller.mem);
  const from = walkParent(sb, old);
  if (typeof from === "number") return from;
  const to = walkParent(sb, path);
  if (typeof to === "number") return putInode(from.directory, to);
  return putInode(from.directory, putInode(to.directory, rename(from, to, flags)));
}

/** Takes a name away; the file goes with its last name and its last user.  kernel: do_unlinkat */
export function unlinkPath(caller: Caller, path: Path): number {
  const parent = walkParent(superBlock(caller.mem), path);
  if (typeof parent === "number") return parent;
  const { directory, name } = parent;
  if (!isPlain(parent)) return putInode(directory, -Errno.EISDIR);
  return putInode(directory, parent.slash ? refuseUnlink(directory, name) : unlink(directory, name));
}

/** Why a path with a slash at its end cannot be unlinked: what it names, symlink or not, is not followed. */
function refuseUnlink(directory: Inode, name: Uint8Array): number {
  const inode = lookUpName(directory, name);
  if (typeof inode === "number") return inode;
  return putInode(inode, isDirectory(inode) ? -Errno.EISDIR : -Errno.ENOTDIR);
}

/** Takes an empty directory away.  kernel: do_rmdir */
export function removeDirectoryAt(caller: Caller, path: Path): number {
  const parent = walkParent(superBlock(caller.mem), path);
  if (typeof parent === "number") return parent;
  return putInode(parent.directory, refuseDots(parent) || removeDirectory(parent.directory, parent.name));
}

function refuseDots(parent: Parent): number {
  if (isDot(parent)) return -Errno.EINVAL;
  if (isDotDot(parent)) return -Errno.ENOTEMPTY;
  return parent.name.length === 0 ? -Errno.EBUSY : 0;
}

/** The names in a directory, without "." and "..", in the order in which they lie there. */
export function listPath(caller: Caller, record: CallRecord | undefined, path: Path): Uint8Array[] | number {
  const directory = walk(superBlock(caller.mem), path, true);
  if (typeof directory === "number") return directory;
  if (record !== undefined) recordFile(record, directory, 0, 0);
  if (!isDirectory(directory)) return putInode(directory, -Errno.ENOTDIR);
  downRead(directory.rwsem);
  const entries = listNames(directory);
  upRead(directory.rwsem);
  const error = putInode(directory, typeof entries === "number" ? entries : 0);
  if (error < 0 || typeof entries === "number") return error;
  return entries.map(({ name }) => name).filter((name) => !isOwnName(name));
}

/** "." and "..". */
const isOwnName = (name: Uint8Array): boolean =>
  name.length <= 2 && name.every((byte) => byte === ".".charCodeAt(0));

/** What a symlink says; -EINVAL for anything else. */
export function readLinkAt(caller: Caller, record: CallRecord | undefined, path: Path): Uint8Array | number {
  const inode = walk(superBlock(caller.mem), path, false);
  if (typeof inode === "number") return inode;
  if (record !== undefined) recordFile(record, inode, 0, 0);
  const target = readLink(inode);
  const error = putInode(inode, typeof target === "number" ? target : 0);
  return error < 0 ? error : target;
}
