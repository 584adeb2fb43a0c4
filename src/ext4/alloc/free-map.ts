// What may be handed out.  The bitmaps on media say what is in use as of the running transaction; the map in
// memory says less is free: it counts as used what is preallocated, and what was freed by a transaction that is
// not durable yet (journal/held.ts).
//
// One map for all groups; a group is copied from its bitmap when it is first asked for after mount.
//
// Lock: sb.allocMutex for all of it, and inside it a group's where its bitmap is read.   kernel: the buddy cache, ext4_mb_init_cache

import { allocate, header, Root, rootView, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { f64, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { blocksOf } from "../group.ts";
import { BLOCK_SIZE, type SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { nextBit, setBits } from "./bits.ts";
import { closeGroup, openGroup, type OpenGroup } from "./open-group.ts";

const FreeMap = struct("free_map", {
  usedAt: u32, // a bit a block: not to be handed out
  loadedAt: u32, // a bit a group
  loadedLength: u32, // bytes of that
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
  map.usedAt = allocate(mem, MapWord, Math.ceil(bits / 64));
  map.loadedLength = bits / 64;
  map.loadedAt = allocate(mem, MapWord, Math.ceil(bits / 8 / 64));
}

function freeMap(mem: Memory): FreeMap {
  return rootView(mem, Root.freeMap, FreeMap);
}

/** At mount: no group is known. */
export function clearFreeMap({ mem }: SuperBlock): void {
  const { loadedAt, loadedLength } = freeMap(mem);
  mem.fill(loadedAt, 0, loadedLength);
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
  if (isLoaded(sb, group)) return 0;
  const open = openGroup(sb, group);
  if (typeof open === "number") return open;
  const result = copyBitmap(open);
  closeGroup(open);
  return result;
}

function copyBitmap(group: OpenGroup): number {
  const { sb, number } = group;
  const { mem, blocksPerGroup } = sb;
  const { loadedAt, usedAt } = freeMap(mem);
  const bitmap = getBlockBitmap(group);
  if (typeof bitmap === "number") return bitmap;
  const first = number * blocksPerGroup;
  mem.copy(usedAt + first / 8, bitmap.data, blocksPerGroup / 8);
  setBits(mem, usedAt, 1, first + blocksOf(sb, number), first + blocksPerGroup);
  setBits(mem, loadedAt, 1, number, number + 1);
  return 0;
}

/** Blocks are handed out or set aside.  Their group is loaded. */
export function markUsed(sb: SuperBlock, start: number, count: number): void {
  const from = start - sb.firstDataBlock;
  setBits(sb.mem, freeMap(sb.mem).usedAt, 1, from, from + count);
}

/** Blocks may be handed out: set aside and not taken, or freed for good.  Their group is loaded. */
export function markFree(sb: SuperBlock, start: number, count: number): void {
  const from = start - sb.firstDataBlock;
  setBits(sb.mem, freeMap(sb.mem).usedAt, 0, from, from + count);
}
