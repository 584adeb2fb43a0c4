// Paths: from a string to an inode, and the calls that make and remove names.
//
// A directory is read under its rwsem, and the inode it names is referenced before that is given up, so an
// inode that was found has not been freed.  Directories are locked one at a time.
//
// Lock order: directory.rwsem, inode.rwsem (of the file that loses a name), handle, dataSem.

import { Errno } from "../machine/errors.ts";
import { MAX_NAME, MAX_PATH, MAX_SYMLINKS } from "../machine/limits.ts";
import { utf8 } from "../machine/memory.ts";
import { downRead, downWrite, upRead, upWrite } from "../locks/rwsem.ts";
import { damaged } from "./damage.ts";
import { addName, lookupName, removeName } from "./directory/entries.ts";
import { indexBlocks } from "./directory/hash-tree.ts";
import { creditsFor } from "./extents/credits.ts";
import { State } from "./extents/extent.ts";
import { isDirectory, isSymlink, rawInode, setTimes, type Inode } from "./inode.ts";
import { dropLink, iget, iput, newInode } from "./inodes/cache.ts";
import { journalStart, journalStop } from "./journal/handle.ts";
import { lookUp } from "./map.ts";
import { FileType } from "./media/directory.ts";
import { InodeFlag, Mode, ROOT_INODE, SHORT_SYMLINK } from "./media/inode.ts";
import { BLOCK_SIZE, mediaAddress, superBlock, type SuperBlock } from "./super.ts";

const SLASH = 0x2f;
const DOT = new Uint8Array([0x2e]);

/** What `walkParent` found: a referenced directory, and the name in it. */
export interface Parent {
  directory: Inode;
  name: Uint8Array;
}

/** The names of a path, last one first.  A final slash is a last name ".", for it asks for a directory. */
function componentsOf(path: Uint8Array): Uint8Array[] {
  const names: Uint8Array[] = [];
  let from = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    if (at > from) names.push(path.subarray(from, at));
    from = at + 1;
  }
  if (names.length > 0 && path[path.length - 1] === SLASH) names.push(DOT);
  return names.toReversed();
}

/**
 * A reference to the inode that a path names, from the root; the last symlink is followed if `follow`.
 * -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, and what iget and reading return.
 */
export function walk(sb: SuperBlock, path: string, follow = true): Inode | number {
  const found = resolve(sb, path, follow, false);
  return typeof found === "number" ? found : found.directory;
}

/**
 * The directory, referenced, and the last name of a path, which need not exist.  With `follow`, a last name that
 * is a symlink stands for what it points to, so that a file can be made there.  The name of "/" is ".".
 */
export function walkParent(sb: SuperBlock, path: string, follow = false): Parent | number {
  return resolve(sb, path, follow, true);
}

function resolve(sb: SuperBlock, path: string, follow: boolean, parent: boolean): Parent | number {
  const bytes = utf8(path);
  if (bytes.length === 0 || bytes.includes(0)) return -Errno.ENOENT;
  if (bytes.length >= MAX_PATH) return -Errno.ENAMETOOLONG;
  const root = iget(sb, ROOT_INODE);
  if (typeof root === "number") return root;
  let directory: Inode = root;
  const pending = componentsOf(bytes);
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const isLast = pending.length === 0;
    // References to what has been passed are given back whatever that returns: the walk is not about them.
    if (parent && isLast && (!follow || !pointsOn(directory, name))) return checkParent(directory, name);
    const next = lookUpName(directory, name);
    if (typeof next === "number") {
      iput(directory);
      return next;
    }
    if (!isSymlink(next) || (isLast && !follow)) {
      iput(directory);
      directory = next;
      continue;
    }
    const target = readLink(next);
    iput(next);
    links += 1;
    if (typeof target === "number" || links > MAX_SYMLINKS || target.length === 0) {
      iput(directory);
      return typeof target === "number" ? target : links > MAX_SYMLINKS ? -Errno.ELOOP : -Errno.ENOENT;
    }
    pending.push(...componentsOf(target));
    if (target[0] !== SLASH) continue;
    iput(directory);
    const again = iget(sb, ROOT_INODE);
    if (typeof again === "number") return again;
    directory = again;
  }
  return { directory, name: DOT };
}

function checkParent(directory: Inode, name: Uint8Array): Parent | number {
  if (isDirectory(directory) && name.length <= MAX_NAME) return { directory, name };
  const error = isDirectory(directory) ? -Errno.ENAMETOOLONG : -Errno.ENOTDIR;
  iput(directory);
  return error;
}

/** Whether a name is that of a symlink. */
function pointsOn(directory: Inode, name: Uint8Array): boolean {
  const inode = lookUpName(directory, name);
  if (typeof inode === "number") return false;
  const result = isSymlink(inode);
  iput(inode);
  return result;
}

/** A reference to the inode of a name in a directory.  -ENOENT, -ENOTDIR, -ENAMETOOLONG.  Takes its rwsem shared. */
export function lookUpName(directory: Inode, name: Uint8Array): Inode | number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  if (name.length > MAX_NAME) return -Errno.ENAMETOOLONG;
  downRead(directory.rwsem);
  const number = lookupName(directory, name);
  const inode = number < 0 ? number : iget(superBlock(directory.mem), number);
  upRead(directory.rwsem);
  return inode;
}

/** Where a symlink points.  -EINVAL for what is none, -EUCLEAN. */
export function readLink(inode: Inode): Uint8Array | number {
  if (!isSymlink(inode)) return -Errno.EINVAL;
  const { mem, size } = inode;
  if ((inode.flags & InodeFlag.extents) === 0) {
    const fits = size < SHORT_SYMLINK;
    return fits ? mem.read(rawInode(inode).i_block, size) : damaged(mem, "symlink", inode.number);
  }
  if (size > BLOCK_SIZE) return damaged(mem, "symlink", inode.number);
  const found = lookUp(inode, 0);
  if (typeof found === "number") return found;
  if (found.state !== State.written) return damaged(mem, "symlink", inode.number);
  return mem.read(mediaAddress(superBlock(mem), found.media), size);
}

/**
 * A new, empty file, referenced, under a name that is not there yet.  `mode` are permissions.
 * -EEXIST, -ENOENT for a directory that is itself removed, -ENOTDIR, -ENAMETOOLONG, -ENOSPC, -ENFILE.
 *
 * kernel: ext4_create
 */
export function create(directory: Inode, name: Uint8Array, mode: number): Inode | number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  if (name.length > MAX_NAME) return -Errno.ENAMETOOLONG;
  downWrite(directory.rwsem);
  const inode = createLocked(directory, name, Mode.file | (mode & Mode.permissions));
  upWrite(directory.rwsem);
  return inode;
}

function createLocked(directory: Inode, name: Uint8Array, mode: number): Inode | number {
  const sb = superBlock(directory.mem);
  if (rawInode(directory).i_links_count === 0) return -Errno.ENOENT;
  const there = lookupName(directory, name);
  if (there !== -Errno.ENOENT) return there < 0 ? there : -Errno.EEXIST;
  const nodes = indexBlocks(directory);
  if (typeof nodes === "number") return nodes;
  const credits = creditsFor(sb);
  const asked = credits.newInode + credits.allocate + credits.orphan + credits.inode + nodes.length + 1;
  const handle = journalStart(sb, asked);
  if (typeof handle === "number") return handle;
  const inode = newInode(handle, directory, mode);
  if (typeof inode === "number") {
    journalStop(handle);
    return inode;
  }
  const named =
    addName(handle, directory, name, inode.number, FileType.file) || setTimes(handle, directory, true);
  if (named < 0) dropLink(handle, inode);
  const stopped = journalStop(handle);
  if (named === 0 && stopped === 0) return inode;
  // It got no name, and dies with its only reference.
  iput(inode);
  return named || stopped;
}

/**
 * Takes a name from a file; without names it goes with its last reference.  -ENOENT, -EISDIR, -ENOTDIR.
 *
 * kernel: ext4_unlink
 */
export function unlink(directory: Inode, name: Uint8Array): number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  downWrite(directory.rwsem);
  const number = lookupName(directory, name);
  const inode = number < 0 ? number : iget(superBlock(directory.mem), number);
  const result = typeof inode === "number" ? inode : unlinkLocked(directory, name, inode);
  upWrite(directory.rwsem);
  const put = typeof inode === "number" ? 0 : iput(inode);
  return result || put;
}

function unlinkLocked(directory: Inode, name: Uint8Array, inode: Inode): number {
  if (isDirectory(inode)) return -Errno.EISDIR;
  const sb = superBlock(directory.mem);
  const credits = creditsFor(sb);
  downWrite(inode.rwsem);
  const handle = journalStart(sb, credits.orphan + 2 * credits.inode + 1);
  let result = typeof handle === "number" ? handle : 0;
  if (typeof handle !== "number") {
    result =
      removeName(handle, directory, name) ||
      setTimes(handle, directory, true) ||
      setTimes(handle, inode, false) ||
      dropLink(handle, inode);
    const stopped = journalStop(handle);
    result ||= stopped;
  }
  upWrite(inode.rwsem);
  return result;
}
