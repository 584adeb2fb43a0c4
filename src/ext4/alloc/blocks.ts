// The block allocator: a first fit that starts at a goal, over the groups' bitmaps.
//
// A freed block may be handed out again when the transaction that freed it is durable, without a journal at once
// (journal/held.ts).  It keeps its bytes: what its last owner wrote is what the next one must never show.
//
// Lock: sb.allocMutex, taken here; inside inode.dataSem and a handle.   kernel: ext4_mb_new_blocks

import { Errno } from "../../machine/errors.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import type { Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { blocksOf, firstBlockOf, getGroup, overlapsMetadata, rawGroup, releaseGroup } from "../group.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import { heldCount, holdBlocks, nextHeld, nextNotHeld } from "../journal/held.ts";
import type { Handle } from "../journal/state.ts";
import { GROUP_BLOCK_UNINIT } from "../media/group.ts";
import type { SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { allBits, nextBit, setBits } from "./bits.ts";
import { loadGroup, markUsed } from "./free-map.ts";
import { lowerTo, lowestBit, releasesOf, rememberLowest } from "./lowest.ts";
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
  mutexLock(sb.allocMutex);
  const place = goal >= sb.firstDataBlock && goal < sb.blockCount ? goal : sb.firstDataBlock;
  let result: Run | number = -Errno.ENOSPC;
  if (mustNotFail || sb.freeBlocks > sb.keptBlocks)
    result = sb.mballoc === 0 ? fromGoal(handle, sb, place, count) : nearGoal(handle, sb, place, count);
  mutexUnlock(sb.allocMutex);
  return result;
}

function fromGoal(handle: Handle, sb: SuperBlock, goal: number, count: number): Run | number {
  const found = search(sb, goal, count);
  return typeof found === "number" ? found : take(handle, sb, found);
}

/** In the goal's group, if it has such a run. */
function nearGoal(handle: Handle, sb: SuperBlock, goal: number, count: number): Run | number {
  const found = findSpace(sb, { count, group: groupOf(sb, goal), first: 0, data: false });
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

const groupOf = (sb: SuperBlock, block: number): number =>
  Math.floor((block - sb.firstDataBlock) / sb.blocksPerGroup);

function search(sb: SuperBlock, goal: number, count: number): Run | number {
  const home = groupOf(sb, goal);
  const goalBit = goal - firstBlockOf(sb, home);
  let best: Run | undefined;
  // The goal's group comes twice: from the goal on, and at the end up to it.
  for (let turn = 0; turn <= sb.groupCount; turn++) {
    const group = (home + turn) % sb.groupCount;
    const from = turn === 0 ? goalBit : 0;
    const to = turn === sb.groupCount ? goalBit : blocksOf(sb, group);
    const run = searchGroup(sb, group, from, to, count, turn === 0 ? goalBit : -1);
    if (typeof run === "number") return run;
    if (run !== undefined && (best === undefined || run.count > best.count)) best = run;
    if (best !== undefined && (best.count >= count || best.start === goal)) return best;
  }
  return best ?? -Errno.ENOSPC;
}

/** A run in a group, between bit `from` and bit `to`; one that starts at the goal wins (-1: there is none). */
function searchGroup(
  sb: SuperBlock,
  group: number,
  from: number,
  to: number,
  count: number,
  goal: number,
): Run | number | undefined {
  const descriptors = getGroup(sb, group);
  if (typeof descriptors === "number") return descriptors;
  const raw = rawGroup(sb, descriptors, group);
  const bitmap = raw.bg_free_blocks_count_lo === 0 ? undefined : getBlockBitmap(sb, group, raw);
  releaseGroup(descriptors);
  if (bitmap === undefined || typeof bitmap === "number") return bitmap;
  const first = firstBlockOf(sb, group);
  const lowest = firstFree(sb, group, bitmap);
  // Most of what is asked for is one block, and then the first free one is it.
  const run =
    count === 1 && lowest >= from && lowest < to
      ? { start: lowest, count }
      : longestRun(bitmap, first, goal, Math.max(from, lowest), to, count);
  if (run === undefined) return undefined;
  return { start: first + run.start, count: run.count };
}

/** The first bit of a group that is free, and not held. */
function firstFree(sb: SuperBlock, group: number, { mem, data }: Buffer): number {
  const releases = releasesOf(mem);
  const [first, end] = [firstBlockOf(sb, group), blocksOf(sb, group)];
  let bit = nextBit(mem, data, 0, lowestBit(mem, group), end);
  while (bit < end && nextHeld(mem, first + bit, first + bit + 1) === first + bit) {
    bit = nextBit(mem, data, 0, nextNotHeld(mem, first + bit, first + end) - first, end);
  }
  rememberLowest(mem, group, bit, releases);
  return bit;
}

/**
 * The first run of `count` free bits, or the longest; bit 0 is block `first`; one that starts at `goal` wins if it is
 * one.
 */
function longestRun(
  bitmap: Buffer,
  first: number,
  goal: number,
  from: number,
  to: number,
  count: number,
): Run | undefined {
  const { mem, data } = bitmap;
  const holds = heldCount(mem) > 0;
  let best: Run | undefined;
  for (let bit = from; bit < to;) {
    const start = nextBit(mem, data, 0, bit, to);
    if (holds && start < to && nextHeld(mem, first + start, first + start + 1) === first + start) {
      bit = nextNotHeld(mem, first + start, first + to) - first;
      continue;
    }
    if (start === to) break;
    let end = nextBit(mem, data, 1, start, Math.min(to, start + count));
    if (holds) end = nextHeld(mem, first + start, first + end) - first;
    if (best === undefined || end - start > best.count) best = { start, count: end - start };
    if (best.count >= count || start === goal) break;
    bit = end;
  }
  return best;
}

/** Marks a free run as used on media; it lies in one group. */
export function take(handle: Handle, sb: SuperBlock, run: Run): Run | number {
  // A bitmap may lie: the file system's own structures are nobody's data.
  if (overlapsMetadata(sb, run.start, run.count)) return damaged(sb.mem, "ownBlock", run.start);
  const group = groupOf(sb, run.start);
  const bit = run.start - firstBlockOf(sb, group);
  const result = mark(handle, sb, group, bit, bit + run.count, 1);
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
  mutexLock(sb.allocMutex);
  const result = free(handle, sb, start, count);
  mutexUnlock(sb.allocMutex);
  return result;
}

function free(handle: Handle, sb: SuperBlock, start: number, count: number): number {
  if (overlapsMetadata(sb, start, count)) return damaged(sb.mem, "ownBlock", start);
  for (let block = start; block < start + count;) {
    const group = groupOf(sb, block);
    const first = firstBlockOf(sb, group);
    const end = Math.min(start + count, first + blocksOf(sb, group));
    const result =
      (sb.mballoc === 0 ? 0 : loadGroup(sb, group)) || mark(handle, sb, group, block - first, end - first, 0);
    if (result < 0) return result;
    block = end;
  }
  return 0;
}

/** Gives bits of one group the value 1 (used) or 0, which none of them has yet, and counts them. */
function mark(handle: Handle, sb: SuperBlock, group: number, from: number, to: number, value: 0 | 1): number {
  const descriptors = getGroup(sb, group);
  if (typeof descriptors === "number") return descriptors;
  const result = markIn(handle, sb, group, descriptors, from, to, value);
  releaseGroup(descriptors);
  return result;
}

function markIn(
  handle: Handle,
  sb: SuperBlock,
  group: number,
  descriptors: Buffer,
  from: number,
  to: number,
  value: 0 | 1,
): number {
  const raw = rawGroup(sb, descriptors, group);
  const bitmap = getBlockBitmap(sb, group, raw);
  if (typeof bitmap === "number") return bitmap;
  const freed = value === 0 ? to - from : from - to;
  const left = raw.bg_free_blocks_count_lo + freed;
  const wrong =
    left < 0 || left > blocksOf(sb, group) || !allBits(sb.mem, bitmap.data, value === 1 ? 0 : 1, from, to);
  if (!wrong) {
    getWriteAccess(handle, bitmap);
    setBits(sb.mem, bitmap.data, value, from, to);
    dirtyMetadata(handle, bitmap);
    getWriteAccess(handle, descriptors);
    raw.bg_free_blocks_count_lo = left;
    raw.bg_flags &= ~GROUP_BLOCK_UNINIT;
    dirtyMetadata(handle, descriptors);
    // What is held is no lower free bit: a search would pass it, and all that is held behind it, again.
    const reusable = value === 0 && !holdBlocks(sb, firstBlockOf(sb, group) + from, to - from);
    if (reusable) lowerTo(sb.mem, group, from);
    sb.freeBlocks += freed;
    sb.countsChanged = 1;
  }
  return wrong ? damaged(sb.mem, "freeBlocks", group) : 0;
}
