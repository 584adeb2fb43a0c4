// Making room in a leaf, by splitting full nodes and adding levels, and taking levels away again.  Neither
// changes what the tree says of any block, and the tree is whole after each single step, so ENOSPC between
// two of them does no harm.

import { Errno } from "../../machine/errors.ts";
import { allocateBlocks, freeBlocks } from "../alloc/blocks.ts";
import { bufferData, releaseBuffer, type Buffer } from "../buffer.ts";
import { addBlocks, treeRoot, type Inode } from "../inode.ts";
import { dirtyMetadata, forget, getCreateAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import {
  blockEntries,
  ENTRY_SIZE,
  entryAt,
  entryBlock,
  entryCount,
  indexChild,
  initNode,
  MAX_DEPTH,
  MAX_FILE_BLOCKS,
  maxEntries,
  nodeDepth,
  setEntryCount,
  setIndex,
} from "../media/extent.ts";
import { superBlock } from "../super.ts";
import { markNode } from "./check.ts";
import { insertIndex } from "./edit.ts";
import { goalFor } from "./goal.ts";
import { closeNode, descend, openNode, type Path } from "./path.ts";

/**
 * Sees to it that the leaf of a path has `room` free entries, and leads the path to `block` anew if the
 * tree had to grow.  -ENOSPC, or another error; the path holds nothing then, the tree says what it said.
 *
 * kernel: ext4_ext_create_new_leaf
 */
export function makeRoom(handle: Handle, path: Path, block: number, room: number): number {
  for (;;) {
    if (freeEntries(path, path.depth) >= room) return 0;
    let level = path.depth;
    while (level > 0 && freeEntries(path, level - 1) === 0) level--;
    let result = level === 0 ? addLevel(handle, path) : splitNode(handle, path, level);
    if (result === 0) result = descend(path, block);
    if (result < 0) return result;
  }
}

function freeEntries(path: Path, level: number): number {
  const node = path.nodes[level] as number;
  return maxEntries(path.mem, node) - entryCount(path.mem, node);
}

/** Moves the root's entries into a block below it.  kernel: ext4_ext_grow_indepth */
function addLevel(handle: Handle, path: Path): number {
  const { inode, mem } = path;
  const root = treeRoot(inode);
  const depth = nodeDepth(mem, root);
  if (depth === MAX_DEPTH) return -Errno.ENOSPC;
  const opened = openNode(handle, path, 0);
  if (opened < 0) return opened;
  const buffer = newNode(handle, path, depth);
  if (typeof buffer === "number") return buffer;
  const node = bufferData(buffer);
  const count = entryCount(mem, root);
  mem.copy(entryAt(node, 0), entryAt(root, 0), count * ENTRY_SIZE);
  setEntryCount(mem, node, count);
  initNode(mem, root, maxEntries(mem, root), depth + 1);
  setIndex(mem, root, 0, entryBlock(mem, node, 0), buffer.block);
  setEntryCount(mem, root, 1);
  const written = dirtyMetadata(handle, buffer);
  releaseBuffer(buffer);
  return written < 0 ? written : closeNode(handle, path, 0);
}

/** Moves the upper entries of a full node into a new one beside it.  kernel: ext4_ext_split */
function splitNode(handle: Handle, path: Path, level: number): number {
  const { mem } = path;
  const node = path.nodes[level] as number;
  const opened = openNode(handle, path, level) || openNode(handle, path, level - 1);
  if (opened < 0) return opened;
  const buffer = newNode(handle, path, nodeDepth(mem, node));
  if (typeof buffer === "number") return buffer;
  const right = bufferData(buffer);
  const count = entryCount(mem, node);
  const from = splitPoint(path, level, count);
  mem.copy(entryAt(right, 0), entryAt(node, from), (count - from) * ENTRY_SIZE);
  setEntryCount(mem, right, count - from);
  setEntryCount(mem, node, from);
  const parent = path.nodes[level - 1] as number;
  const position = path.positions[level - 1] as number;
  insertIndex(mem, parent, position + 1, entryBlock(mem, right, 0), buffer.block);
  const written = dirtyMetadata(handle, buffer);
  releaseBuffer(buffer);
  return written || closeNode(handle, path, level) || closeNode(handle, path, level - 1);
}

/** A file that grows at its end leaves full nodes behind; elsewhere a node is split in the middle. */
function splitPoint(path: Path, level: number, count: number): number {
  const appends = path.positions[level] === count - 1 && path.ends[level] === MAX_FILE_BLOCKS;
  return appends ? count - 1 : count >>> 1;
}

function newNode(handle: Handle, path: Path, depth: number): Buffer | number {
  const { inode, mem } = path;
  const sb = superBlock(mem);
  const run = allocateBlocks(handle, sb, goalFor(path), 1, path.mustNotFail);
  if (typeof run === "number") return run;
  const buffer = getCreateAccess(handle, run.start);
  if (typeof buffer === "number") {
    freeBlocks(handle, sb, run.start, 1);
    return buffer;
  }
  markNode(inode, buffer);
  initNode(mem, bufferData(buffer), blockEntries(sb.blockSize), depth);
  addBlocks(inode, 1);
  return buffer;
}

/**
 * Frees the block of a node that nothing leads to any more.  Its buffer goes first: once the block is free
 * another file's tree may take it, and the buffer with it.
 */
export function freeNode(handle: Handle, path: Path, block: number): number {
  forget(handle, block);
  return freeBlocks(handle, superBlock(path.mem), block, 1);
}

/** Whether a tree that has lost extents stays as high as it was, until some are added: as in Linux. */
export function leavesHeight({ mem }: Inode): boolean {
  return superBlock(mem).mballoc !== 0;
}

/**
 * Makes the tree as low as it can be; the path leads to nothing of use afterwards.  Costs a look at two
 * counts when there is nothing to do.  kernel: ext4_ext_try_to_merge_up, for every depth
 */
export function lift(handle: Handle, path: Path): number {
  const { mem, inode } = path;
  const root = treeRoot(inode);
  while (path.depth > 0 && entryCount(mem, root) === 1) {
    const child = path.nodes[1] as number;
    const count = entryCount(mem, child);
    if (count > maxEntries(mem, root)) return 0;
    const block = indexChild(mem, root, 0);
    const opened = openNode(handle, path, 0);
    if (opened < 0) return opened;
    initNode(mem, root, maxEntries(mem, root), nodeDepth(mem, child));
    mem.copy(entryAt(root, 0), entryAt(child, 0), count * ENTRY_SIZE);
    setEntryCount(mem, root, count);
    addBlocks(inode, -1);
    const closed = closeNode(handle, path, 0) || freeNode(handle, path, block);
    if (closed < 0) return closed;
    const led = descend(path, 0);
    if (led < 0) return led;
  }
  return 0;
}
