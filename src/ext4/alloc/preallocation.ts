// Preallocations: runs of blocks that are set aside in the map of free blocks, for what probably comes next.
// Nothing on media knows of them, so a crash or an unmount gives them back by itself.
//
//   of an inode    goes with a range of the file: block `logical` + n has media block `media` + n.  What of it the
//                  file has taken, the bitmap on media says; `free` counts the rest
//   of the group   for small files, whichever they are: taken from the front
//
// Each list starts in its owner: inode.preallocations, sb.localityGroup.
//
// Lock: sb.allocMutex.   kernel: struct ext4_prealloc_space

import { allocate, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import { MAX_PREALLOCATIONS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { claimSlot, initSlots, releaseSlot, Slots } from "../../machine/pool.ts";
import { embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { releaseBuffer } from "../buffer.ts";
import { firstBlockOf, getGroup, rawGroup, releaseGroup } from "../group.ts";
import { Inode } from "../inode.ts";
import { superBlock, type SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { nextBit } from "./bits.ts";
import { markFree } from "./free-map.ts";

export const Preallocation = struct("preallocation", {
  next: u32, // of the same owner
  inodeAt: u32, // whose it is; 0: the group's
  logical: u32,
  media: u32,
  length: u32,
  free: u32,
});
export type Preallocation = ViewOf<typeof Preallocation>;

const Pool = struct("preallocations", { slots: embed(Slots), firstAt: u32 });

/** At boot. */
export function initPreallocations(mem: Memory): void {
  setRoot(mem, Root.preallocations, allocate(mem, Pool));
  const pool = poolOf(mem);
  initSlots(pool.slots, MAX_PREALLOCATIONS);
  pool.firstAt = allocate(mem, Preallocation, MAX_PREALLOCATIONS);
}

const poolOf = (mem: Memory): ViewOf<typeof Pool> => rootView(mem, Root.preallocations, Pool);

/** The preallocation at an address; undefined for the address 0, where lists end. */
export function preallocationAt(mem: Memory, at: number): Preallocation | undefined {
  return at === 0 ? undefined : viewAt(mem, Preallocation, at);
}

/** A new one, first in its owner's list; undefined when there is no place for more. */
export function addPreallocation(
  sb: SuperBlock,
  inode: Inode | undefined,
  { logical, media, length, free }: { logical: number; media: number; length: number; free: number },
): Preallocation | undefined {
  const { mem } = sb;
  const pool = poolOf(mem);
  const slot = claimSlot(pool.slots);
  if (slot < 0) return undefined;
  const made = viewAt(mem, Preallocation, pool.firstAt + slot * strideOf(Preallocation));
  made.inodeAt = inode === undefined ? 0 : inode.at;
  made.logical = logical;
  made.media = media;
  made.length = length;
  made.free = free;
  made.next = inode === undefined ? sb.localityGroup : inode.preallocations;
  setHead(sb, made.inodeAt, made.at);
  return made;
}

function headOf(sb: SuperBlock, inodeAt: number): number {
  return inodeAt === 0 ? sb.localityGroup : viewAt(sb.mem, Inode, inodeAt).preallocations;
}

function setHead(sb: SuperBlock, inodeAt: number, at: number): void {
  if (inodeAt === 0) sb.localityGroup = at;
  else viewAt(sb.mem, Inode, inodeAt).preallocations = at;
}

/** Takes one out of its list; nothing of it is left to be given back. */
export function dropPreallocation(sb: SuperBlock, gone: Preallocation): void {
  const { mem } = sb;
  const { inodeAt, next } = gone;
  let before: Preallocation | undefined;
  for (let at = headOf(sb, inodeAt); at !== gone.at;) {
    before = viewAt(mem, Preallocation, at);
    at = before.next;
  }
  if (before === undefined) setHead(sb, inodeAt, next);
  else before.next = next;
  const pool = poolOf(mem);
  mem.fill(gone.at, 0, Preallocation.size);
  releaseSlot(pool.slots, (gone.at - pool.firstAt) / strideOf(Preallocation));
}

/**
 * Gives back what an inode has set aside and not taken.  dataSem is held for writing, or nobody has the inode.
 * kernel: ext4_discard_preallocations
 */
export function discardPreallocations(inode: Inode): void {
  // Only who holds dataSem adds one.
  if (inode.preallocations === 0) return;
  const sb = superBlock(inode.mem);
  mutexLock(sb.allocMutex);
  discardList(sb, inode.at);
  mutexUnlock(sb.allocMutex);
}

/** Gives back everything that is set aside: how many blocks.  kernel: ext4_mb_discard_preallocations */
export function discardAll(sb: SuperBlock): number {
  const { mem } = sb;
  const { firstAt } = poolOf(mem);
  let freed = discardList(sb, 0);
  for (let slot = 0; slot < MAX_PREALLOCATIONS; slot++) {
    const { inodeAt } = viewAt(mem, Preallocation, firstAt + slot * strideOf(Preallocation));
    if (inodeAt !== 0) freed += discardList(sb, inodeAt);
  }
  return freed;
}

function discardList(sb: SuperBlock, inodeAt: number): number {
  let freed = 0;
  for (let at = headOf(sb, inodeAt); at !== 0; at = headOf(sb, inodeAt)) {
    freed += discard(sb, viewAt(sb.mem, Preallocation, at));
  }
  return freed;
}

/** Gives back one: how many blocks. */
export function discard(sb: SuperBlock, gone: Preallocation): number {
  const { free } = gone;
  if (gone.inodeAt === 0) markFree(sb, gone.media, gone.length);
  else freeUntaken(sb, gone);
  dropPreallocation(sb, gone);
  return free;
}

/** kernel: ext4_mb_release_inode_pa */
function freeUntaken(sb: SuperBlock, { media, length }: Preallocation): void {
  const group = Math.floor((media - sb.firstDataBlock) / sb.blocksPerGroup);
  const descriptors = getGroup(sb, group);
  if (typeof descriptors === "number") return;
  const bitmap = getBlockBitmap(sb, group, rawGroup(sb, descriptors, group));
  releaseGroup(descriptors);
  if (typeof bitmap === "number") return;
  const first = firstBlockOf(sb, group);
  const end = media + length - first;
  for (let bit = media - first; bit < end;) {
    const from = nextBit(sb.mem, bitmap.data, 0, bit, end);
    bit = nextBit(sb.mem, bitmap.data, 1, from, end);
    markFree(sb, first + from, bit - from);
  }
  releaseBuffer(bitmap);
}
