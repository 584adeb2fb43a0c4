// New names: of new files, directories and symlinks, and further ones of files.
//
// Lock order: directory.rwsem, inode.rwsem (of a file that gets another name), handle, dataSem.

import { Errno } from "../../machine/errors.ts";
import { MAX_NAME } from "../../machine/limits.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { bufferData, releaseBuffer } from "../buffer.ts";
import { addBlock } from "../directory/block.ts";
import { addName, leaveRoom, lookupName, makeDots, Room } from "../directory/entries.ts";
import { creditsFor } from "../extents/credits.ts";
import {
  beginInodeChange,
  type Inode,
  isDirectory,
  markInodeDirty,
  rawInode,
  setDiskSize,
  setTimes,
  writeSize,
} from "../inode.ts";
import { iget, iput } from "../inodes/cache.ts";
import { addLink, dropAllLinks, hasLinkToSpare, startLinks } from "../inodes/links.ts";
import { newInode } from "../inodes/new.ts";
import { dirtyMetadata, getWriteAccess, journalStart, journalStop } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { fileTypeOf } from "../media/directory.ts";
import { InodeFlag, MAX_LINKS, Mode, SHORT_SYMLINK } from "../media/inode.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";

const NO_TARGET = new Uint8Array(0);

/**
 * A new, empty file, referenced, under a name that is not there yet.  `mode` are permissions.
 * -EEXIST, -ENOENT for a directory that is itself removed, -ENOTDIR, -ENAMETOOLONG, -ENOSPC, -ENFILE.
 *
 * kernel: ext4_create
 */
export function create(directory: Inode, name: Uint8Array, mode: number): Inode | number {
  return make(directory, name, Mode.file | (mode & Mode.permissions), NO_TARGET);
}

/** What has a name, referenced, and whether it is a new file. */
export interface Opened {
  readonly inode: Inode;
  readonly made: boolean;
}

/** What has a name, else a new file under it, as `create`; and what iget returns.  kernel: lookup_open */
export function openOrCreate(directory: Inode, name: Uint8Array, mode: number): Opened | number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  downWrite(directory.rwsem);
  const room = new Room();
  const found = lookUpForNew(directory, name, room);
  const inode =
    found === 0
      ? makeLocked(directory, name, Mode.file | (mode & Mode.permissions), NO_TARGET, room)
      : found < 0
        ? found
        : iget(superBlock(directory.mem), found);
  leaveRoom(room);
  upWrite(directory.rwsem);
  return typeof inode === "number" ? inode : { inode, made: found === 0 };
}

/** A new, empty directory, as `create`.  -EMLINK.  kernel: ext4_mkdir */
export function makeDirectory(directory: Inode, name: Uint8Array, mode: number): Inode | number {
  return make(directory, name, Mode.directory | (mode & Mode.ofDirectories), NO_TARGET);
}

/** A new symlink, as `create`.  -ENAMETOOLONG for a target that fills a block.  kernel: ext4_symlink */
export function makeSymlink(directory: Inode, name: Uint8Array, target: Uint8Array): Inode | number {
  return make(directory, name, Mode.symlink | 0o777, target);
}

function make(directory: Inode, name: Uint8Array, mode: number, target: Uint8Array): Inode | number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  downWrite(directory.rwsem);
  const room = new Room();
  const refused = mayCreate(directory, name, room);
  const inode = refused < 0 ? refused : makeLocked(directory, name, mode, target, room);
  leaveRoom(room);
  upWrite(directory.rwsem);
  return inode;
}

/**
 * The number of the inode that has a name, or 0 where the name can be made: it is not there, and nothing forbids it.
 * The rwsem is held.
 */
function lookUpForNew(directory: Inode, name: Uint8Array, room: Room): number {
  if (rawInode(directory).i_links_count === 0) return -Errno.ENOENT;
  if (name.length > MAX_NAME) return -Errno.ENAMETOOLONG;
  const there = lookupName(directory, name, room);
  if (there !== -Errno.ENOENT) return there;
  return (directory.flags & InodeFlag.immutable) === 0 ? 0 : -Errno.EPERM;
}

/** Whether a name can be made: 0 or an error number.  The rwsem is held. */
function mayCreate(directory: Inode, name: Uint8Array, room: Room): number {
  const found = lookUpForNew(directory, name, room);
  return found > 0 ? -Errno.EEXIST : found;
}

function makeLocked(
  directory: Inode,
  name: Uint8Array,
  mode: number,
  target: Uint8Array,
  room: Room,
): Inode | number {
  if (target.length >= BLOCK_SIZE) return -Errno.ENAMETOOLONG;
  const isNewDirectory = (mode & Mode.type) === Mode.directory;
  if (isNewDirectory && !hasLinkToSpare(directory)) return -Errno.EMLINK;
  const sb = superBlock(directory.mem);
  const credits = creditsFor(sb);
  const asked =
    credits.newInode + credits.allocate + credits.addName + credits.orphan + 2 * credits.inode + 1;
  const handle = journalStart(sb, asked);
  if (typeof handle === "number") return handle;
  const inode = newInode(handle, directory, mode);
  if (typeof inode === "number") {
    journalStop(handle);
    return inode;
  }
  const named =
    fillNew(handle, directory, inode, target) ||
    addName(handle, directory, name, inode.number, fileTypeOf(mode), room) ||
    (isNewDirectory ? addLink(handle, directory) : 0) ||
    setTimes(handle, directory, true);
  if (named < 0) dropAllLinks(handle, inode);
  const stopped = journalStop(handle);
  if (named === 0 && stopped === 0) return inode;
  // It got no name, and dies with its only reference.
  iput(inode);
  return named || stopped;
}

/** Gives a new inode what its kind begins with. */
function fillNew(handle: Handle, directory: Inode, inode: Inode, target: Uint8Array): number {
  switch (inode.mode & Mode.type) {
    case Mode.directory:
      return makeDots(handle, inode, directory.number) || startLinks(handle, inode);
    case Mode.symlink:
      return target.length < SHORT_SYMLINK
        ? writeShortTarget(handle, inode, target)
        : writeLongTarget(handle, inode, target);
    default:
      return 0;
  }
}

/** A short target lies where other inodes have their extent tree. */
function writeShortTarget(handle: Handle, inode: Inode, target: Uint8Array): number {
  const opened = beginInodeChange(handle, inode);
  if (opened < 0) return opened;
  const raw = rawInode(inode);
  inode.flags &= ~InodeFlag.extents;
  raw.i_flags = inode.flags;
  inode.mem.fill(raw.i_block, 0, SHORT_SYMLINK);
  inode.mem.write(raw.i_block, target);
  writeSize(inode, target.length);
  return setDiskSize(handle, inode, target.length) || markInodeDirty(handle, inode);
}

function writeLongTarget(handle: Handle, inode: Inode, target: Uint8Array): number {
  const buffer = addBlock(handle, inode);
  if (typeof buffer === "number") return buffer;
  const opened = getWriteAccess(handle, buffer);
  if (opened === 0) inode.mem.write(bufferData(buffer), target);
  const written = opened || dirtyMetadata(handle, buffer);
  releaseBuffer(buffer);
  writeSize(inode, target.length);
  return written || setDiskSize(handle, inode, target.length);
}

/**
 * Gives a file, not a directory, one more name.  -EPERM, -EMLINK, -ENOENT for a file that has lost its last name,
 * and what `create` returns.  kernel: vfs_link, ext4_link
 */
export function link(inode: Inode, directory: Inode, name: Uint8Array): number {
  if (!isDirectory(directory)) return -Errno.ENOTDIR;
  downWrite(directory.rwsem);
  const room = new Room();
  let result = mayCreate(directory, name, room);
  if (
    result === 0 &&
    (isDirectory(inode) || (inode.flags & (InodeFlag.append | InodeFlag.immutable)) !== 0)
  ) {
    result = -Errno.EPERM;
  }
  if (result === 0) {
    downWrite(inode.rwsem);
    result = linkLocked(inode, directory, name, room);
    upWrite(inode.rwsem);
  }
  leaveRoom(room);
  upWrite(directory.rwsem);
  return result;
}

function linkLocked(inode: Inode, directory: Inode, name: Uint8Array, room: Room): number {
  const { i_links_count: count } = rawInode(inode);
  if (count === 0) return -Errno.ENOENT;
  if (count >= MAX_LINKS) return -Errno.EMLINK;
  const sb = superBlock(directory.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, credits.addName + 2 * credits.inode);
  if (typeof handle === "number") return handle;
  const result =
    addName(handle, directory, name, inode.number, fileTypeOf(inode.mode), room) ||
    addLink(handle, inode) ||
    setTimes(handle, inode, false) ||
    setTimes(handle, directory, true);
  const stopped = journalStop(handle);
  return result || stopped;
}
