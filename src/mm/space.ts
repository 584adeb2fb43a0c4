// Address spaces, and the virtual memory areas (vmas) in them: which user addresses show which pages of
// which file.
//
//   space.mmapSem   protects the space's list of vmas and the fields of those vmas: exclusive to change
//                   them, shared to look up and while a fault is served
//   mapping.sem     held exclusively as well where a vma comes, goes or changes its range, because whoever
//                   unmaps a file's pages finds the vmas through the mapping, without mmapSem
//
// Lock order: space.mmapSem, mapping.sem.  Vmas of a space do not overlap and are sorted by address.

import { LockClass } from "../locks/classes.ts";
import { initRwSem, RwSem } from "../locks/rwsem.ts";
import { Errno } from "../machine/errors.ts";
import { allocate, allocateControl, Root, rootView, setRoot, strideOf, viewAt } from "../machine/layout.ts";
import { MAX_PROCESSES, MAX_VMAS, TASK_SLOTS } from "../machine/limits.ts";
import { PAGE_SHIFT, PAGE_SIZE, type Memory } from "../machine/memory.ts";
import { initMmu, newTables, PageTables } from "../machine/mmu.ts";
import { claimSlot, initPagePool, initSlots, releaseSlot, Slots } from "../machine/pool.ts";
import { embed, f64, struct, u32, type ViewOf } from "../machine/struct.ts";
import { initDirtyPages } from "./dirty.ts";

/** Where mappings are put: from here up, at the lowest address with enough room. */
export const USER_START = 0x1000_0000;
/** Where user memory ends, as on 32-bit x86. */
export const USER_END = 0xc000_0000;

export const AddressSpace = struct("address_space", {
  tables: embed(PageTables),
  mmapSem: embed(RwSem),
  firstVma: u32,
});
export type AddressSpace = ViewOf<typeof AddressSpace>;

/** A virtual memory area: pages of a file at addresses of a process. */
export const Vma = struct("vma", {
  space: u32,
  start: u32, // user addresses
  end: u32,
  firstPage: f64, // the file's page that `start` shows; it may lie behind all that a file can have
  writable: u32,
  shared: u32, // 0: private, copied on write
  sync: u32, // what a store needs to be found after a power failure is durable before the store.  kernel: VM_SYNC
  mapping: u32,
  inodeAt: u32, // not used here: it goes back to the caller of unmapRegion
  region: u32, // the number of its Region
  next: u32, // in the space
  nextOfMapping: u32,
  previousOfMapping: u32,
});
export type Vma = ViewOf<typeof Vma>;

/** What one mmap made.  Its vmas, of which munmap can make several, share one reference to the file. */
const Region = struct("region", { vmas: u32 });

const Spaces = struct("spaces", {
  slots: embed(Slots),
  spacesAt: u32,
  vmaSlots: embed(Slots),
  vmasAt: u32,
  regionSlots: embed(Slots),
  regionsAt: u32,
  faultingAt: u32, // a word for each task: the space whose fault it serves
  bouncesAt: u32, // a page for each task: bytes on their way between two mapped ranges
});

const Faulting = struct("faulting", { space: u32 });

/** Makes the pools of pages, address spaces and vmas.  At boot. */
export function initMm(mem: Memory): void {
  initPagePool(mem);
  initMmu(mem);
  initDirtyPages(mem);
  setRoot(mem, Root.spaces, allocate(mem, Spaces));
  const spaces = spacesOf(mem);
  initSlots(spaces.slots, MAX_PROCESSES);
  spaces.spacesAt = allocate(mem, AddressSpace, MAX_PROCESSES);
  initSlots(spaces.vmaSlots, MAX_VMAS);
  spaces.vmasAt = allocate(mem, Vma, MAX_VMAS);
  initSlots(spaces.regionSlots, MAX_VMAS);
  spaces.regionsAt = allocate(mem, Region, MAX_VMAS);
  spaces.faultingAt = allocate(mem, Faulting, TASK_SLOTS);
  spaces.bouncesAt = allocateControl(mem, TASK_SLOTS * PAGE_SIZE);
}

function spacesOf(mem: Memory): ViewOf<typeof Spaces> {
  return rootView(mem, Root.spaces, Spaces);
}

/** An empty address space, or -ENOMEM. */
export function newSpace(mem: Memory): AddressSpace | number {
  const spaces = spacesOf(mem);
  const slot = claimSlot(spaces.slots);
  if (slot === -1) return -Errno.ENOMEM;
  const space = viewAt(mem, AddressSpace, spaces.spacesAt + slot * strideOf(AddressSpace));
  const error = newTables(space.tables, slot + 1);
  if (error < 0) {
    releaseSlot(spaces.slots, slot);
    return error;
  }
  initRwSem(space.mmapSem, LockClass["space.mmapSem"]);
  space.firstVma = 0;
  return space;
}

/** Gives the slot of a space back. */
export function releaseSpace(space: AddressSpace): void {
  const spaces = spacesOf(space.mem);
  releaseSlot(spaces.slots, (space.at - spaces.spacesAt) / strideOf(AddressSpace));
}

/**
 * The first vma that ends behind an address: it covers it, or is the next one.  mmapSem held.
 * kernel: find_vma
 */
export function findVmaFrom(space: AddressSpace, address: number): Vma | undefined {
  let vma = vmaAt(space.mem, space.firstVma);
  while (vma !== undefined && vma.end <= address) vma = vmaAt(space.mem, vma.next);
  return vma;
}

/** The vma that shows an address.  mmapSem held. */
export function findVma(space: AddressSpace, address: number): Vma | undefined {
  const vma = findVmaFrom(space, address);
  return vma === undefined || vma.start > address ? undefined : vma;
}

/** The vma at a slab address; none at 0. */
export function vmaAt(mem: Memory, at: number): Vma | undefined {
  return at === 0 ? undefined : viewAt(mem, Vma, at);
}

/** The address space a vma is in. */
export function spaceOf(vma: Vma): AddressSpace {
  return viewAt(vma.mem, AddressSpace, vma.space);
}

/** The user address at which a vma shows a page of its file. */
export function addressOf(vma: Vma, page: number): number {
  return vma.start + (page - vma.firstPage) * PAGE_SIZE;
}

/** The file's page that a vma shows at a user address. */
export function pageAt(vma: Vma, address: number): number {
  return vma.firstPage + ((address - vma.start) >>> PAGE_SHIFT);
}

/** An unused vma of an unused region, or -ENOMEM. */
export function newVma(mem: Memory): Vma | number {
  const spaces = spacesOf(mem);
  const region = claimSlot(spaces.regionSlots);
  if (region === -1) return -Errno.ENOMEM;
  const vma = joinRegion(mem, region);
  if (typeof vma === "number") releaseSlot(spaces.regionSlots, region);
  return vma;
}

/** An unused vma that belongs to a region, or -ENOMEM. */
export function joinRegion(mem: Memory, region: number): Vma | number {
  const spaces = spacesOf(mem);
  const slot = claimSlot(spaces.vmaSlots);
  if (slot === -1) return -Errno.ENOMEM;
  const vma = viewAt(mem, Vma, spaces.vmasAt + slot * strideOf(Vma));
  vma.region = region;
  regionOf(mem, region).vmas += 1;
  return vma;
}

/** Gives a vma back; whether it was the last of its region.  mmapSem held exclusively. */
export function freeVma(vma: Vma): boolean {
  const { mem } = vma;
  const spaces = spacesOf(mem);
  const number = vma.region;
  const region = regionOf(mem, number);
  mem.fill(vma.at, 0, Vma.size);
  releaseSlot(spaces.vmaSlots, (vma.at - spaces.vmasAt) / strideOf(Vma));
  region.vmas -= 1;
  if (region.vmas > 0) return false;
  releaseSlot(spaces.regionSlots, number);
  return true;
}

function regionOf(mem: Memory, number: number): ViewOf<typeof Region> {
  return viewAt(mem, Region, spacesOf(mem).regionsAt + number * strideOf(Region));
}

/** Where the address of the space whose fault a task serves is kept. */
export function faultingSpace(mem: Memory, task: number): ViewOf<typeof Faulting> {
  return viewAt(mem, Faulting, spacesOf(mem).faultingAt + task * strideOf(Faulting));
}

/** A page of a task's own, for bytes that it holds between a load and a store. */
export function bouncePage(mem: Memory, task: number): number {
  return spacesOf(mem).bouncesAt + task * PAGE_SIZE;
}
