// Taking blocks away from an inode with a block map, from the end of the range down.
//
// A block of numbers goes when the range covers all that it could lead to.  One that leads to nothing any more and might
// lead to something outside the range stays, full of zeros; Linux takes it, and e2fsck minds neither.
//
// kernel: ext4_ind_truncate, ext4_ind_remove_space

import { assertHeldWrite } from "../../locks/lockdep.ts";
import { note, Note } from "../../machine/trace.ts";
import { freeBlocks } from "../alloc/blocks.ts";
import { bufferData, releaseBuffer } from "../buffer.ts";
import { forgetExtent } from "../extent-status.ts";
import { addBlocks, beginInodeChange, isFile, markInodeDirty, treeRoot, type Inode } from "../inode.ts";
import { dirtyMetadata, forget, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { superBlock } from "../super.ts";
import { DIRECT, getNumbers, LEVELS, NUMBERS, wrongNumber } from "./find.ts";

/** What is removed: file blocks from `first` up to, not including, `end`. */
interface Removal {
  readonly handle: Handle;
  readonly inode: Inode;
  readonly first: number;
  readonly end: number;
  /** Data blocks side by side that are to be freed: the lowest, and how many. */
  media: number;
  count: number;
}

/** Makes file blocks a hole, and frees what was there.  The handle has `creditsFor(sb).remove`.  -EUCLEAN in a damaged map. */
export function removeMapped(handle: Handle, inode: Inode, first: number, end: number): number {
  assertHeldWrite(inode.dataSem);
  forgetExtent(inode.status);
  const removal: Removal = { handle, inode, first, end, media: 0, count: 0 };
  let result = beginInodeChange(handle, inode);
  const root = treeRoot(inode);
  let start = DIRECT + NUMBERS + NUMBERS ** 2;
  for (let level = LEVELS; level > 0 && result === 0; level--) {
    result = removeAt(removal, root + 4 * (DIRECT + level - 1), level, start, true);
    start -= NUMBERS ** (level - 1);
  }
  for (let block = DIRECT - 1; block >= 0 && result === 0; block--)
    result = removeAt(removal, root + 4 * block, 0, block, true);
  return result || freeRun(removal) || markInodeDirty(handle, inode);
}

/**
 * Removes what the number at an address leads to, on so many levels; `start` is its first file block.  Where its own block
 * stays it becomes 0 when all that it leads to has gone.
 */
function removeAt(removal: Removal, at: number, level: number, start: number, stays: boolean): number {
  const { inode, first, end } = removal;
  const number = inode.mem.u32[at >>> 2] as number;
  const behind = start + NUMBERS ** level;
  if (number === 0 || behind <= first || start >= end) return 0;
  const whole = start >= first && behind <= end;
  const result =
    level === 0 ? freeData(removal, number, start) : removeBelow(removal, number, level, start, whole);
  if (result === 0 && whole && stays) inode.mem.u32[at >>> 2] = 0;
  return result;
}

/** The same for all numbers in a block; `whole` when it goes itself. */
function removeBelow(removal: Removal, number: number, level: number, start: number, whole: boolean): number {
  const { handle, inode } = removal;
  const node = getNumbers(inode, number);
  if (typeof node === "number") return node;
  const covers = NUMBERS ** (level - 1);
  let result = whole ? 0 : getWriteAccess(handle, node);
  for (let index = NUMBERS - 1; index >= 0 && result === 0; index--)
    result = removeAt(removal, bufferData(node) + 4 * index, level - 1, start + index * covers, !whole);
  if (result === 0 && !whole) result = dirtyMetadata(handle, node);
  releaseBuffer(node);
  if (result < 0 || !whole) return result;
  forget(handle, number);
  const freed = freeRun(removal) || freeBlocks(handle, superBlock(inode.mem), number, 1);
  if (freed === 0) addBlocks(inode, -1);
  return freed;
}

function freeData(removal: Removal, number: number, block: number): number {
  const { handle, inode } = removal;
  const wrong = wrongNumber(inode, number);
  if (wrong < 0) return wrong;
  // The blocks of directories and symlinks are metadata, and have buffers.
  if (!isFile(inode)) forget(handle, number);
  const freed = removal.count > 0 && number + 1 === removal.media ? 0 : freeRun(removal);
  note(inode.mem, Note.free, inode.number, block, number);
  removal.media = number;
  removal.count += 1;
  return freed;
}

function freeRun(removal: Removal): number {
  const { handle, inode, media, count } = removal;
  if (count === 0) return 0;
  const freed = freeBlocks(handle, superBlock(inode.mem), media, count);
  if (freed === 0) addBlocks(inode, -count);
  removal.count = 0;
  return freed;
}
