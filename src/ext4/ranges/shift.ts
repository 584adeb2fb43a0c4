// Moving the extents behind a place, for collapse and insert range: the blocks stay where they are on the
// media, what changes is where the file has them.
//
// Leaf by leaf, each in a transaction of its own: from the left when they come nearer, from the right when
// they move away, so that the tree is in order after each.  Between two leaves dataSem is dropped, so the
// caller holds what keeps everybody from the file's blocks.

import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { Errno } from "../../machine/errors.ts";
import { note, Note } from "../../machine/trace.ts";
import { discardPreallocations } from "../alloc/preallocation.ts";
import { creditsFor } from "../extents/credits.ts";
import { extentOf, insertExtent, mergeWithNext, setExtent } from "../extents/edit.ts";
import { leavesHeight, lift, makeRoom } from "../extents/grow.ts";
import { closeNode, correctIndexes, descend, openNode, Path, releasePath } from "../extents/path.ts";
import type { Inode } from "../inode.ts";
import { journalStart, journalStop } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { entryBlock, entryCount, MAX_FILE_BLOCKS, setEntryBlock } from "../media/extent.ts";
import { superBlock } from "../super.ts";

/**
 * Moves everything from file block `start` on by `distance` blocks.  A negative distance moves into a hole
 * that the caller has made; a positive one leaves a hole at `start`, and an extent that reaches over `start` is
 * cut there first.  Returns 0 or an error number; -EINVAL, with nothing moved, when the last extent, which may lie
 * behind the end of the file, would go where no block can be.  kernel: ext4_ext_shift_extents
 */
export function shiftExtents(inode: Inode, start: number, distance: number): number {
  const error = prepare(inode, start, distance);
  if (error < 0) return error;
  // Leaves are found by a block in them: the first not yet moved, or the last.
  let at = distance < 0 ? start : MAX_FILE_BLOCKS - 1;
  while (at >= start && at < MAX_FILE_BLOCKS) {
    const next = shiftLeaf(inode, start, at, distance);
    if (next < 0) return next;
    at = next;
  }
  return leavesHeight(inode) ? 0 : lower(inode);
}

/** Above every block number: there is no further leaf. */
const DONE = MAX_FILE_BLOCKS;

/** Starts a transaction on the tree. */
function begin(inode: Inode): Handle | number {
  const sb = superBlock(inode.mem);
  const handle = journalStart(sb, creditsFor(sb).allocate);
  if (typeof handle !== "number") downWrite(inode.dataSem);
  return handle;
}

/** Ends it, and passes its result on unless the end fails. */
function finish(handle: Handle, path: Path, result: number): number {
  releasePath(path);
  upWrite(path.inode.dataSem);
  const stopped = journalStop(handle);
  return result >= 0 && stopped < 0 ? stopped : result;
}

function prepare(inode: Inode, start: number, distance: number): number {
  const handle = begin(inode);
  if (typeof handle === "number") return handle;
  const path = new Path(inode);
  return finish(handle, path, checkEnd(path, distance) || cut(handle, path, start));
}

/** Whether the last extent still lies in the file when it has moved. */
function checkEnd(path: Path, distance: number): number {
  const found = descend(path, MAX_FILE_BLOCKS - 1);
  if (found < 0 || path.position < 0) return found;
  const { start, length } = extentOf(path.mem, path.leaf, path.position);
  return start + length + distance > MAX_FILE_BLOCKS ? -Errno.EINVAL : 0;
}

/** Makes two extents of one that reaches over a block.  kernel: ext4_split_extent_at */
function cut(handle: Handle, path: Path, block: number): number {
  const { mem, inode } = path;
  // They go with blocks of the file, and these get other numbers.
  discardPreallocations(inode);
  const found = descend(path, block);
  if (found < 0 || path.position < 0) return found;
  const extent = extentOf(mem, path.leaf, path.position);
  const length = block - extent.start;
  if (length === 0 || length >= extent.length) return 0;
  path.mustNotFail = true;
  const result = makeRoom(handle, path, block, 1) || openNode(handle, path, path.depth);
  if (result < 0) return result;
  const { leaf, position } = path;
  setExtent(mem, leaf, position, { ...extent, length });
  const rest = { ...extent, start: block, length: extent.length - length, media: extent.media + length };
  insertExtent(mem, leaf, position + 1, rest);
  note(mem, Note.split, path.inode.number, extent.start, extent.length);
  return closeNode(handle, path, path.depth);
}

/** Moves what the leaf at a block has from `start` on.  Returns a block of the next leaf, or DONE. */
function shiftLeaf(inode: Inode, start: number, at: number, distance: number): number {
  const handle = begin(inode);
  if (typeof handle === "number") return handle;
  const path = new Path(inode);
  const found = descend(path, at);
  if (found < 0) return finish(handle, path, found);
  return finish(handle, path, moveEntries(handle, path, distance < 0 ? at : start, distance));
}

function moveEntries(handle: Handle, path: Path, start: number, distance: number): number {
  const { mem, leaf, end } = path;
  const count = entryCount(mem, leaf);
  let first = Math.max(0, path.position);
  while (first < count && entryBlock(mem, leaf, first) < start) first++;
  while (first > 0 && entryBlock(mem, leaf, first - 1) >= start) first--;
  const leafStart = count === 0 ? 0 : entryBlock(mem, leaf, 0);
  if (first < count) {
    const opened = openNode(handle, path, path.depth);
    if (opened < 0) return opened;
    for (let i = first; i < count; i++) setEntryBlock(mem, leaf, i, entryBlock(mem, leaf, i) + distance);
    note(mem, Note.shift, path.inode.number, entryBlock(mem, leaf, first), distance);
    const merged = distance < 0 && mergeWithNext(mem, leaf, first - 1);
    if (merged) note(mem, Note.merge, path.inode.number, entryBlock(mem, leaf, first - 1), 0);
    const closed = closeNode(handle, path, path.depth) || (first === 0 ? correctIndexes(handle, path) : 0);
    if (closed < 0) return closed;
  }
  if (distance < 0) return end === MAX_FILE_BLOCKS ? DONE : end;
  return first > 0 || leafStart <= start || isFirstLeaf(path) ? DONE : leafStart - 1;
}

function isFirstLeaf({ positions, depth }: Path): boolean {
  return positions.slice(0, depth).every((position) => position === 0);
}

/** A tree that has lost entries by merging is made as low as it can be. */
function lower(inode: Inode): number {
  const handle = begin(inode);
  if (typeof handle === "number") return handle;
  const path = new Path(inode);
  return finish(handle, path, descend(path, 0) || lift(handle, path));
}
