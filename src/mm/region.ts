// mmap and munmap: regions of an address space come and go.
//
// Both hold space.mmapSem exclusively.  The page tables of a region are made here, so that a fault, which
// holds mmapSem shared, never has to.  On the way out the order matters: first the entries are cleared
// and shot down, then the vma leaves the mapping's list.  The other way round a truncate in between would
// find no vma, and free blocks that are still mapped.

import { downWrite, upWrite } from "../locks/rwsem.ts";
import { Errno } from "../machine/errors.ts";
import { PAGE_SHIFT, PAGE_SIZE } from "../machine/memory.ts";
import { addTables, freeTables } from "../machine/mmu.ts";
import { linkVma, Mapping, unlinkVma, unmapPages } from "./mapping.ts";
import {
  freeVma,
  joinRegion,
  newVma,
  pageAt,
  releaseSpace,
  USER_END,
  USER_START,
  vmaAt,
  type AddressSpace,
  type Vma,
} from "./space.ts";

/** What is told of a file whose last vma of a region is gone: the `inodeAt` of its mapRegion. */
export type Released = (inodeAt: number) => void;

const roundUp = (length: number): number => Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;

/**
 * Maps `length` bytes of a file from page `firstPage` on.  `inodeAt` stands for one reference to the
 * file, which the caller has taken and unmapRegion reports when the region is gone.
 * Returns the user address, -EINVAL (no length) or -ENOMEM (no room, no vma, no page for the tables).
 */
export function mapRegion(
  space: AddressSpace,
  length: number,
  writable: boolean,
  shared: boolean,
  mapping: Mapping,
  inodeAt: number,
  firstPage: number,
  sync = false,
): number {
  if (length <= 0) return -Errno.EINVAL;
  if (length > USER_END - USER_START) return -Errno.ENOMEM;
  downWrite(space.mmapSem);
  const vma = placeVma(space, roundUp(length));
  if (typeof vma === "number") {
    upWrite(space.mmapSem);
    return vma;
  }
  vma.firstPage = firstPage;
  vma.writable = writable ? 1 : 0;
  vma.shared = shared ? 1 : 0;
  vma.sync = sync ? 1 : 0;
  vma.inodeAt = inodeAt;
  downWrite(mapping.sem);
  linkVma(mapping, vma);
  upWrite(mapping.sem);
  const address = vma.start;
  upWrite(space.mmapSem);
  return address;
}

/** A new vma at the lowest address with room for `length` bytes, with its page tables. */
function placeVma(space: AddressSpace, length: number): Vma | number {
  const { mem } = space;
  let start = USER_START;
  let before: Vma | undefined;
  let after = vmaAt(mem, space.firstVma);
  while (after !== undefined && after.start - start < length) {
    start = after.end;
    before = after;
    after = vmaAt(mem, after.next);
  }
  if (USER_END - start < length) return -Errno.ENOMEM;
  const error = addTables(space.tables, start, start + length);
  if (error < 0) return error;
  const vma = newVma(mem);
  if (typeof vma === "number") return vma;
  vma.space = space.at;
  vma.start = start;
  vma.end = start + length;
  chain(space, before, vma);
  return vma;
}

function chain(space: AddressSpace, before: Vma | undefined, vma: Vma): void {
  vma.next = before === undefined ? space.firstVma : before.next;
  if (before === undefined) space.firstVma = vma.at;
  else before.next = vma.at;
}

/**
 * Unmaps what lies in `length` bytes from a user address on; nothing there is no error.  Vmas are trimmed
 * or split.  `released` is called, with no lock held, for each region that is gone as a whole.
 * Returns 0, -EINVAL (not at a page, no length, not user memory) or -ENOMEM (a split needs a vma).
 * kernel: do_munmap
 */
export function unmapRegion(
  space: AddressSpace,
  address: number,
  length: number,
  released?: Released,
): number {
  if (address % PAGE_SIZE !== 0 || length <= 0 || address + length > USER_END) return -Errno.EINVAL;
  const end = address + roundUp(length);
  const gone: number[] = [];
  downWrite(space.mmapSem);
  const error = unmapVmas(space, address, end, gone);
  upWrite(space.mmapSem);
  if (released !== undefined) for (const inodeAt of gone) released(inodeAt);
  return error;
}

function unmapVmas(space: AddressSpace, start: number, end: number, gone: number[]): number {
  const { mem } = space;
  let before: Vma | undefined;
  let vma = vmaAt(mem, space.firstVma);
  while (vma !== undefined && vma.start < end) {
    const next = vmaAt(mem, vma.next);
    if (vma.start < start && vma.end > end) return splitVma(space, vma, start, end);
    if (vma.end > start && removePart(space, before, vma, start, end)) {
      const { inodeAt } = vma;
      if (freeVma(vma)) gone.push(inodeAt);
    } else {
      before = vma;
    }
    vma = next;
  }
  return 0;
}

/** Takes a range out of the middle of a vma. */
function splitVma(space: AddressSpace, vma: Vma, start: number, end: number): number {
  const { mem } = space;
  const tail = joinRegion(mem, vma.region);
  if (typeof tail === "number") return tail;
  tail.space = space.at;
  tail.start = end;
  tail.end = vma.end;
  tail.firstPage = pageAt(vma, end);
  tail.writable = vma.writable;
  tail.shared = vma.shared;
  tail.sync = vma.sync;
  tail.inodeAt = vma.inodeAt;
  chain(space, vma, tail);
  unmapPages(vma, start, end, false);
  const mapping = Mapping.of(mem, vma.mapping);
  downWrite(mapping.sem);
  linkVma(mapping, tail);
  vma.end = start;
  upWrite(mapping.sem);
  return 0;
}

/** Takes a range off one end of a vma, or the whole of it: then it is on no list any more. */
function removePart(
  space: AddressSpace,
  before: Vma | undefined,
  vma: Vma,
  start: number,
  end: number,
): boolean {
  const from = Math.max(start, vma.start);
  const to = Math.min(end, vma.end);
  unmapPages(vma, from, to, false);
  const whole = from === vma.start && to === vma.end;
  const mapping = Mapping.of(space.mem, vma.mapping);
  downWrite(mapping.sem);
  if (whole) {
    unlinkVma(mapping, vma);
  } else if (from === vma.start) {
    vma.firstPage += (to - from) >>> PAGE_SHIFT;
    vma.start = to;
  } else {
    vma.end = from;
  }
  upWrite(mapping.sem);
  if (!whole) return false;
  if (before === undefined) space.firstVma = vma.next;
  else before.next = vma.next;
  return true;
}

/** Ends an address space that no task uses any more; `released` as for unmapRegion. */
export function freeSpace(space: AddressSpace, released?: Released): void {
  unmapRegion(space, USER_START, USER_END - USER_START, released);
  freeTables(space.tables);
  releaseSpace(space);
}
