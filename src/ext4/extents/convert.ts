// Between unwritten and written.  This changes what the tree says of the blocks, not the blocks: who makes
// them written has put good bytes there first, or holds what keeps readers off.
//
// One entry becomes up to three.  Room for them is made before the first of them changes, so a conversion
// happens whole or, for want of space, not at all.

import { assertHeldWrite } from "../../locks/lockdep.ts";
import { note, Note } from "../../machine/trace.ts";
import type { Inode } from "../inode.ts";
import type { Handle } from "../journal/state.ts";
import { entryCount, extentLength, setExtentLength } from "../media/extent.ts";
import { closeNode, descend, openNode, Path, releasePath } from "./path.ts";
import { continues, extentOf, insertExtent, joins, longest, mergeWithNext, setExtent } from "./edit.ts";
import { State, type Extent } from "./extent.ts";
import { nextStart } from "./find.ts";
import { lift, makeRoom } from "./grow.ts";
import { withZeroOut } from "./zero-out.ts";

/**
 * Makes the unwritten blocks of a range written; written ones and holes stay as they are.  dataSem is held
 * for writing, and the handle has `creditsFor(sb).convert`.  -ENOSPC when a split needs a block that is not
 * there; every extent before that one is converted then, the rest is as it was.
 *
 * kernel: ext4_ext_convert_to_initialized, ext4_convert_unwritten_extents_endio
 */
export function convertExtent(handle: Handle, inode: Inode, start: number, count: number): number {
  return change(handle, inode, start, count, State.written);
}

/** The other way: written blocks become unwritten, and read as zeros.  kernel: convert_initialized_extent */
export function unconvertExtent(handle: Handle, inode: Inode, start: number, count: number): number {
  return change(handle, inode, start, count, State.unwritten);
}

type Target = typeof State.written | typeof State.unwritten;

function change(handle: Handle, inode: Inode, start: number, count: number, to: Target): number {
  assertHeldWrite(inode.dataSem);
  const path = new Path(inode);
  const end = start + count;
  let block = start;
  while (block < end) {
    const next = changeNext(handle, path, block, end, to);
    if (next < 0) {
      releasePath(path);
      return next;
    }
    block = next;
  }
  releasePath(path);
  return 0;
}

/** Converts what one extent has of a range, and returns the block behind it. */
function changeNext(handle: Handle, path: Path, block: number, end: number, to: Target): number {
  const { mem, inode } = path;
  const found = descend(path, block);
  if (found < 0) return found;
  const behind = nextStart(mem, path.leaf, path.position, path.end);
  if (path.position < 0) return behind;
  const extent = extentOf(mem, path.leaf, path.position);
  const extentEnd = extent.start + extent.length;
  if (block >= extentEnd) return behind;
  if (extent.state === to) return extentEnd;
  const wanted = part(extent, block, Math.min(end, extentEnd, block + longest(to)), to);
  const converted = changePiece(handle, path, extent, wanted);
  if (converted < 0) return converted;
  note(mem, to === State.written ? Note.convert : Note.unconvert, inode.number, wanted.start, wanted.length);
  return wanted.start + wanted.length;
}

/** The blocks of an extent from `start` to `end`, as they will be. */
function part(extent: Extent, start: number, end: number, state: Target): Extent {
  return { start, length: end - start, media: extent.media + start - extent.start, state };
}

function changePiece(handle: Handle, path: Path, extent: Extent, wanted: Extent): number {
  const opened = openNode(handle, path, path.depth);
  if (opened < 0) return opened;
  if (takenByNeighbour(path, extent, wanted)) return closeNode(handle, path, path.depth);
  const piece = wanted.state === State.written ? withZeroOut(path.inode, extent, wanted) : wanted;
  if (piece.length === extent.length) changeWhole(path, piece);
  else if (!takenByNeighbour(path, extent, piece))
    return split(handle, path, extent, piece) || lift(handle, path);
  return closeNode(handle, path, path.depth) || lift(handle, path);
}

function changeWhole(path: Path, piece: Extent): void {
  const { mem, leaf, position } = path;
  setExtent(mem, leaf, position, piece);
  const merged = [mergeWithNext(mem, leaf, position), mergeWithNext(mem, leaf, position - 1)];
  if (merged.includes(true)) note(mem, Note.merge, path.inode.number, piece.start, piece.length);
}

/** Gives a piece at one end of an extent to the neighbour there, where that goes on as the piece will be. */
function takenByNeighbour(path: Path, extent: Extent, piece: Extent): boolean {
  const left = piece.start - extent.start;
  const right = extent.length - left - piece.length;
  if (left === 0 && right > 0) return previousTakes(path, extent, piece);
  return left > 0 && right === 0 && nextTakes(path, extent, piece);
}

/** Moves the boundary to the extent before: the common case, a file written from its start on. */
function previousTakes(path: Path, extent: Extent, piece: Extent): boolean {
  const { mem, leaf, position } = path;
  if (position === 0 || !continues(mem, leaf, position - 1, piece)) return false;
  const before = extentLength(mem, leaf, position - 1);
  setExtentLength(mem, leaf, position - 1, before + piece.length, piece.state === State.unwritten);
  setExtent(mem, leaf, position, {
    start: piece.start + piece.length,
    length: extent.length - piece.length,
    media: piece.media + piece.length,
    state: extent.state,
  });
  note(mem, Note.merge, path.inode.number, piece.start, piece.length);
  return true;
}

/** Moves the boundary to the extent behind. */
function nextTakes(path: Path, extent: Extent, piece: Extent): boolean {
  const { mem, leaf, position } = path;
  if (position + 1 >= entryCount(mem, leaf)) return false;
  const next = extentOf(mem, leaf, position + 1);
  if (!joins(piece, next)) return false;
  setExtent(mem, leaf, position + 1, { ...piece, length: piece.length + next.length });
  setExtentLength(mem, leaf, position, extent.length - piece.length, extent.state === State.unwritten);
  note(mem, Note.merge, path.inode.number, piece.start, piece.length);
  return true;
}

/** Makes two or three entries of one. */
function split(handle: Handle, path: Path, extent: Extent, piece: Extent): number {
  const { mem } = path;
  const left = piece.start - extent.start;
  const right = extent.length - left - piece.length;
  const roomy = makeRoom(handle, path, piece.start, (left > 0 ? 1 : 0) + (right > 0 ? 1 : 0));
  if (roomy < 0) return roomy;
  const opened = openNode(handle, path, path.depth);
  if (opened < 0) return opened;
  const { leaf } = path;
  let { position } = path;
  if (left > 0) {
    setExtentLength(mem, leaf, position, left, extent.state === State.unwritten);
    insertExtent(mem, leaf, ++position, piece);
  } else {
    setExtent(mem, leaf, position, piece);
  }
  if (right > 0) {
    insertExtent(mem, leaf, position + 1, {
      start: piece.start + piece.length,
      length: right,
      media: piece.media + piece.length,
      state: extent.state,
    });
  }
  note(mem, Note.split, path.inode.number, extent.start, extent.length);
  return closeNode(handle, path, path.depth);
}
