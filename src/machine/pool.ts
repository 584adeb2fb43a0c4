// Pools: slots that tasks claim and give back, and the pool of 4 KiB pages over the `pages` area.
//
// A slot is a bit, set while it is taken.  The lowest free one is claimed, by compare-exchange, so there is
// no lock here and no lock order; and which slots are taken depends on who holds one, not on the order
// in which they came: equal states stay equal words.
//
// No steps: which free slot a task gets decides nothing that a program can tell.

import { bug } from "./errors.ts";
import { allocate, header, Root, rootView, setRoot } from "./layout.ts";
import { PAGE_SHIFT, PAGE_SIZE, type Memory } from "./memory.ts";
import { storeFill } from "./pmem.ts";
import { embed, struct, u32, type ViewOf } from "./struct.ts";

const SlotBits = struct("slot_bits", { low: u32, high: u32 });
const BITS = 64;

/** A set of slots; the struct lies in the slab, and its bits beside it. */
export const Slots = struct("slots", { bitsAt: u32, words: u32 });
export type Slots = ViewOf<typeof Slots>;

/** Makes `count` free slots.  At boot. */
export function initSlots(slots: Slots, count: number): void {
  const { mem } = slots;
  const groups = Math.ceil(count / BITS);
  slots.bitsAt = allocate(mem, SlotBits, groups);
  slots.words = groups * 2;
  for (let slot = count; slot < groups * BITS; slot++) {
    mem.i32[(slots.bitsAt >>> 2) + (slot >>> 5)]! |= 1 << (slot & 31);
  }
}

/** Takes the lowest free slot: its number, or -1 when all are taken. */
export function claimSlot(slots: Slots): number {
  const { i32 } = slots.mem;
  const first = slots.bitsAt >>> 2;
  const end = first + slots.words;
  for (let index = first; index < end; index++) {
    for (;;) {
      const bits = i32[index] as number;
      if (bits === -1) break;
      const lowestFree = ~bits & (bits + 1);
      if (Atomics.compareExchange(i32, index, bits, bits | lowestFree) === bits) {
        return (index - first) * 32 + (31 - Math.clz32(lowestFree));
      }
    }
  }
  return -1;
}

/** Gives a slot back. */
export function releaseSlot(slots: Slots, slot: number): void {
  const mask = 1 << (slot & 31);
  const before = Atomics.and(slots.mem.i32, (slots.bitsAt >>> 2) + (slot >>> 5), ~mask);
  if ((before & mask) === 0) bug(`slot ${slot} was given back twice`);
}

const PagePool = struct("page_pool", { slots: embed(Slots), firstPage: u32, zeroPage: u32 });

/** Makes the pool of pages, and the page of zeros that all tasks share.  At boot. */
export function initPagePool(mem: Memory): void {
  setRoot(mem, Root.pagePool, allocate(mem, PagePool));
  const pool = poolOf(mem);
  const { pages } = header(mem);
  pool.firstPage = pages.start;
  initSlots(pool.slots, pages.length >>> PAGE_SHIFT);
  pool.zeroPage = allocatePage(mem);
  storeFill(mem, pool.zeroPage, 0, PAGE_SIZE);
}

function poolOf(mem: Memory): ViewOf<typeof PagePool> {
  return rootView(mem, Root.pagePool, PagePool);
}

/** Takes a page, with whatever bytes it held: its address, or 0 when none is left. */
export function allocatePage(mem: Memory): number {
  const pool = poolOf(mem);
  const slot = claimSlot(pool.slots);
  return slot === -1 ? 0 : pool.firstPage + slot * PAGE_SIZE;
}

/** Gives a page back.  Nobody may still use it. */
export function freePage(mem: Memory, at: number): void {
  const pool = poolOf(mem);
  releaseSlot(pool.slots, (at - pool.firstPage) >>> PAGE_SHIFT);
}

/** The page of zeros.  Nobody writes it. */
export function zeroPage(mem: Memory): number {
  return poolOf(mem).zeroPage;
}
