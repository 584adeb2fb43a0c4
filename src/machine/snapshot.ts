// Going back: a snapshot remembers the machine as it is, restore makes it so again, for the price of what
// changed in between.
//
//   the slab        copied whole both ways: it is small, and written field by field
//   all other pages copied when they are first touched after the snapshot; whoever writes to buffers,
//                   pages or media calls touch() first (pmem.ts, the buffer cache and the MMU do)
//
// A page's copy stays valid for the snapshot's life, so later runs that touch it again copy nothing.
// `lock` protects the list and the undo slots.  A page's byte in the map of touched pages is set last, when
// its copy is whole: tasks that run free on other cores may rely on what they read there without the lock.

import { bug } from "./errors.ts";
import { allocateControl, header, isTracking, Root, rootView, setRoot } from "./layout.ts";
import { PAGE_SHIFT, PAGE_SIZE, type Memory } from "./memory.ts";
import { quiet, struct, u32, type ViewOf } from "./struct.ts";

const SnapshotState = struct("snapshot", {
  lock: quiet, // 1 while a task adds a page; no task stops in there, so waiting is spinning
  touchedAt: u32, // a byte a page: touched since the last restore
  slotsAt: u32, // a word a page: which undo slot holds its copy, plus one
  listAt: u32, // pages touched since the last restore, in order
  count: u32, // how many
  slots: u32, // undo slots in use
  maxSlots: u32,
  slabCopy: u32, // where the copy of the slab lies
  slabLength: u32,
});
type SnapshotState = ViewOf<typeof SnapshotState>;

/** Makes the maps.  At boot. */
export function initSnapshot(mem: Memory): void {
  const view = header(mem);
  const at = allocateControl(mem, SnapshotState.size);
  setRoot(mem, Root.snapshot, at);
  const state = stateOf(mem);
  const allPages = mem.size >>> PAGE_SHIFT;
  state.maxSlots = (view.undo.length - view.slab.length) >>> PAGE_SHIFT;
  state.touchedAt = allocateControl(mem, allPages);
  state.slotsAt = allocateControl(mem, allPages * 4);
  state.listAt = allocateControl(mem, state.maxSlots * 4);
  state.slabCopy = view.undo.start;
}

function stateOf(mem: Memory): SnapshotState {
  return rootView(mem, Root.snapshot, SnapshotState);
}

const undoSlot = (mem: Memory, slot: number): number => {
  const { undo, slab } = header(mem);
  return undo.start + slab.length + slot * PAGE_SIZE;
};

/** Remembers the machine as it is now.  An older snapshot is forgotten. */
export function takeSnapshot(mem: Memory): void {
  const view = header(mem);
  const state = stateOf(mem);
  const allPages = mem.size >>> PAGE_SHIFT;
  mem.fill(state.touchedAt, 0, allPages);
  mem.fill(state.slotsAt, 0, allPages * 4);
  state.count = 0;
  state.slots = 0;
  state.slabLength = Math.ceil((view.slabNext - view.slab.start) / 64) * 64;
  mem.copy(state.slabCopy, view.slab.start, state.slabLength);
  view.tracking = 1;
}

/** Says that a range outside the slab is about to change. */
export function touch(mem: Memory, at: number, length: number): void {
  if (isTracking(mem)) touchPages(mem, at, length);
}

function touchPages(mem: Memory, at: number, length: number): void {
  const state = stateOf(mem);
  const last = (at + length - 1) >>> PAGE_SHIFT;
  for (let page = at >>> PAGE_SHIFT; page <= last; page++) {
    if (Atomics.load(mem.u8, state.touchedAt + page) === 0) touchPage(mem, state, page);
  }
}

function touchPage(mem: Memory, state: SnapshotState, page: number): void {
  while (!state.lock.swapIf(0, 1));
  if (mem.u8[state.touchedAt + page] === 0) addPage(mem, state, page);
  state.lock.store(0);
}

function addPage(mem: Memory, state: SnapshotState, page: number): void {
  const slotIndex = (state.slotsAt >>> 2) + page;
  if (mem.u32[slotIndex] === 0) {
    if (state.slots === state.maxSlots) {
      state.lock.store(0);
      bug(`runs from this snapshot changed more than ${state.maxSlots} pages; a smaller workload fits`);
    }
    const slot = state.slots++;
    mem.u32[slotIndex] = slot + 1;
    mem.copy(undoSlot(mem, slot), page * PAGE_SIZE, PAGE_SIZE);
  }
  mem.u32[(state.listAt >>> 2) + state.count] = page;
  state.count += 1;
  Atomics.store(mem.u8, state.touchedAt + page, 1);
}

/** Makes the machine what it was when the snapshot was taken. */
export function restoreSnapshot(mem: Memory): void {
  const view = header(mem);
  const state = stateOf(mem);
  mem.copy(view.slab.start, state.slabCopy, state.slabLength);
  for (let i = 0; i < state.count; i++) {
    const page = mem.u32[(state.listAt >>> 2) + i] as number;
    const slot = (mem.u32[(state.slotsAt >>> 2) + page] as number) - 1;
    mem.copy(page * PAGE_SIZE, undoSlot(mem, slot), PAGE_SIZE);
    mem.u8[state.touchedAt + page] = 0;
  }
  state.count = 0;
}

/** The pages that were touched since the snapshot was taken or restored, and their copies from then, by address. */
export function touchedSince(mem: Memory): { at: number; before: number }[] {
  const state = stateOf(mem);
  return Array.from({ length: state.count }, (_, index) => {
    const page = mem.u32[(state.listAt >>> 2) + index] as number;
    const slot = (mem.u32[(state.slotsAt >>> 2) + page] as number) - 1;
    return { at: page * PAGE_SIZE, before: undoSlot(mem, slot) };
  });
}

/**
 * A 52-bit hash of the machine's state relative to the snapshot: equal states have equal hashes, in
 * whatever order their pages were touched, and a page that was changed and changed back does not count.
 */
export function hashState(mem: Memory): number {
  const { slab } = header(mem);
  const state = stateOf(mem);
  let sum = mem.bulk.difference(slab.start, state.slabCopy, state.slabLength);
  for (let i = 0; i < state.count; i++) {
    const page = mem.u32[(state.listAt >>> 2) + i] as number;
    const slot = (mem.u32[(state.slotsAt >>> 2) + page] as number) - 1;
    sum = (sum + mem.bulk.difference(page * PAGE_SIZE, undoSlot(mem, slot), PAGE_SIZE)) % HASH_RANGE;
  }
  return sum;
}

export const HASH_RANGE = 2 ** 52;
