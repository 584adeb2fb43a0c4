// Names in directories.  An indexed directory is read as the linear one that it also is; its hash tree is given
// up when a name is added (hash-tree.ts).
//
// Callers hold the directory's rwsem: shared to look, exclusive (inside a handle) to change.  A block is
// checked once, when it comes from the media: its checksum, and that its entries fill it exactly.  So the
// loops below need no checks.

import { Errno } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { bufferData, Kind, releaseBuffer, setKind, type Buffer } from "../buffer.ts";
import { allocateExtent } from "../extents/allocate.ts";
import { State } from "../extents/extent.ts";
import { setDiskSize, writeSize, type Inode } from "../inode.ts";
import { dirtyMetadata, getCreateAccess, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { DirectoryEntry, entrySize, type FileType } from "../media/directory.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";
import { blocksOf, initBlock, inodeOf, limitOf, nameLength, readBlock, recordLength } from "./block.ts";
import { isIndexed } from "./hash-node.ts";
import { makeLinear } from "./hash-tree.ts";

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
  /** The entry before it in the block, 0 for the first. */
  before: number;
}

function sameName(mem: Memory, at: number, name: Uint8Array): boolean {
  if (nameLength(mem, at) !== name.length) return false;
  const from = at + DirectoryEntry.size;
  for (let i = 0; i < name.length; i++) if (mem.u8[from + i] !== name[i]) return false;
  return true;
}

function findEntry(directory: Inode, name: Uint8Array): Place | number {
  const { mem } = directory;
  for (let block = 0; block < blocksOf(directory); block++) {
    const buffer = readBlock(directory, block);
    if (buffer === 0) continue;
    if (typeof buffer === "number") return buffer;
    const end = bufferData(buffer) + BLOCK_SIZE;
    let before = 0;
    for (let at = bufferData(buffer); at < end; at += recordLength(mem, at)) {
      if (inodeOf(mem, at) !== 0 && sameName(mem, at, name)) return { buffer, at, before };
      before = at;
    }
    releaseBuffer(buffer);
  }
  return -Errno.ENOENT;
}

/** The inode number of a name; -ENOENT. */
export function lookupName(directory: Inode, name: Uint8Array): number {
  const place = findEntry(directory, name);
  if (typeof place === "number") return place;
  const number = inodeOf(directory.mem, place.at);
  releaseBuffer(place.buffer);
  return number;
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
 * Adds a name that is not there.  Inside a handle with `creditsFor(sb).allocate` and one more, and what
 * `indexBlocks` says.  -ENOSPC.  kernel: ext4_add_entry
 */
export function addName(
  handle: Handle,
  directory: Inode,
  name: Uint8Array,
  ino: number,
  type: FileType,
): number {
  const linear = isIndexed(directory) ? makeLinear(handle, directory) : 0;
  if (linear < 0) return linear;
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
  const buffer = addBlock(handle, directory);
  if (typeof buffer === "number") return buffer;
  const added = writeEntry(handle, directory, buffer, bufferData(buffer), name, ino, type);
  releaseBuffer(buffer);
  return added;
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
  entry.file_type = type;
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
    const length = recordLength(mem, place.at);
    if (place.before === 0) mem.u32[place.at >>> 2] = 0;
    else mem.u16[(place.before + LENGTH) >>> 1] = recordLength(mem, place.before) + length;
    result = dirtyMetadata(handle, place.buffer);
  }
  releaseBuffer(place.buffer);
  return result;
}

/** One block more, with one unused entry. */
function addBlock(handle: Handle, directory: Inode): Buffer | number {
  const block = blocksOf(directory);
  downWrite(directory.dataSem);
  const extent = allocateExtent(handle, directory, block, 1, State.written);
  const buffer =
    typeof extent === "number" ? extent : getCreateAccess(handle, extent.media + block - extent.start);
  const size = (block + 1) * BLOCK_SIZE;
  const result = typeof buffer === "number" ? buffer : setDiskSize(handle, directory, size);
  upWrite(directory.dataSem);
  if (typeof buffer === "number") return buffer;
  if (result < 0) {
    releaseBuffer(buffer);
    return result;
  }
  writeSize(directory, size);
  initBlock(directory, buffer);
  return buffer;
}
