// Taking blocks away from a file.
//
// Leaf by leaf from the end of the range down, so that nodes lose their last entries first.  A block is
// freed before its entry goes and both happen in one handle, so whatever stops a removal half-way leaves a
// whole tree.  The only thing that needs space is a hole in the middle of one extent, and that comes first.

import { assertHeldWrite } from "../../locks/lockdep.ts";
import { Errno } from "../../machine/errors.ts";
import { note, Note } from "../../machine/trace.ts";
import { freeBlocks } from "../alloc/blocks.ts";
import type { Buffer } from "../buffer.ts";
import { addBlocks, type Inode } from "../inode.ts";
import { forget } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { entryBlock, entryCount, initNode, maxEntries } from "../media/extent.ts";
import { superBlock } from "../super.ts";
import { extentIsGood } from "./check.ts";
import { extentOf, insertExtent, removeEntries, setExtent } from "./edit.ts";
import type { Extent } from "./extent.ts";
import { lift, makeRoom } from "./grow.ts";
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
  result ||= descend(path, 0) || lift(handle, path);
  releasePath(path);
  return result;
}

/** Where the range lies inside one extent, makes two of it, so that removing needs no more space. */
function cutInTwo(handle: Handle, path: Path, first: number, end: number): number {
  const { mem } = path;
  const found = descend(path, first);
  if (found < 0 || path.position < 0) return found;
  const extent = extentOf(mem, path.leaf, path.position);
  if (extent.start >= first || extent.start + extent.length <= end) return 0;
  if (!extentIsGood(superBlock(mem), extent)) return -Errno.EUCLEAN;
  const result = makeRoom(handle, path, first, 1) || openNode(handle, path, path.depth);
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
  const { mem, leaf } = path;
  const opened = openNode(handle, path, path.depth);
  if (opened < 0) return opened;
  const before = entryBlock(mem, leaf, 0);
  // Entries from `gone` up to `last` are to be taken out: they lie wholly inside the range.
  let last = path.position + 1;
  let gone = last;
  let result = 0;
  for (let index = path.position; index >= 0; index--) {
    const extent = extentOf(mem, leaf, index);
    const extentEnd = extent.start + extent.length;
    if (extentEnd <= first) break;
    const from = Math.max(first, extent.start);
    const upTo = Math.min(end, extentEnd);
    result = free(handle, path, extent, from, upTo);
    if (result < 0) break;
    if (extent.start < from) {
      setExtent(mem, leaf, index, { ...extent, length: from - extent.start });
      break;
    }
    if (upTo < extentEnd) {
      setExtent(mem, leaf, index, behind(extent, upTo));
      last = index;
    }
    gone = index;
  }
  if (gone < last) removeEntries(mem, leaf, gone, last - gone);
  const closed = closeLeaf(handle, path, before);
  return result < 0 ? result : closed;
}

function free(handle: Handle, path: Path, extent: Extent, from: number, upTo: number): number {
  const { mem, inode } = path;
  const sb = superBlock(mem);
  if (!extentIsGood(sb, extent)) return -Errno.EUCLEAN;
  const media = extent.media + from - extent.start;
  const freed = freeBlocks(handle, sb, media, upTo - from);
  if (freed < 0) return freed;
  addBlocks(inode, from - upTo);
  note(mem, Note.free, inode.number, from, media);
  return 0;
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
  const result = closeNode(handle, path, level - 1) || freeBlocks(handle, superBlock(mem), block, 1);
  if (result < 0) return result;
  forget(handle, block);
  addBlocks(inode, -1);
  const closed = closeNode(handle, path, 0);
  if (closed < 0) return closed;
  if (entryCount(mem, parent) > 0) return position > 0 ? 0 : correctIndexes(handle, path, level - 1);
  if (level > 1) return removeNode(handle, path, level - 1);
  initNode(mem, parent, maxEntries(mem, parent), 0);
  return closeNode(handle, path, 0);
}
