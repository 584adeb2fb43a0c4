// Looking up without changing anything.

import type { Memory } from "../../machine/memory.ts";
import { assertHeld } from "../../locks/lockdep.ts";
import { allMapped, findMapped } from "../block-map/find.ts";
import { bufferData, releaseBuffer, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { hasBlockMap, treeRoot, type Inode } from "../inode.ts";
import { entryBlock, entryCount, MAX_FILE_BLOCKS, nodeDepth } from "../media/extent.ts";
import { readChild, rootIsGood } from "./check.ts";
import { extentOf } from "./edit.ts";
import { State, type Extent } from "./extent.ts";
import { descend, Path, releasePath, search } from "./path.ts";

/**
 * The extent that covers a file block, whole; for a hole, what is left of it from the block on (up to the
 * next extent, or to the end of all files).  -EUCLEAN or -EFSBADCRC in a damaged tree, -ENOMEM.
 * dataSem is held.
 */
export function findExtent(inode: Inode, block: number): Extent | number {
  assertHeld(inode.dataSem);
  if (hasBlockMap(inode)) return findMapped(inode, block);
  if (!rootIsGood(inode)) return damaged(inode.mem, "extentRoot", inode.number);
  const root = treeRoot(inode);
  return nodeDepth(inode.mem, root) === 0
    ? findInLeaf(inode.mem, root, block, MAX_FILE_BLOCKS)
    : findBelow(inode, root, block);
}

/** The same in a tree that has nodes below its root. */
function findBelow(inode: Inode, root: number, block: number): Extent | number {
  const { mem } = inode;
  let node = root;
  let end = MAX_FILE_BLOCKS;
  let held: Buffer | undefined;
  for (let depth = nodeDepth(mem, root); depth > 0; depth--) {
    const position = search(mem, node, block);
    if (position + 1 < entryCount(mem, node)) end = entryBlock(mem, node, position + 1);
    if (position < 0) break;
    const child = readChild(inode, node, position, end);
    if (held !== undefined) releaseBuffer(held);
    if (typeof child === "number") return child;
    held = child;
    node = bufferData(child);
  }
  const found = nodeDepth(mem, node) === 0 ? findInLeaf(mem, node, block, end) : hole(block, end);
  if (held !== undefined) releaseBuffer(held);
  return found;
}

function hole(block: number, end: number): Extent {
  return { start: block, length: end - block, media: 0, state: State.hole };
}

/** Nothing is checked here: a root is when its inode is read, a leaf when its buffer first is. */
function findInLeaf(mem: Memory, leaf: number, block: number, end: number): Extent {
  const position = search(mem, leaf, block);
  if (position >= 0) {
    const extent = extentOf(mem, leaf, position);
    if (block < extent.start + extent.length) return extent;
  }
  return hole(block, nextStart(mem, leaf, position, end));
}

/** Where the extent behind a position starts: in the leaf, or else where the leaf's range ends. */
export function nextStart(mem: Memory, leaf: number, position: number, end: number): number {
  return position + 1 < entryCount(mem, leaf) ? entryBlock(mem, leaf, position + 1) : end;
}

/** All extents of a file in order, holes left out.  dataSem is held. */
export function extents(inode: Inode): Extent[] | number {
  if (hasBlockMap(inode)) return allMapped(inode);
  const all: Extent[] = [];
  const path = new Path(inode);
  for (let block = 0; block < MAX_FILE_BLOCKS; block = path.end) {
    const found = descend(path, block);
    if (found < 0) return found;
    const { mem, leaf } = path;
    for (let index = 0; index < entryCount(mem, leaf); index++) all.push(extentOf(mem, leaf, index));
  }
  releasePath(path);
  return all;
}
