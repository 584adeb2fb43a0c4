// Names in directories: linear ones, in which a name can be anywhere, and indexed ones (hash-tree.ts).  To be
// listed, an indexed directory is read as the linear one that it also is.
//
// Callers hold the directory's rwsem: shared to look, exclusive (inside a handle) to change.  A block is
// checked once, when it comes from the media: its checksum, and that its entries fill it exactly.  So the
// loops below need no checks.

import { Errno } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import { bufferData, Kind, releaseBuffer, setKind, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import type { Inode } from "../inode.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { DirectoryEntry, entrySize, FileType } from "../media/directory.ts";
import { Incompat } from "../media/features.ts";
import { ROOT_INODE } from "../media/inode.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";
import {
  addBlock,
  blocksOf,
  initBlock,
  inodeOf,
  limitOf,
  nameLength,
  readBlock,
  recordLength,
} from "./block.ts";
import { isIndexed } from "./hash-node.ts";
import {
  canBeIndexed,
  descend,
  makeIndexed,
  makeRoom,
  nextLeaf,
  readLeaf,
  releaseSteps,
} from "./hash-tree.ts";

const DOT = 0x2e;
const SELF = new Uint8Array([DOT]);
/** The name by which a directory knows the one it lies in. */
export const PARENT = new Uint8Array([DOT, DOT]);

const LENGTH = DirectoryEntry.offset("rec_len");
const TYPE = DirectoryEntry.offset("file_type");

export interface Name {
  ino: number;
  name: Uint8Array;
  type: FileType;
}

/** An entry in a held buffer. */
interface Place {
  buffer: Buffer;
  at: number;
}

/** Room for a new name: an entry with enough bytes to spare.  0: there is none at hand. */
export class Room {
  /** Held, where there is room. */
  buffer: Buffer | undefined = undefined;
  at = 0;
}

/** Gives up what the room holds. */
export function leaveRoom({ buffer }: Room): void {
  if (buffer !== undefined) releaseBuffer(buffer);
}

function sameName(mem: Memory, at: number, name: Uint8Array): boolean {
  if (nameLength(mem, at) !== name.length) return false;
  const from = at + DirectoryEntry.size;
  // From the end: names that lie together often begin alike.
  for (let i = name.length - 1; i >= 0; i--) if (mem.u8[from + i] !== name[i]) return false;
  return true;
}

const isDots = (name: Uint8Array): boolean =>
  name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));

/** The entry of a name.  Where it is not there, and the search came by bytes to spare for it, `room` says so. */
function findEntry(directory: Inode, name: Uint8Array, room?: Room): Place | number {
  // "." and ".." are in no index.
  if (isIndexed(directory) && !isDots(name)) return findIndexed(directory, name, room);
  for (let block = 0; block < blocksOf(directory); block++) {
    const buffer = readBlock(directory, block);
    if (buffer === 0) continue;
    if (typeof buffer === "number") return buffer;
    const place = findIn(buffer, name, room);
    if (place !== undefined) return place;
  }
  return -Errno.ENOENT;
}

/** The entry of a name in a held buffer, which is given up if the name is not in it: to `room`, if there is some. */
function findIn(buffer: Buffer, name: Uint8Array, room?: Room): Place | undefined {
  const { mem } = buffer;
  const { bulk } = mem;
  const start = bufferData(buffer);
  const end = start + BLOCK_SIZE;
  const { length } = name;
  // What names differ in is mostly at their end.
  const low = fourBytes(name, length - 8);
  const high = fourBytes(name, length - 4);
  // The first block with room will do.
  const need = room === undefined || room.buffer !== undefined ? NO_RECORD : entrySize(length);
  const first = bulk.scan(start, end, length, low, high, need);
  for (
    let at = first;
    at > 0;
    at = bulk.scan(at + recordLength(mem, at), end, length, low, high, NO_RECORD)
  ) {
    if (sameName(mem, at, name)) return { buffer, at };
  }
  // Where another name was taken for this one, what lies before it was not searched for room to its end.  And behind the
  // limit lies what looks like an unused entry.
  if (room !== undefined && first < 0 && -first < start + limitOf(superBlock(mem))) {
    room.buffer = buffer;
    room.at = -first;
  } else releaseBuffer(buffer);
  return undefined;
}

/** Four bytes of a name as they lie in memory, 0 for those in front of it. */
function fourBytes(name: Uint8Array, from: number): number {
  let bytes = 0;
  for (let at = from + 3; at >= 0 && at >= from; at--) bytes = (bytes << 8) | (name[at] as number);
  return from >= 0 ? bytes : bytes << (-8 * from);
}

/** Longer than any record. */
const NO_RECORD = 2 * BLOCK_SIZE;

/** kernel: ext4_dx_find_entry */
function findIndexed(directory: Inode, name: Uint8Array, room?: Room): Place | number {
  const path = descend(directory, name);
  if (typeof path === "number") return path;
  let result: Place | number = 1;
  for (let first = true; result === 1; first = false) {
    const leaf = readLeaf(directory, path);
    // A new name goes into the first of the leaves.
    const place = typeof leaf === "number" ? leaf : findIn(leaf, name, first ? room : undefined);
    result = place ?? nextLeaf(directory, path);
  }
  releaseSteps(path);
  return result === 0 ? -Errno.ENOENT : result;
}

/**
 * The inode number of a name; -ENOENT, and then perhaps with room for it; -EUCLEAN for an inode of the file
 * system's own.  kernel: __ext4_iget
 */
export function lookupName(directory: Inode, name: Uint8Array, room?: Room): number {
  const { mem } = directory;
  const place = findEntry(directory, name, room);
  if (typeof place === "number") return place;
  const number = inodeOf(mem, place.at);
  releaseBuffer(place.buffer);
  if (number < superBlock(mem).firstInode && number !== ROOT_INODE) return damaged(mem, "ownInode", number);
  // Who locks a directory and then one in it must not meet the same one.
  return number === directory.number && !isDots(name) ? damaged(mem, "ownParent", number) : number;
}

/** All names in the order they lie there, "." and ".." among them. */
export function listNames(directory: Inode): Name[] | number {
  const { mem } = directory;
  const names: Name[] = [];
  for (let block = 0; block < blocksOf(directory); block++) {
    const buffer = readBlock(directory, block);
    if (buffer === 0) continue;
    if (typeof buffer === "number") return buffer;
    const end = bufferData(buffer) + BLOCK_SIZE;
    for (let at = bufferData(buffer); at < end; at += recordLength(mem, at)) {
      // A checksum's entry and those of hash nodes are unused ones.
      if (inodeOf(mem, at) === 0) continue;
      const name = mem.read(at + DirectoryEntry.size, nameLength(mem, at));
      names.push({ ino: inodeOf(mem, at), name, type: mem.u8[at + TYPE] as FileType });
    }
    releaseBuffer(buffer);
  }
  return names;
}

/**
 * Adds a name that is not there, where `lookupName` found room for it if it did.  Inside a handle with
 * `creditsFor(sb).addName`.  -ENOSPC.
 *
 * kernel: ext4_add_entry
 */
export function addName(
  handle: Handle,
  directory: Inode,
  name: Uint8Array,
  ino: number,
  type: FileType,
  room?: Room,
): number {
  if (room?.buffer !== undefined) {
    return writeEntry(handle, directory, room.buffer, room.at, name, ino, type);
  }
  if (isIndexed(directory)) return addIndexed(handle, directory, name, ino, type);
  const need = entrySize(name.length);
  for (let block = 0; block < blocksOf(directory); block++) {
    const buffer = readBlock(directory, block);
    if (buffer === 0) continue;
    if (typeof buffer === "number") return buffer;
    const at = findSpace(directory.mem, buffer, need);
    const added = at === 0 ? 0 : writeEntry(handle, directory, buffer, at, name, ino, type);
    releaseBuffer(buffer);
    if (at !== 0) return added;
  }
  if (canBeIndexed(directory)) {
    return makeIndexed(handle, directory) || addIndexed(handle, directory, name, ino, type);
  }
  const buffer = addBlock(handle, directory);
  if (typeof buffer === "number") return buffer;
  initBlock(directory, buffer);
  const added = writeEntry(handle, directory, buffer, bufferData(buffer), name, ino, type);
  releaseBuffer(buffer);
  return added;
}

function addIndexed(handle: Handle, directory: Inode, name: Uint8Array, ino: number, type: FileType): number {
  for (;;) {
    const path = descend(directory, name);
    if (typeof path === "number") return path;
    const leaf = readLeaf(directory, path);
    if (typeof leaf === "number") {
      releaseSteps(path);
      return leaf;
    }
    const at = findSpace(directory.mem, leaf, entrySize(name.length));
    const result =
      at === 0
        ? makeRoom(handle, directory, path, leaf)
        : writeEntry(handle, directory, leaf, at, name, ino, type);
    releaseBuffer(leaf);
    releaseSteps(path);
    if (at !== 0 || result < 0) return result;
  }
}

const usedBy = (mem: Memory, at: number): number =>
  inodeOf(mem, at) === 0 ? 0 : entrySize(nameLength(mem, at));

/** The entry of a block that has so many bytes to spare, 0 without one. */
function findSpace(mem: Memory, buffer: Buffer, need: number): number {
  const end = bufferData(buffer) + limitOf(superBlock(mem));
  for (let at = bufferData(buffer); at < end; at += recordLength(mem, at)) {
    if (recordLength(mem, at) - usedBy(mem, at) >= need) return at;
  }
  return 0;
}

/** Without the feature the byte is the upper half of the name's length. */
const storedType = ({ mem }: Inode, type: FileType): FileType =>
  (superBlock(mem).featureIncompat & Incompat.filetype) === 0 ? FileType.unknown : type;

/** Writes an entry into what another one has to spare. */
function writeEntry(
  handle: Handle,
  directory: Inode,
  buffer: Buffer,
  spareAt: number,
  name: Uint8Array,
  ino: number,
  type: FileType,
): number {
  const { mem } = directory;
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  const used = usedBy(mem, spareAt);
  const length = recordLength(mem, spareAt) - used;
  if (used > 0) mem.u16[(spareAt + LENGTH) >>> 1] = used;
  const entry = DirectoryEntry.of(mem, spareAt + used);
  entry.inode = ino;
  entry.rec_len = length;
  entry.name_len = name.length;
  entry.file_type = storedType(directory, type);
  mem.write(entry.at + DirectoryEntry.size, name);
  setKind(buffer, Kind.directory, directory.number, directory.generation);
  return dirtyMetadata(handle, buffer);
}

/** Takes a name out; -ENOENT.  Inside a handle with one credit.  kernel: ext4_delete_entry */
export function removeName(handle: Handle, directory: Inode, name: Uint8Array): number {
  const { mem } = directory;
  const place = findEntry(directory, name);
  if (typeof place === "number") return place;
  let result = getWriteAccess(handle, place.buffer);
  if (result === 0) {
    const before = entryBefore(place);
    if (before === 0) mem.u32[place.at >>> 2] = 0;
    else mem.u16[(before + LENGTH) >>> 1] = recordLength(mem, before) + recordLength(mem, place.at);
    result = dirtyMetadata(handle, place.buffer);
  }
  releaseBuffer(place.buffer);
  return result;
}

/** The entry before another in its block, 0 for the first. */
function entryBefore({ buffer, at }: Place): number {
  const { mem } = buffer;
  let before = 0;
  for (let next = bufferData(buffer); next < at; next += recordLength(mem, next)) before = next;
  return before;
}

/** Makes a name that is there mean another inode.  Inside a handle with one credit.  -ENOENT.  kernel: ext4_setent */
export function changeName(
  handle: Handle,
  directory: Inode,
  name: Uint8Array,
  ino: number,
  type: FileType,
): number {
  const place = findEntry(directory, name);
  if (typeof place === "number") return place;
  const opened = getWriteAccess(handle, place.buffer);
  if (opened === 0) {
    const entry = DirectoryEntry.of(directory.mem, place.at);
    entry.inode = ino;
    entry.file_type = storedType(directory, type);
  }
  const result = opened || dirtyMetadata(handle, place.buffer);
  releaseBuffer(place.buffer);
  return result;
}

/** Gives a new directory its first block.  Inside a handle with `creditsFor(sb).allocate` and one more. */
export function makeDots(handle: Handle, directory: Inode, parent: number): number {
  const buffer = addBlock(handle, directory);
  if (typeof buffer === "number") return buffer;
  initBlock(directory, buffer);
  const at = bufferData(buffer);
  const result =
    writeEntry(handle, directory, buffer, at, SELF, directory.number, FileType.directory) ||
    writeEntry(handle, directory, buffer, at, PARENT, parent, FileType.directory);
  releaseBuffer(buffer);
  return result;
}

/** 0 for a directory with nothing but "." and "..", else -ENOTEMPTY.  kernel: ext4_empty_dir */
export function emptyOrNot(directory: Inode): number {
  const { mem } = directory;
  for (let block = 0; block < blocksOf(directory); block++) {
    const buffer = readBlock(directory, block);
    if (buffer === 0) continue;
    if (typeof buffer === "number") return buffer;
    const end = bufferData(buffer) + BLOCK_SIZE;
    let used = false;
    for (let at = bufferData(buffer); at < end && !used; at += recordLength(mem, at)) {
      used = inodeOf(mem, at) !== 0 && !sameName(mem, at, SELF) && !sameName(mem, at, PARENT);
    }
    releaseBuffer(buffer);
    if (used) return -Errno.ENOTEMPTY;
  }
  return 0;
}
