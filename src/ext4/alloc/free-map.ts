// What may be handed out.  The bitmaps on media say what is in use as of the running transaction; the map in
// memory says less is free: it counts as used what is preallocated, and what was freed since the last commit.
// A block that is freed now must keep its bytes until the free is durable, or a crash would give them back to
// the old owner with somebody else's data in them.
//
// One map for all groups; a group is copied from its bitmap when it is first asked for after mount.
//
// Lock: sb.allocMutex for all of it.   kernel: the buddy cache, ext4_mb_init_cache, ext4_free_data

import { allocate, header, Root, rootView, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { f64, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { releaseBuffer } from "../buffer.ts";
import { blocksOf, getGroup, rawGroup, releaseGroup } from "../group.ts";
import { BLOCK_SIZE, type SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { nextBit, setBits } from "./bits.ts";

const FreeMap = struct("free_map", {
  usedAt: u32, // a bit a block: not to be handed out
  freedAt: u32, // a bit a block: freed, and the transaction has not committed
  loadedAt: u32, // a bit a group
  length: u32, // bytes of the first two
  freed: u32, // blocks in the second
});
type FreeMap = ViewOf<typeof FreeMap>;

/** 64 bits of a map. */
const MapWord = struct("free_map_word", { bits: f64 });

/** At boot. */
export function initFreeMap(mem: Memory): void {
  setRoot(mem, Root.freeMap, allocate(mem, FreeMap));
  const map = freeMap(mem);
  // The last group's bitmap reaches behind the last block.
  const bits = header(mem).media.length / BLOCK_SIZE + BLOCK_SIZE * 8;
  map.length = bits / 8;
  map.usedAt = allocate(mem, MapWord, Math.ceil(bits / 64));
  map.freedAt = allocate(mem, MapWord, Math.ceil(bits / 64));
  map.loadedAt = allocate(mem, MapWord, Math.ceil(bits / 8 / 64));
}

function freeMap(mem: Memory): FreeMap {
  return rootView(mem, Root.freeMap, FreeMap);
}

/** At mount: no group is known. */
export function clearFreeMap({ mem }: SuperBlock): void {
  const { loadedAt, freedAt, length } = freeMap(mem);
  mem.fill(loadedAt, 0, Math.ceil(length / 8));
  mem.fill(freedAt, 0, length);
  freeMap(mem).freed = 0;
}

/** Where the map of used blocks lies; a block's bit is its distance from the first data block. */
export function usedMap(mem: Memory): number {
  return freeMap(mem).usedAt;
}

/** Whether the map knows a group. */
export function isLoaded({ mem }: SuperBlock, group: number): boolean {
  return nextBit(mem, freeMap(mem).loadedAt, 1, group, group + 1) === group;
}

/** Sees to it that the map knows a group.  Returns 0, or the error of a bitmap that cannot be read. */
export function loadGroup(sb: SuperBlock, group: number): number {
  const { mem } = sb;
  const { loadedAt, usedAt } = freeMap(mem);
  if (isLoaded(sb, group)) return 0;
  const descriptors = getGroup(sb, group);
  if (typeof descriptors === "number") return descriptors;
  const bitmap = getBlockBitmap(sb, group, rawGroup(sb, descriptors, group));
  releaseGroup(descriptors);
  if (typeof bitmap === "number") return bitmap;
  const first = group * sb.blocksPerGroup;
  mem.copy(usedAt + first / 8, bitmap.data, sb.blocksPerGroup / 8);
  releaseBuffer(bitmap);
  setBits(mem, usedAt, 1, first + blocksOf(sb, group), first + sb.blocksPerGroup);
  setBits(mem, loadedAt, 1, group, group + 1);
  return 0;
}

/** Blocks are handed out or set aside.  Their group is loaded. */
export function markUsed(sb: SuperBlock, start: number, count: number): void {
  const from = start - sb.firstDataBlock;
  setBits(sb.mem, freeMap(sb.mem).usedAt, 1, from, from + count);
}

/** Blocks that were set aside and that nobody took may be handed out. */
export function markFree(sb: SuperBlock, start: number, count: number): void {
  const from = start - sb.firstDataBlock;
  setBits(sb.mem, freeMap(sb.mem).usedAt, 0, from, from + count);
}

/** Blocks were freed: they wait for the commit.  Their group is loaded. */
export function markFreed(sb: SuperBlock, start: number, count: number): void {
  const map = freeMap(sb.mem);
  const from = start - sb.firstDataBlock;
  setBits(sb.mem, map.freedAt, 1, from, from + count);
  map.freed += count;
}

/**
 * Whether a handle that takes so many blocks should have a commit before it: what was freed is waiting for one,
 * and little else is left.  A guess: it is made without the lock.  kernel: ext4_should_retry_alloc
 */
export function needsCommit(sb: SuperBlock, count: number): boolean {
  const { freed } = freeMap(sb.mem);
  return freed > 0 && sb.freeBlocks - freed <= count;
}

/** What was freed may be handed out.  The commit calls it, when no handle is running.  kernel: ext4_process_freed_data */
export function releaseFreed(sb: SuperBlock): void {
  const { mem } = sb;
  const map = freeMap(mem);
  if (map.freed === 0) return;
  mutexLock(sb.allocMutex);
  const end = sb.blockCount - sb.firstDataBlock;
  for (let bit = 0; map.freed > 0;) {
    const from = nextBit(mem, map.freedAt, 1, bit, end);
    bit = nextBit(mem, map.freedAt, 0, from, end);
    setBits(mem, map.usedAt, 0, from, bit);
    setBits(mem, map.freedAt, 0, from, bit);
    map.freed -= bit - from;
  }
  mutexUnlock(sb.allocMutex);
}
