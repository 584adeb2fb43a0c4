// Paths: from a name that a program gives to an inode.
//
// A directory is read under its rwsem, and the inode it names is referenced before that is given up, so an
// inode that was found has not been freed.  Directories are locked one at a time; those that the task remembers by
// their names are not locked at all (directory/dcache.ts).

import { Errno } from "../../machine/errors.ts";
import { MAX_NAME, MAX_PATH, MAX_SYMLINKS } from "../../machine/limits.ts";
import { putAscii, utf8 } from "../../machine/memory.ts";
import { downRead, upRead } from "../../locks/rwsem.ts";
import { bufferData, getBuffer, releaseBuffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { knownDirectory, rememberDirectory } from "../directory/dcache.ts";
import { lookupName } from "../directory/entries.ts";
import { State } from "../extents/extent.ts";
import { hasBlocks, isDirectory, isSymlink, rawInode, type Inode } from "../inode.ts";
import { iget, ihold, inodeAt, iput } from "../inodes/cache.ts";
import { lookUp } from "../map.ts";
import { BLOCK_SIZE, superBlock, type SuperBlock } from "../super.ts";

const SLASH = 0x2f;
const POINT = 0x2e;
const NO_NAME = new Uint8Array(0);

/** As programs give it: text, or bytes, for names on the media are bytes and need not be text. */
export type Path = string | Uint8Array;

/** What `walkParent` found: a referenced directory, and the name in it. */
export interface Parent {
  readonly directory: Inode;
  /** The last name of the path; empty for "/". */
  readonly name: Uint8Array;
  /** Whether a slash followed, which says that it names a directory. */
  readonly slash: boolean;
}

/** Whether the last name of a path is "." or "..". */
export const isDot = ({ name }: Parent): boolean => name.length === 1 && name[0] === POINT;
export const isDotDot = ({ name }: Parent): boolean =>
  name.length === 2 && name[0] === POINT && name[1] === POINT;
/** Whether it is a name that can be made and removed.  kernel: LAST_NORM */
export const isPlain = (parent: Parent): boolean =>
  parent.name.length > 0 && !isDot(parent) && !isDotDot(parent);

/** The bytes of a path. */
export const bytesOf = (path: Path): Uint8Array => (typeof path === "string" ? utf8(path) : path);

/** Where the next name of a path starts, from a place on; its length when there is none. */
function nameFrom(path: Uint8Array, length: number, from: number): number {
  let at = from;
  while (at < length && path[at] === SLASH) at++;
  return at;
}

/** Where a name ends that starts at a place. */
function nameEnd(path: Uint8Array, length: number, from: number): number {
  let at = from;
  while (at < length && path[at] !== SLASH) at++;
  return at;
}

/** The bytes of a text while it is walked, for a thread walks one path at a time: an array for each would cost more. */
const spelled = new Uint8Array(MAX_PATH);

/** A part of a path, as bytes of its own: paths are short, and `slice` and `subarray` cost several times as much. */
function partOf(path: Uint8Array, from: number, end: number): Uint8Array {
  const part = new Uint8Array(end - from);
  for (let at = from; at < end; at++) part[at - from] = path[at] as number;
  return part;
}

/** Whether a byte of a path is 0, as no name has one. */
function hasNul(path: Uint8Array, length: number): boolean {
  for (let at = 0; at < length; at++) if (path[at] === 0) return true;
  return false;
}

/** A symlink's target with what is left of the path behind it. */
function joined(target: Uint8Array, rest: Uint8Array): Uint8Array {
  const path = new Uint8Array(target.length + rest.length);
  path.set(target);
  path.set(rest, target.length);
  return path;
}

/**
 * A reference to the inode that a path names, from the root; the last symlink is followed if `follow`.
 * -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, and what iget and reading return.
 */
export function walk(sb: SuperBlock, path: Path, follow = true): Inode | number {
  const found = resolve(sb, path, follow, false);
  return typeof found === "number" ? found : found.directory;
}

/**
 * The directory, referenced, and the last name of a path, which need not exist.  With `follow`, a last name that
 * is a symlink stands for what it points to, so that a file can be made there.
 *
 * kernel: filename_parentat
 */
export function walkParent(sb: SuperBlock, path: Path, follow = false): Parent | number {
  return resolve(sb, path, follow, true);
}

function resolve(sb: SuperBlock, given: Path, follow: boolean, parent: boolean): Parent | number {
  const isShort = typeof given === "string" && given.length < MAX_PATH && putAscii(given, spelled);
  let path = isShort ? spelled : bytesOf(given);
  let length = isShort ? given.length : path.length;
  if (length === 0 || hasNul(path, length)) return -Errno.ENOENT;
  if (length >= MAX_PATH) return -Errno.ENAMETOOLONG;
  let directory = root(sb);
  let links = 0;
  for (let at = nameFrom(path, length, 0); at < length;) {
    const end = nameEnd(path, length, at);
    const next = nameFrom(path, length, end);
    const isLast = next === length;
    const slash = isLast && next > end;
    const known = parent && isLast ? undefined : knownDirectory(directory, path, at, end);
    if (known !== undefined) {
      pass(sb, directory);
      directory = known;
      at = next;
      continue;
    }
    const name = partOf(path, at, end);
    // References to what has been passed are given back whatever that returns: the walk is not about them.
    if (parent && isLast && (!follow || slash || !pointsOn(directory, name))) {
      return checkParent(sb, { directory, name, slash });
    }
    const found = lookUpName(directory, name);
    if (typeof found === "number" || !isSymlink(found) || (isLast && !slash && !follow)) {
      pass(sb, directory);
      if (typeof found === "number") return found;
      directory = found;
      at = next;
      if (isRoot(sb, directory)) iput(directory);
      if (!slash || isDirectory(directory)) continue;
      pass(sb, directory);
      return -Errno.ENOTDIR;
    }
    const target = readLink(found);
    iput(found);
    links += 1;
    if (typeof target === "number" || links > MAX_SYMLINKS || target.length === 0) {
      pass(sb, directory);
      return typeof target === "number" ? target : links > MAX_SYMLINKS ? -Errno.ELOOP : -Errno.ENOENT;
    }
    path = joined(target, partOf(path, end, length));
    ({ length } = path);
    at = nameFrom(path, length, 0);
    if (at === 0) continue;
    pass(sb, directory);
    directory = root(sb);
  }
  return keep(sb, { directory, name: NO_NAME, slash: true });
}

// The root stays in memory as long as the file system is mounted, so a walk takes no reference to it before it ends
// there: all tasks start there, and would write the same word.

/** The directory in which every path starts. */
const root = (sb: SuperBlock): Inode => inodeAt(sb.mem, sb.rootAt);
const isRoot = (sb: SuperBlock, inode: Inode): boolean => inode.at === sb.rootAt;

/** Gives back what a walk has come through. */
function pass(sb: SuperBlock, inode: Inode): void {
  if (!isRoot(sb, inode)) iput(inode);
}

/** Where a walk has ended, referenced whatever it is. */
function keep(sb: SuperBlock, parent: Parent): Parent {
  if (isRoot(sb, parent.directory)) ihold(parent.directory);
  return parent;
}

function checkParent(sb: SuperBlock, parent: Parent): Parent | number {
  if (isDirectory(parent.directory)) return keep(sb, parent);
  pass(sb, parent.directory);
  return -Errno.ENOTDIR;
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
  if (typeof inode !== "number" && isDirectory(inode)) rememberDirectory(directory, name, inode);
  upRead(directory.rwsem);
  return inode;
}

/** Where a symlink points.  -EINVAL for what is none, -EUCLEAN.  kernel: ext4_get_link */
export function readLink(inode: Inode): Uint8Array | number {
  if (!isSymlink(inode)) return -Errno.EINVAL;
  const { mem, size } = inode;
  if (!hasBlocks(inode)) return mem.read(rawInode(inode).i_block, size);
  if (size > BLOCK_SIZE) return damaged(mem, "symlink", inode.number);
  const found = lookUp(inode, 0);
  if (typeof found === "number") return found;
  if (found.state !== State.written) return damaged(mem, "symlink", inode.number);
  const buffer = getBuffer(superBlock(mem), found.media);
  if (typeof buffer === "number") return buffer;
  const target = mem.read(bufferData(buffer), size);
  releaseBuffer(buffer);
  const end = target.indexOf(0); // damage: Linux takes it for the end, too
  return end < 0 ? target : target.subarray(0, end);
}
