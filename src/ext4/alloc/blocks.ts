// The block allocator: a first fit that starts at a goal, over the groups' bitmaps.
//
// A freed block may be handed out again when the transaction that freed it is durable, without a journal at once
// (journal/held.ts).  It keeps its bytes: what its last owner wrote is what the next one must never show.
//
// A group is searched and marked under its lock alone.  The first fit goes from group to group and has one of them open
// at a time.  What it takes it has found since it opened the group; what it has seen of the others is a guess by then.
//
// With the mount option mballoc, sb.allocMutex is held around all of it: the map of free blocks (free-map.ts) is one for
// all groups, and what it calls free nobody else marks meanwhile.
//
// Lock: those two, taken here; inside inode.dataSem and a handle.   kernel: ext4_mb_new_blocks

import { Errno } from "../../machine/errors.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import type { Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { blocksOf, groupAt, overlapsMetadata } from "../group.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import { heldCount, holdBlocks, nextHeld, nextNotHeld } from "../journal/held.ts";
import type { Handle } from "../journal/state.ts";
import { GROUP_BLOCK_UNINIT } from "../media/group.ts";
import type { SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { allBits, nextBit, setBits } from "./bits.ts";
import { loadGroup, markUsed } from "./free-map.ts";
import { guessOf, lowerTo, lowestBit, releasesOf, rememberLowest } from "./lowest.ts";
import { addFreeBlocks, closeGroup, freeBlockCount, openGroup, type OpenGroup } from "./open-group.ts";
import { discardAll } from "./preallocation.ts";
import { findRun, type Wish } from "./search.ts";

/** Consecutive media blocks. */
export interface Run {
  readonly start: number;
  readonly count: number;
}

/** Credits of one `allocateBlocks`: a bitmap and its group's descriptor. */
export const ALLOCATE_CREDITS = 2;

/** Of so many blocks, how many are kept for what must not fail.  kernel: ext4_calculate_resv_clusters */
export const keptOf = (blocks: number): number => Math.min(4096, Math.floor(blocks / 50));

/** Credits of one `freeBlocks` of so many blocks. */
export function freeCredits(sb: SuperBlock, count: number): number {
  return 2 * (1 + Math.ceil(count / sb.blocksPerGroup));
}

/**
 * Allocates between one and `count` consecutive blocks: at the goal if that is free, else the first run of
 * `count` blocks behind it, else the longest there is.  -ENOSPC when no block is free, or those that are, are kept
 * for what must not fail.
 */
export function allocateBlocks(
  handle: Handle,
  sb: SuperBlock,
  goal: number,
  count: number,
  mustNotFail = false,
): Run | number {
  const place = goal >= sb.firstDataBlock && goal < sb.blockCount ? goal : sb.firstDataBlock;
  if (sb.mballoc === 0) return fromGoal({ handle, sb, goal: place, count });
  mutexLock(sb.allocMutex);
  // Blocks are kept with this option only, and with the mutex held their number is no guess.
  const result =
    mustNotFail || freeBlockCount(sb) > sb.keptBlocks ? nearGoal(handle, sb, place, count) : -Errno.ENOSPC;
  mutexUnlock(sb.allocMutex);
  return result;
}

/** What a first fit looks for. */
interface Request {
  readonly handle: Handle;
  readonly sb: SuperBlock;
  readonly goal: number;
  readonly count: number;
}

function fromGoal(request: Request): Run | number {
  const { sb, count } = request;
  for (;;) {
    let longest = 0;
    let where = 0;
    // The goal's group comes twice: from the goal on, and at the end up to it.
    for (let turn = 0; turn <= sb.groupCount; turn++) {
      const found = takeInTurn(request, turn, count);
      if (typeof found !== "number" || found < 0) return found;
      if (found > longest) [longest, where] = [found, turn];
    }
    if (longest === 0) return -Errno.ENOSPC;
    // There is less everywhere.  Where most was, others may have been since: what is there now will do, and if nothing
    // is left they have it, and all starts again.
    const found = takeInTurn(request, where, 1);
    if (found !== 0) return found;
  }
}

/**
 * Looks at the group whose turn it is, and takes the first run of what is wished or the longest, if it is as long as
 * `least` or starts at the goal.  Returns what it took; else how long the longest is, or an error.
 */
function takeInTurn({ handle, sb, goal, count }: Request, turn: number, least: number): Run | number {
  const home = groupAt(sb, goal);
  const group = openGroup(sb, (home + turn) % sb.groupCount);
  if (typeof group === "number") return group;
  const from = turn === 0 ? goal - group.first : 0;
  const to = turn === sb.groupCount ? goal - group.first : blocksOf(sb, group.number);
  const found = firstFit(group, from, to, count, turn === 0 ? from : -1);
  let result: Run | number = found;
  if (typeof found !== "number")
    result = found.count >= least || found.start === goal ? takeOpen(handle, group, found) : found.count;
  closeGroup(group);
  return result;
}

/** In the goal's group, if it has such a run. */
function nearGoal(handle: Handle, sb: SuperBlock, goal: number, count: number): Run | number {
  const found = findSpace(sb, { count, group: groupAt(sb, goal), first: 0, data: false });
  return typeof found === "number" ? found : takeFound(handle, sb, found);
}

/** Finds a run; where there is none, once more without what is set aside.  kernel: ext4_mb_discard_preallocations */
export function findSpace(sb: SuperBlock, wish: Wish): Run | number {
  const found = findRun(sb, wish);
  return found === -Errno.ENOSPC && discardAll(sb) > 0 ? findRun(sb, wish) : found;
}

/** Marks a run that `findSpace` gave as used, on media and in the map.  It lies in one group. */
export function takeFound(handle: Handle, sb: SuperBlock, run: Run): Run | number {
  const result = take(handle, sb, run);
  if (typeof result !== "number") markUsed(sb, run.start, run.count);
  return result;
}

/** A run between two bits of a group, 0 if there is none; one that starts at the bit `goal` wins (-1: there is no goal). */
function firstFit(group: OpenGroup, from: number, to: number, count: number, goal: number): Run | number {
  if (group.raw.bg_free_blocks_count_lo === 0) return 0;
  const bitmap = getBlockBitmap(group);
  if (typeof bitmap === "number") return bitmap;
  const lowest = firstFree(group, bitmap);
  // Most of what is asked for is one block, and then the first free one is it.
  if (count === 1 && lowest >= from && lowest < to) return { start: group.first + lowest, count };
  return longestRun(bitmap, group.first, goal, Math.max(from, lowest), to, count);
}

/** The first bit of a group that is free, and not held. */
function firstFree({ sb, number, first }: OpenGroup, { mem, data }: Buffer): number {
  const guess = guessOf(mem, number);
  const releases = releasesOf(mem);
  const end = blocksOf(sb, number);
  let bit = nextBit(mem, data, 0, lowestBit(guess, number), end);
  while (bit < end && nextHeld(mem, first + bit, first + bit + 1) === first + bit) {
    bit = nextBit(mem, data, 0, nextNotHeld(mem, first + bit, first + end) - first, end);
  }
  rememberLowest(guess, number, bit, releases);
  return bit;
}

/**
 * The first run of `count` free bits, or the longest, or 0; bit 0 is block `first`; one that starts at `goal` wins if
 * it is one.
 */
function longestRun(
  bitmap: Buffer,
  first: number,
  goal: number,
  from: number,
  to: number,
  count: number,
): Run | number {
  const { mem, data } = bitmap;
  const holds = heldCount(mem) > 0;
  let [longest, place] = [0, 0];
  for (let bit = from; bit < to;) {
    const start = nextBit(mem, data, 0, bit, to);
    if (holds && start < to && nextHeld(mem, first + start, first + start + 1) === first + start) {
      bit = nextNotHeld(mem, first + start, first + to) - first;
      continue;
    }
    if (start === to) break;
    let end = nextBit(mem, data, 1, start, Math.min(to, start + count));
    if (holds) end = nextHeld(mem, first + start, first + end) - first;
    if (end - start > longest) [longest, place] = [end - start, start];
    if (longest >= count || start === goal) break;
    bit = end;
  }
  return longest === 0 ? 0 : { start: first + place, count: longest };
}

/** Marks a free run as used on media; it lies in one group. */
export function take(handle: Handle, sb: SuperBlock, run: Run): Run | number {
  const group = openGroup(sb, groupAt(sb, run.start));
  if (typeof group === "number") return group;
  const result = takeOpen(handle, group, run);
  closeGroup(group);
  return result;
}

function takeOpen(handle: Handle, group: OpenGroup, run: Run): Run | number {
  // A bitmap may lie: the file system's own structures are nobody's data.
  if (overlapsMetadata(group.sb, run.start, run.count)) return damaged(group.sb.mem, "ownBlock", run.start);
  const result = mark(handle, group, run.start, run.count, 1);
  return result < 0 ? result : run;
}

/**
 * Frees blocks.  -EUCLEAN when one of them is out of range, part of the file system's own structures, or
 * free already: then nothing of its group is freed.
 */
export function freeBlocks(handle: Handle, sb: SuperBlock, start: number, count: number): number {
  if (!(start >= sb.firstDataBlock && count > 0 && start + count <= sb.blockCount)) {
    return damaged(sb.mem, "dataRange", start, count);
  }
  if (overlapsMetadata(sb, start, count)) return damaged(sb.mem, "ownBlock", start);
  if (sb.mballoc === 0) return free(handle, sb, start, count);
  mutexLock(sb.allocMutex);
  const result = free(handle, sb, start, count);
  mutexUnlock(sb.allocMutex);
  return result;
}

function free(handle: Handle, sb: SuperBlock, start: number, count: number): number {
  const end = start + count;
  for (let block = start; block < end;) {
    const number = groupAt(sb, block);
    const loaded = sb.mballoc === 0 ? 0 : loadGroup(sb, number);
    const group = loaded < 0 ? loaded : openGroup(sb, number);
    if (typeof group === "number") return group;
    const next = Math.min(end, group.first + blocksOf(sb, number));
    const result = mark(handle, group, block, next - block, 0);
    closeGroup(group);
    if (result < 0) return result;
    block = next;
  }
  return 0;
}

/** Gives the bits of a run in an open group the value 1 (used) or 0, which none of them has yet, and counts them. */
function mark(handle: Handle, group: OpenGroup, start: number, count: number, value: 0 | 1): number {
  const { sb, number, first, descriptors, raw } = group;
  const bitmap = getBlockBitmap(group);
  if (typeof bitmap === "number") return bitmap;
  const from = start - first;
  const freed = value === 0 ? count : -count;
  const left = raw.bg_free_blocks_count_lo + freed;
  const wrong =
    left < 0 ||
    left > blocksOf(sb, number) ||
    !allBits(sb.mem, bitmap.data, value === 1 ? 0 : 1, from, from + count);
  if (wrong) return damaged(sb.mem, "freeBlocks", number);
  getWriteAccess(handle, bitmap);
  setBits(sb.mem, bitmap.data, value, from, from + count);
  dirtyMetadata(handle, bitmap);
  getWriteAccess(handle, descriptors);
  raw.bg_free_blocks_count_lo = left;
  raw.bg_flags &= ~GROUP_BLOCK_UNINIT;
  dirtyMetadata(handle, descriptors);
  // What is held is no lower free bit: a search would pass it, and all that is held behind it, again.
  const reusable = value === 0 && !holdBlocks(sb, start, count);
  if (reusable) lowerTo(guessOf(sb.mem, number), number, from);
  addFreeBlocks(group, freed);
  return 0;
}
