// Taking blocks away from a file.
//
// Leaf by leaf from the end of the range down, so that nodes lose their last entries first.  A data block is
// freed before its entry goes and both happen in one handle, so whatever stops a removal half-way leaves a
// whole tree.  The only thing that needs space is a hole in the middle of one extent, and that comes first.

import { assertHeldWrite } from "../../locks/lockdep.ts";
import { Errno } from "../../machine/errors.ts";
import { note, Note } from "../../machine/trace.ts";
import { freeBlocks } from "../alloc/blocks.ts";
import { removeMapped } from "../block-map/remove.ts";
import type { Buffer } from "../buffer.ts";
import { addBlocks, hasBlockMap, type Inode, isFile } from "../inode.ts";
import { forget } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { entryBlock, entryCount, initNode, maxEntries } from "../media/extent.ts";
import { superBlock } from "../super.ts";
import { extentOf, insertExtent, removeEntries, setExtent } from "./edit.ts";
import type { Extent } from "./extent.ts";
import { freeNode, leavesHeight, lift, makeRoom } from "./grow.ts";
import { closeNode, correctIndexes, descend, openNode, Path, releasePath } from "./path.ts";

/**
 * Makes file blocks `first` up to, not including, `end` a hole, and frees what was there.  dataSem is held
 * for writing; the handle has `creditsFor(sb).remove`.  -ENOSPC, with nothing changed, when cutting one
 * extent in two needs a block that is not there; -EUCLEAN in a damaged tree.
 *
 * kernel: ext4_ext_remove_space
 */
export function removeExtents(handle: Handle, inode: Inode, first: number, end: number): number {
  assertHeldWrite(inode.dataSem);
  if (hasBlockMap(inode)) return removeMapped(handle, inode, first, end);
  const path = new Path(inode);
  let result = openNode(handle, path, 0) || cutInTwo(handle, path, first, end);
  // Nothing at or behind `upTo` is left to do.
  let upTo = end;
  while (result === 0 && upTo > first) {
    result = descend(path, upTo - 1);
    if (result < 0) break;
    const leafStart = path.depth === 0 ? 0 : entryBlock(inode.mem, path.leaf, 0);
    result = removeFromLeaf(handle, path, first, upTo);
    // A first leaf may start behind the range.
    upTo = path.position < 0 ? first : Math.min(upTo - 1, leafStart);
  }
  if (!leavesHeight(inode)) result ||= descend(path, 0) || lift(handle, path);
  releasePath(path);
  return result;
}

/** Where the range ends inside an extent, makes two of it, so that removing needs no more space. */
function cutInTwo(handle: Handle, path: Path, first: number, end: number): number {
  const { mem } = path;
  const found = descend(path, end - 1);
  if (found < 0 || path.position < 0) return found;
  const extent = extentOf(mem, path.leaf, path.position);
  if (extent.start >= end || extent.start + extent.length <= end) return 0;
  path.mustNotFail = true;
  const roomy = makeRoom(handle, path, end - 1, 1);
  // Only a range in the middle needs the second entry: any other goes on without.
  if (roomy === -Errno.ENOSPC && extent.start >= first) return 0;
  const result = roomy || openNode(handle, path, path.depth);
  if (result < 0) return result;
  const { leaf, position } = path;
  setExtent(mem, leaf, position, { ...extent, length: end - extent.start });
  insertExtent(mem, leaf, position + 1, behind(extent, end));
  note(mem, Note.split, path.inode.number, extent.start, extent.length);
  return closeNode(handle, path, path.depth);
}

/** What an extent has at and after a file block. */
function behind(extent: Extent, block: number): Extent {
  const gone = block - extent.start;
  return { ...extent, start: block, length: extent.length - gone, media: extent.media + gone };
}

/** Removes what the leaf of a path has of a range. */
function removeFromLeaf(handle: Handle, path: Path, first: number, end: number): number {
  const { mem, leaf, position } = path;
  const opened = openNode(handle, path, path.depth);
  if (opened < 0) return opened;
  const before = entryBlock(mem, leaf, 0);
  // Pieces that are one run on the media, as those of an extent that was split are, are freed at once.
  const run: Run = { media: 0, count: 0 };
  let freedFrom = position + 1;
  let index = position;
  let result = 0;
  for (; index >= 0; index--) {
    const extent = extentOf(mem, leaf, index);
    if (extent.start + extent.length <= first) break;
    const from = Math.max(first, extent.start);
    const count = Math.min(end, extent.start + extent.length) - from;
    const media = extent.media + from - extent.start;
    if (media + count !== run.media) {
      result = free(handle, path, run);
      if (result === 0) freedFrom = index + 1;
    }
    if (result < 0) break;
    run.media = media;
    run.count += count;
    note(mem, Note.free, path.inode.number, from, media);
  }
  const freed = free(handle, path, run);
  if (freed === 0) freedFrom = index + 1;
  if (freedFrom <= position) takeOut(path, freedFrom, first, end);
  const closed = closeLeaf(handle, path, before);
  return result || freed || closed;
}

/** Consecutive media blocks to be freed. */
interface Run {
  media: number;
  count: number;
}

function free(handle: Handle, path: Path, run: Run): number {
  if (run.count === 0) return 0;
  // The blocks of directories and symlinks are metadata, and have buffers.
  for (let block = run.media; !isFile(path.inode) && block < run.media + run.count; block++)
    forget(handle, block);
  const freed = freeBlocks(handle, superBlock(path.mem), run.media, run.count);
  if (freed < 0) return freed;
  addBlocks(path.inode, -run.count);
  run.count = 0;
  return 0;
}

/** Takes entries from `index` up to the path's position out of the leaf; the outer two may keep a part. */
function takeOut(path: Path, index: number, first: number, end: number): void {
  const { mem, leaf, position } = path;
  const [lowest, highest] = [extentOf(mem, leaf, index), extentOf(mem, leaf, position)];
  const keepsLow = lowest.start < first;
  const keepsHigh = highest.start + highest.length > end;
  if (keepsHigh) setExtent(mem, leaf, position, behind(highest, end));
  if (keepsLow) setExtent(mem, leaf, index, { ...lowest, length: first - lowest.start });
  const gone = position + 1 - index - (keepsLow ? 1 : 0) - (keepsHigh ? 1 : 0);
  removeEntries(mem, leaf, keepsLow ? index + 1 : index, gone);
}

/** The leaf has lost entries: the indexes above follow, and an empty leaf goes. */
function closeLeaf(handle: Handle, path: Path, firstBefore: number): number {
  const { mem, leaf } = path;
  if (path.depth > 0 && entryCount(mem, leaf) === 0) return removeNode(handle, path, path.depth);
  const closed = closeNode(handle, path, path.depth) || closeNode(handle, path, 0);
  if (closed < 0 || path.depth === 0) return closed;
  return entryBlock(mem, leaf, 0) === firstBefore ? 0 : correctIndexes(handle, path);
}

/** Takes an empty node out of the tree, and what is emptied by that.  kernel: ext4_ext_rm_idx */
function removeNode(handle: Handle, path: Path, level: number): number {
  const { mem, inode } = path;
  const block = (path.buffers[level] as Buffer).block;
  const parent = path.nodes[level - 1] as number;
  const position = path.positions[level - 1] as number;
  const opened = openNode(handle, path, level - 1);
  if (opened < 0) return opened;
  removeEntries(mem, parent, position, 1);
  addBlocks(inode, -1);
  const result = closeNode(handle, path, level - 1) || freeNode(handle, path, block);
  if (result < 0) return result;
  const closed = closeNode(handle, path, 0);
  if (closed < 0) return closed;
  if (entryCount(mem, parent) > 0) return position > 0 ? 0 : correctIndexes(handle, path, level - 1);
  if (level > 1) return removeNode(handle, path, level - 1);
  initNode(mem, parent, maxEntries(mem, parent), 0);
  return closeNode(handle, path, 0);
}
