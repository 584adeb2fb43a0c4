// Preallocations: runs of blocks that are set aside in the map of free blocks, for what probably comes next.
// Nothing on media knows of them, so a crash or an unmount gives them back by itself.
//
//   of an inode    goes with a range of the file: block `logical` + n has media block `media` + n.  What of it the
//                  file has taken, the bitmap on media says; `free` counts the rest
//   of a group     for small files, whichever they are: taken from the front.  Each task, being a processor, has
//                  a group of its own, so that tasks do not mix their files
//
// Each list starts in its owner: inode.preallocations, the pool's groups.
//
// Lock: sb.allocMutex, and inside it a group's where its bitmap is read.   kernel: struct ext4_prealloc_space

import { currentTask } from "../../machine/cpu.ts";
import { allocate, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import { MAX_PREALLOCATIONS, TASK_SLOTS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { claimSlot, initSlots, releaseSlot, Slots } from "../../machine/pool.ts";
import { bytes, embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { groupAt } from "../group.ts";
import { Inode } from "../inode.ts";
import { superBlock, type SuperBlock } from "../super.ts";
import { getBlockBitmap } from "./bitmaps.ts";
import { nextBit } from "./bits.ts";
import { markFree } from "./free-map.ts";
import { closeGroup, openGroup, type OpenGroup } from "./open-group.ts";

export const Preallocation = struct("preallocation", {
  next: u32, // of the same owner
  inodeAt: u32, // whose it is; 0: a group's
  task: u32, // whose group's
  logical: u32,
  media: u32,
  length: u32,
  free: u32,
});
export type Preallocation = ViewOf<typeof Preallocation>;

const PREALLOCATIONS = Inode.offset("preallocations");

const Pool = struct("preallocations", {
  slots: embed(Slots),
  firstAt: u32,
  groups: bytes(4 * TASK_SLOTS, 4), // a word a task: the first of its group
});

/** At boot. */
export function initPreallocations(mem: Memory): void {
  setRoot(mem, Root.preallocations, allocate(mem, Pool));
  const pool = poolOf(mem);
  initSlots(pool.slots, MAX_PREALLOCATIONS);
  pool.firstAt = allocate(mem, Preallocation, MAX_PREALLOCATIONS);
}

/** At mount: nothing is set aside on the file system that comes. */
export function clearPreallocations({ mem }: SuperBlock): void {
  const pool = poolOf(mem);
  mem.fill(pool.groups, 0, 4 * TASK_SLOTS);
  for (let slot = 0; slot < MAX_PREALLOCATIONS; slot++) {
    const each = viewAt(mem, Preallocation, pool.firstAt + slot * strideOf(Preallocation));
    if (each.length > 0) forgetSlot(pool, each);
  }
}

/** One that is on no list any more. */
function forgetSlot(pool: ViewOf<typeof Pool>, gone: Preallocation): void {
  const slot = (gone.at - pool.firstAt) / strideOf(Preallocation);
  gone.mem.fill(gone.at, 0, Preallocation.size);
  releaseSlot(pool.slots, slot);
}

const poolOf = (mem: Memory): ViewOf<typeof Pool> => rootView(mem, Root.preallocations, Pool);

/** The preallocation at an address; undefined for the address 0, where lists end. */
export function preallocationAt(mem: Memory, at: number): Preallocation | undefined {
  return at === 0 ? undefined : viewAt(mem, Preallocation, at);
}

/** The first preallocation of the group that this task has: where small files get blocks. */
export function firstOfGroup(mem: Memory): Preallocation | undefined {
  return preallocationAt(mem, mem.u32[headPlace(mem, 0, currentTask())] as number);
}

/** Which word says where the list of an inode or, if `inodeAt` is 0, of a task's group starts. */
function headPlace(mem: Memory, inodeAt: number, task: number): number {
  return inodeAt === 0 ? (poolOf(mem).groups >>> 2) + task : (inodeAt + PREALLOCATIONS) >>> 2;
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
  made.task = inode === undefined ? currentTask() : 0;
  made.logical = logical;
  made.media = media;
  made.length = length;
  made.free = free;
  const head = headPlace(mem, made.inodeAt, made.task);
  made.next = mem.u32[head] as number;
  mem.u32[head] = made.at;
  return made;
}

/** Takes one out of its list; nothing of it is left to be given back. */
export function dropPreallocation(sb: SuperBlock, gone: Preallocation): void {
  const { mem } = sb;
  const head = headPlace(mem, gone.inodeAt, gone.task);
  let before: Preallocation | undefined;
  for (let at = mem.u32[head] as number; at !== gone.at;) {
    before = viewAt(mem, Preallocation, at);
    at = before.next;
  }
  if (before === undefined) mem.u32[head] = gone.next;
  else before.next = gone.next;
  forgetSlot(poolOf(mem), gone);
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
  discardList(sb, headPlace(inode.mem, inode.at, 0));
  mutexUnlock(sb.allocMutex);
}

/** Gives back everything that is set aside: how many blocks.  kernel: ext4_mb_discard_preallocations */
export function discardAll(sb: SuperBlock): number {
  const { mem } = sb;
  const { firstAt } = poolOf(mem);
  let freed = 0;
  for (let slot = 0; slot < MAX_PREALLOCATIONS; slot++) {
    const each = viewAt(mem, Preallocation, firstAt + slot * strideOf(Preallocation));
    if (each.length > 0) freed += discard(sb, each);
  }
  return freed;
}

function discardList(sb: SuperBlock, head: number): void {
  for (;;) {
    const first = preallocationAt(sb.mem, sb.mem.u32[head] as number);
    if (first === undefined) return;
    discard(sb, first);
  }
}

/** Gives back one: how many blocks. */
export function discard(sb: SuperBlock, gone: Preallocation): number {
  const { free } = gone;
  if (gone.inodeAt === 0) markFree(sb, gone.media, gone.length);
  else {
    const group = openGroup(sb, groupAt(sb, gone.media));
    if (typeof group !== "number") {
      freeUntaken(group, gone);
      closeGroup(group);
    }
  }
  dropPreallocation(sb, gone);
  return free;
}

/** kernel: ext4_mb_release_inode_pa */
function freeUntaken(group: OpenGroup, { media, length }: Preallocation): void {
  const { sb, first } = group;
  const bitmap = getBlockBitmap(group);
  if (typeof bitmap === "number") return;
  const end = media + length - first;
  for (let bit = media - first; bit < end;) {
    const from = nextBit(sb.mem, bitmap.data, 0, bit, end);
    bit = nextBit(sb.mem, bitmap.data, 1, from, end);
    markFree(sb, first + from, bit - from);
  }
}
