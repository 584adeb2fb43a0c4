// Nodes of an indexed directory's hash tree: the root in the directory's first block, and below it at most one level
// of inner nodes.  A node is a sorted list of entries, each the lowest hash of a block and the block's place in the
// directory; the first entry's hash counts as 0, and its place holds how many entries there are and can be.

import type { Memory } from "../../machine/memory.ts";
import { bufferData, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import type { Inode } from "../inode.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import {
  DirectoryEntry,
  DOT_LENGTH,
  HASH_ROOT_INFO_AT,
  HashCountLimit,
  hashEntriesAt,
  HashEntry,
  HashRootInfo,
  HashTail,
} from "../media/directory.ts";
import { InodeFlag } from "../media/inode.ts";
import { hashNodeSum } from "../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, superBlock, type SuperBlock } from "../super.ts";
import { HASH_VERSIONS } from "./hash.ts";

/** Levels of nodes between root and leaves: more only with large_dir, which is not mounted. */
const MAX_LEVELS = 1;
/** Blocks are numbered with so many bits; the others are not used. */
const BLOCK_MASK = 0x0fff_ffff;

export function isIndexed(directory: Inode): boolean {
  return (directory.flags & InodeFlag.index) !== 0;
}

/** Whether a block of a directory is a node of its hash tree: the first one is the root. */
export function isHashNode(directory: Inode, at: number, block: number): boolean {
  if (!isIndexed(directory)) return false;
  const first = DirectoryEntry.of(directory.mem, at);
  return block === 0 || (first.inode === 0 && first.rec_len === BLOCK_SIZE);
}

/** A node, and the entry in it by which a path leads on. */
export interface Step {
  readonly buffer: Buffer;
  readonly entriesAt: number;
  position: number;
}

// An entry is known by its index; its fields are read in loops.
export const countOf = (mem: Memory, { entriesAt }: Step): number => mem.u16[(entriesAt >>> 1) + 1] as number;
const limitOf = (mem: Memory, { entriesAt }: Step): number => mem.u16[entriesAt >>> 1] as number;
export const hashAt = (mem: Memory, { entriesAt }: Step, index: number): number =>
  mem.u32[(entriesAt + index * HashEntry.size) >>> 2] as number;
export const blockAt = (mem: Memory, { entriesAt }: Step, index: number): number =>
  (mem.u32[(entriesAt + index * HashEntry.size + 4) >>> 2] as number) & BLOCK_MASK;

export const isFull = (mem: Memory, node: Step): boolean => countOf(mem, node) >= limitOf(mem, node);

/** How many entries a node can have.  kernel: dx_root_limit, dx_node_limit */
function capacity(sb: SuperBlock, isRoot: boolean): number {
  const before = isRoot ? HASH_ROOT_INFO_AT + HashRootInfo.size : DirectoryEntry.size;
  return Math.floor((BLOCK_SIZE - before - (hasChecksums(sb) ? HashTail.size : 0)) / HashEntry.size);
}

/** The node in a held buffer; -EUCLEAN when it cannot be one. */
export function openNode(directory: Inode, buffer: Buffer, isRoot: boolean): Step | number {
  const { mem } = directory;
  const at = bufferData(buffer);
  if (isRoot ? !rootIsGood(mem, at) : !isHashNode(directory, at, 1)) {
    return damaged(mem, "hashTree", directory.number);
  }
  const node = { buffer, entriesAt: hashEntriesAt(mem, at), position: 0 };
  const [limit, count] = [limitOf(mem, node), countOf(mem, node)];
  const fits = limit === capacity(superBlock(mem), isRoot) && count >= 1 && count <= limit;
  return fits ? node : damaged(mem, "hashTree", directory.number);
}

/** The root hides behind ".", which must leave it room, and "..". */
function rootIsGood(mem: Memory, at: number): boolean {
  const info = HashRootInfo.of(mem, at + HASH_ROOT_INFO_AT);
  return (
    DirectoryEntry.of(mem, at).rec_len === DOT_LENGTH &&
    DirectoryEntry.of(mem, at + DOT_LENGTH).rec_len === BLOCK_SIZE - DOT_LENGTH &&
    info.info_length === HashRootInfo.size &&
    info.hash_version < HASH_VERSIONS &&
    info.indirect_levels <= MAX_LEVELS &&
    (info.unused_flags & 1) === 0
  );
}

/** What the root says of its tree. */
export function rootInfo({ buffer }: Step): { version: number; levels: number } {
  const info = HashRootInfo.of(buffer.mem, bufferData(buffer) + HASH_ROOT_INFO_AT);
  return { version: info.hash_version, levels: info.indirect_levels };
}

/** Moves to the last entry whose hash is not above this one. */
export function seek(mem: Memory, node: Step, hash: number): void {
  let low = 0;
  let high = countOf(mem, node) - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (hashAt(mem, node, middle) > hash) high = middle - 1;
    else low = middle;
  }
  node.position = low;
}

/** Makes a root with one entry of what is now the first block; "." and ".." stay. */
export function makeRoot(handle: Handle, buffer: Buffer, version: number, block: number): number {
  const { mem } = buffer;
  const sb = superBlock(mem);
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  const at = bufferData(buffer);
  DirectoryEntry.of(mem, at + DOT_LENGTH).rec_len = BLOCK_SIZE - DOT_LENGTH;
  mem.fill(at + HASH_ROOT_INFO_AT, 0, BLOCK_SIZE - HASH_ROOT_INFO_AT);
  const info = HashRootInfo.of(mem, at + HASH_ROOT_INFO_AT);
  info.hash_version = version;
  info.info_length = HashRootInfo.size;
  return fill(handle, sb, buffer, true, [[0, block]]);
}

/** Makes an inner node of a new block. */
export function makeNode(
  handle: Handle,
  buffer: Buffer,
  entries: readonly (readonly [number, number])[],
): number {
  DirectoryEntry.of(buffer.mem, bufferData(buffer)).rec_len = BLOCK_SIZE;
  return fill(handle, superBlock(buffer.mem), buffer, false, entries);
}

/** Puts the root's entries one level lower: all that it keeps leads to one node. */
export function deepenRoot(handle: Handle, root: Step, block: number): number {
  const { mem } = root.buffer;
  const opened = getWriteAccess(handle, root.buffer);
  if (opened < 0) return opened;
  HashRootInfo.of(mem, bufferData(root.buffer) + HASH_ROOT_INFO_AT).indirect_levels += 1;
  return fill(handle, superBlock(mem), root.buffer, true, [[0, block]]);
}

/** The node's entries from an index on: hash and block. */
export function entriesFrom(mem: Memory, node: Step, index: number): [number, number][] {
  return Array.from({ length: countOf(mem, node) - index }, (_, i) => [
    hashAt(mem, node, index + i),
    blockAt(mem, node, index + i),
  ]);
}

/** The caller has write access. */
function fill(
  handle: Handle,
  sb: SuperBlock,
  buffer: Buffer,
  isRoot: boolean,
  entries: readonly (readonly [number, number])[],
): number {
  const { mem } = buffer;
  const entriesAt = hashEntriesAt(mem, bufferData(buffer));
  for (const [index, [hash, block]] of entries.entries()) {
    const entry = HashEntry.of(mem, entriesAt + index * HashEntry.size);
    entry.hash = hash;
    entry.block = block;
  }
  const head = HashCountLimit.of(mem, entriesAt);
  head.limit = capacity(sb, isRoot);
  head.count = entries.length;
  return dirtyMetadata(handle, buffer);
}

/** Drops the entries from an index on. */
export function cutEntries(handle: Handle, node: Step, count: number): number {
  const opened = getWriteAccess(handle, node.buffer);
  if (opened < 0) return opened;
  HashCountLimit.of(node.buffer.mem, node.entriesAt).count = count;
  return dirtyMetadata(handle, node.buffer);
}

/** Adds an entry behind that of the node's position; there is room.  kernel: dx_insert_block */
export function insertEntry(handle: Handle, node: Step, hash: number, block: number): number {
  const { mem } = node.buffer;
  const opened = getWriteAccess(handle, node.buffer);
  if (opened < 0) return opened;
  const count = countOf(mem, node);
  const at = node.entriesAt + (node.position + 1) * HashEntry.size;
  mem.copy(at + HashEntry.size, at, (count - node.position - 1) * HashEntry.size);
  const entry = HashEntry.of(mem, at);
  entry.hash = hash;
  entry.block = block;
  HashCountLimit.of(mem, node.entriesAt).count = count + 1;
  return dirtyMetadata(handle, node.buffer);
}

/** kernel: ext4_dx_csum_verify */
export function hashChecksumIsGood(directory: Inode, at: number): boolean {
  const { mem, number, generation } = directory;
  const entriesAt = hashEntriesAt(mem, at);
  const { limit, count } = HashCountLimit.of(mem, entriesAt);
  const tailAt = entriesAt + limit * HashEntry.size;
  if (count > limit || tailAt + HashTail.size > at + BLOCK_SIZE) return false;
  const sum = hashNodeSum(mem, superBlock(mem).csumSeed, number, generation, at);
  return HashTail.of(mem, tailAt).dt_checksum === sum;
}
