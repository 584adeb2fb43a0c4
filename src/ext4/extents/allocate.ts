// Filling a hole with new blocks.

import { assertHeldWrite } from "../../locks/lockdep.ts";
import { note, Note } from "../../machine/trace.ts";
import { allocateBlocks, freeBlocks, type Run } from "../alloc/blocks.ts";
import { allocateFileBlocks } from "../alloc/file-blocks.ts";
import type { Place } from "../alloc/normalize.ts";
import { discardPreallocations } from "../alloc/preallocation.ts";
import { addBlocks, isFile, type Inode } from "../inode.ts";
import type { Handle } from "../journal/state.ts";
import { entryCount, MAX_FILE_BLOCKS } from "../media/extent.ts";
import { superBlock } from "../super.ts";
import { continues, extentOf, insertExtent, joins, longest, mergeWithNext, setExtent } from "./edit.ts";
import { State, type Extent } from "./extent.ts";
import { nextStart } from "./find.ts";
import { goalFor } from "./goal.ts";
import { lift, makeRoom } from "./grow.ts";
import { zeroBlocks } from "./zero-out.ts";
import { closeNode, correctIndexes, descend, openNode, Path, releasePath } from "./path.ts";

/**
 * Gives blocks to the hole at a file block: as many of `count` as the hole holds and one run on the media
 * gives, at least one.  Returns what was added, before any merging; where there is no hole, the extent that
 * covers the block.  dataSem is held for writing; the handle has `creditsFor(sb).allocate`.
 * -ENOSPC: nothing has changed.
 *
 * kernel: ext4_ext_map_blocks, ext4_ext_insert_extent
 */
export function allocateExtent(
  handle: Handle,
  inode: Inode,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
): Extent | number {
  return allocateIn(handle, inode, block, count, state, false);
}

/**
 * The same for written blocks, with zeros in them before the tree leads there.  kernel: EXT4_GET_BLOCKS_CREATE_ZERO
 */
export function allocateZeroed(handle: Handle, inode: Inode, block: number, count: number): Extent | number {
  return allocateIn(handle, inode, block, count, State.written, true);
}

function allocateIn(
  handle: Handle,
  inode: Inode,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
  zeroed: boolean,
): Extent | number {
  assertHeldWrite(inode.dataSem);
  const path = new Path(inode);
  const result = fill(handle, path, block, Math.min(count, longest(state)), state, zeroed);
  releasePath(path);
  return result;
}

function fill(
  handle: Handle,
  path: Path,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
  zeroed: boolean,
): Extent | number {
  const { mem, inode } = path;
  const led = descend(path, block);
  if (led < 0) return led;
  const there = path.position < 0 ? undefined : extentOf(mem, path.leaf, path.position);
  if (there !== undefined && block < there.start + there.length) return there;
  const space = nextStart(mem, path.leaf, path.position, path.end) - block;
  const sb = superBlock(mem);
  const run = allocateRun(handle, path, block, Math.min(count, space), state);
  if (typeof run === "number") return run;
  if (zeroed) zeroBlocks(inode, run.start, run.count);
  const extent: Extent = { start: block, length: run.count, media: run.start, state };
  const inserted = insert(handle, path, extent);
  if (inserted < 0) {
    discardPreallocations(inode);
    freeBlocks(handle, sb, run.start, run.count);
    return inserted;
  }
  addBlocks(inode, run.count);
  note(mem, Note.allocate, inode.number, block, run.start);
  const closed = closeNode(handle, path, 0) || lift(handle, path);
  return closed < 0 ? closed : extent;
}

function allocateRun(
  handle: Handle,
  path: Path,
  block: number,
  count: number,
  state: typeof State.unwritten | typeof State.written,
): Run | number {
  const { inode } = path;
  const sb = superBlock(path.mem);
  const goal = goalFor(path, block);
  if (sb.mballoc === 0 || !isFile(inode)) return allocateBlocks(handle, sb, goal, count);
  const right = rightNeighbour(path);
  if (typeof right === "number") return right;
  // What is reserved unwritten was asked for as it is; what is written may go on.
  const exact = state === State.unwritten && count <= longest(state);
  const left = leftNeighbour(path);
  return allocateFileBlocks(handle, { inode, logical: block, count, goal, exact, left, right });
}

/** The last block before the hole that a path leads to.  kernel: ext4_ext_search_left */
function leftNeighbour({ mem, leaf, position }: Path): Place | undefined {
  if (position < 0) return undefined;
  const { start, length, media } = extentOf(mem, leaf, position);
  return { logical: start + length - 1, media: media + length - 1 };
}

/** The first one behind it.  kernel: ext4_ext_search_right */
function rightNeighbour({ inode, mem, leaf, position, end }: Path): Place | undefined | number {
  if (position + 1 < entryCount(mem, leaf)) return firstOf(extentOf(mem, leaf, position + 1));
  if (end === MAX_FILE_BLOCKS) return undefined;
  const next = new Path(inode);
  const led = descend(next, end);
  const right = led < 0 ? led : firstOf(extentOf(mem, next.leaf, 0));
  releasePath(next);
  return right;
}

const firstOf = ({ start, media }: Extent): Place => ({ logical: start, media });

/** Adds an extent to the tree, alone or to a neighbour.  The path leads to its first block. */
function insert(handle: Handle, path: Path, extent: Extent): number {
  const { mem } = path;
  const { leaf } = path;
  const opened = openNode(handle, path, 0) || (path.depth > 0 ? openNode(handle, path, path.depth) : 0);
  if (opened < 0) return opened;
  if (joinNeighbour(path, extent)) return closeLeaf(handle, path);
  const roomy = makeRoom(handle, path, extent.start, 1);
  if (roomy < 0) return roomy;
  const again = path.leaf === leaf ? 0 : openNode(handle, path, path.depth);
  if (again < 0) return again;
  insertExtent(mem, path.leaf, path.position + 1, extent);
  return closeLeaf(handle, path);
}

/** The leaf has changed, and so perhaps has its first entry. */
function closeLeaf(handle: Handle, path: Path): number {
  const closed = closeNode(handle, path, path.depth);
  // -1: the extent went before all others, and is what the leaf starts with now.
  return closed < 0 || path.position >= 0 ? closed : correctIndexes(handle, path);
}

function joinNeighbour(path: Path, extent: Extent): boolean {
  const { mem, leaf, position, inode } = path;
  let joined = false;
  if (position >= 0 && continues(mem, leaf, position, extent)) {
    const before = extentOf(mem, leaf, position);
    setExtent(mem, leaf, position, { ...before, length: before.length + extent.length });
    mergeWithNext(mem, leaf, position);
    joined = true;
  } else if (position + 1 < entryCount(mem, leaf)) {
    const next = extentOf(mem, leaf, position + 1);
    joined = joins(extent, next);
    if (joined) setExtent(mem, leaf, position + 1, { ...extent, length: extent.length + next.length });
  }
  if (joined) note(mem, Note.merge, inode.number, extent.start, extent.length);
  return joined;
}
