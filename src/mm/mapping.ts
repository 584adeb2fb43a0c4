// The mapping of a file: which vmas show it, and what its pages have in the page tables.
//
//   mapping.sem   the list of vmas and their ranges: exclusive to change them, shared to go through them
//   entries       locks for single pages, which designs take around a look-up and what follows from it.
//                 Pages share 64 bits: a task holds one entry at a time
//
// Lock order: space.mmapSem, entry, mapping.sem.  Nothing is taken inside mapping.sem.
// The page table entries themselves need no lock (machine/mmu.ts).

import { LockClass } from "../locks/classes.ts";
import { downRead, downWrite, initRwSem, RwSem, upRead, upWrite } from "../locks/rwsem.ts";
import { BitLocks, lockBit, unlockBit } from "../locks/wait-bit.ts";
import type { QuietCell } from "../machine/cell.ts";
import { Op, step } from "../machine/cpu.ts";
import { assert, Errno } from "../machine/errors.ts";
import { mediaStart, pieceOf } from "../machine/layout.ts";
import { PAGE_SHIFT, PAGE_SIZE, type Memory } from "../machine/memory.ts";
import { clearEntries, pageAddress, protectEntry, Pte, readEntry, setEntry } from "../machine/mmu.ts";
import { storeCopy, storeFill } from "../machine/pmem.ts";
import { addPage } from "../machine/pmem/page-set.ts";
import { allocatePage, freePage, zeroPage } from "../machine/pool.ts";
import { embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { note, Note } from "../machine/trace.ts";
import { dirtyPages } from "./dirty.ts";
import { addressOf, pageAt, spaceOf, vmaAt, type Vma } from "./space.ts";

/** Lies in the inode of the file.  kernel: struct address_space */
export const Mapping = struct("mapping", {
  firstVma: u32,
  inodeNumber: u32, // for notes
  sem: embed(RwSem), // kernel: i_mmap_rwsem
  entries: embed(BitLocks),
});
export type Mapping = ViewOf<typeof Mapping>;

/** Of a file that nobody maps; the inode's number comes when the inode has one. */
export function initMapping(mapping: Mapping): void {
  mapping.firstVma = 0;
  initRwSem(mapping.sem, LockClass["mapping.sem"]);
  mapping.entries.low.store(0);
  mapping.entries.high.store(0);
}

/** Whether any process maps the file at this moment.  kernel: mapping_mapped */
export function mapped(mapping: Mapping): boolean {
  step(Op.load, mapping.sem.at); // where mmap announces that it changes the answer
  return mapping.firstVma !== 0;
}

/** Puts a vma on the list.  mapping.sem held exclusively. */
export function linkVma(mapping: Mapping, vma: Vma): void {
  const { mem } = mapping;
  const after = vmaAt(mem, mapping.firstVma);
  vma.mapping = mapping.at;
  vma.nextOfMapping = mapping.firstVma;
  vma.previousOfMapping = 0;
  if (after !== undefined) after.previousOfMapping = vma.at;
  mapping.firstVma = vma.at;
}

/** Takes a vma off the list.  mapping.sem held exclusively. */
export function unlinkVma(mapping: Mapping, vma: Vma): void {
  const { mem } = mapping;
  const before = vmaAt(mem, vma.previousOfMapping);
  const after = vmaAt(mem, vma.nextOfMapping);
  if (before === undefined) mapping.firstVma = vma.nextOfMapping;
  else before.nextOfMapping = vma.nextOfMapping;
  if (after !== undefined) after.previousOfMapping = vma.previousOfMapping;
}

/**
 * Unmaps pages `firstPage` … `lastPage` of the file from every address space, private copies of them
 * only when told so (a truncate does, a write does not).  When it returns no task can use a translation
 * that was there before.  kernel: unmap_mapping_pages
 */
export function unmapRange(
  mapping: Mapping,
  firstPage: number,
  lastPage: number,
  privateCopies: boolean,
): void {
  downRead(mapping.sem);
  unmapAll(mapping, firstPage, lastPage, privateCopies);
  upRead(mapping.sem);
}

/**
 * The same with mapping.sem held alone, as Linux did before 5.16: whoever else unmaps these pages, or maps them
 * under mapping.sem, has done so when this returns, or has not begun.  kernel: unmap_mapping_range
 */
export function unmapRangeAlone(
  mapping: Mapping,
  firstPage: number,
  lastPage: number,
  privateCopies: boolean,
): void {
  downWrite(mapping.sem);
  unmapAll(mapping, firstPage, lastPage, privateCopies);
  upWrite(mapping.sem);
}

function unmapAll(mapping: Mapping, firstPage: number, lastPage: number, privateCopies: boolean): void {
  let vma = vmaAt(mapping.mem, mapping.firstVma);
  for (; vma !== undefined; vma = vmaAt(mapping.mem, vma.nextOfMapping)) {
    const start = addressOf(vma, Math.max(firstPage, vma.firstPage));
    const end = Math.min(vma.end, addressOf(vma, lastPage + 1));
    if (start < end) unmapPages(vma, start, end, !privateCopies);
  }
}

/** Takes the right to store to a page from everybody: the next store of each faults.  kernel: pfn_mkclean_range */
export function protectPage(mapping: Mapping, page: number): void {
  downRead(mapping.sem);
  let vma = vmaAt(mapping.mem, mapping.firstVma);
  for (; vma !== undefined; vma = vmaAt(mapping.mem, vma.nextOfMapping)) {
    const address = addressOf(vma, page);
    if (page >= vma.firstPage && address < vma.end) protectEntry(spaceOf(vma).tables, address);
  }
  upRead(mapping.sem);
}

/** Unmaps what a vma shows from user address `start` up to `end`.  mmapSem or mapping.sem held. */
export function unmapPages(vma: Vma, start: number, end: number, keepCopies: boolean): void {
  for (const address of clearEntries(spaceOf(vma).tables, start, end, keepCopies)) {
    note(vma.mem, Note.unmapPage, inodeNumber(vma), pageAt(vma, address));
  }
}

/** The number of the file that a vma shows. */
export function inodeNumber(vma: Vma): number {
  return vma.mem.u32[(vma.mapping + Mapping.offset("inodeNumber")) >>> 2] as number;
}

/** Takes the entry of a page; sleeps while another task has it.  kernel: grab_mapping_entry */
export function lockEntry(mapping: Mapping, page: number): void {
  lockBit(entryWord(mapping, page), page & 31, LockClass["mapping.entry"]);
}

/** Gives the entry of a page back.  kernel: put_unlocked_mapping_entry */
export function unlockEntry(mapping: Mapping, page: number): void {
  unlockBit(entryWord(mapping, page), page & 31);
}

function entryWord(mapping: Mapping, page: number): QuietCell {
  return (page & 32) === 0 ? mapping.entries.low : mapping.entries.high;
}

/**
 * Maps a page of the media, in place of the zero page or another page of the media; a private copy stays.
 * Only a shared writable vma is given a writable entry; its page counts as dirty from here on.  mmapSem held.
 * Returns 0.
 * kernel: vmf_insert_mixed, vmf_insert_mixed_mkwrite
 */
export function installPage(vma: Vma, page: number, address: number, writable: boolean): number {
  const flags = Pte.present | (writable && vma.shared !== 0 && vma.writable !== 0 ? Pte.writable : 0);
  const block = (address - mediaStart(vma.mem)) >>> PAGE_SHIFT;
  if ((flags & Pte.writable) !== 0) addPage(dirtyPages(vma.mem), block);
  if (install(vma, page, address + flags)) note(vma.mem, Note.mapPage, inodeNumber(vma), page, block);
  return 0;
}

/** Maps the page of zeros, unless something is mapped already.  mmapSem held.  Returns 0. */
export function installZeroPage(vma: Vma, page: number): number {
  const entry = zeroPage(vma.mem) + (Pte.present | Pte.zero);
  if (install(vma, page, entry)) note(vma.mem, Note.mapPage, inodeNumber(vma), page, 0);
  return 0;
}

/**
 * Maps a private copy of the page at `from`, or zeros when that is 0; a private copy that is there
 * already stays.  mmapSem held.  Returns 0 or -ENOMEM.
 */
export function installCopy(vma: Vma, page: number, from: number): number {
  const copy = copyOfPage(vma.mem, from);
  if (copy === 0) return -Errno.ENOMEM;
  if (install(vma, page, copy + copyFlags(vma))) note(vma.mem, Note.copyPage, inodeNumber(vma), page);
  else freePage(vma.mem, copy);
  return 0;
}

function install(vma: Vma, page: number, entry: number): boolean {
  const address = addressOf(vma, page);
  assert(address >= vma.start && address < vma.end, "a page is installed where the vma shows it");
  return setEntry(spaceOf(vma).tables, address, entry);
}

/** The flags of a private copy's entry. */
export function copyFlags(vma: Vma): number {
  return Pte.present | Pte.anonymous | (vma.writable === 0 ? 0 : Pte.writable);
}

/** A new page with the bytes at `from`, or zeros when that is 0: its address, 0 when memory is short. */
export function copyOfPage(mem: Memory, from: number): number {
  const copy = allocatePage(mem);
  if (copy === 0) return 0;
  if (from === 0) {
    storeFill(mem, copy, 0, PAGE_SIZE);
    return copy;
  }
  const piece = pieceOf(mem);
  for (let done = 0; done < PAGE_SIZE; done += piece) {
    step(Op.copyOut, from + done);
    storeCopy(mem, copy + done, from + done, piece);
  }
  return copy;
}

/** What a page table entry maps. */
export interface MappedPage {
  /** Of the page, in the memory. */
  readonly address: number;
  /** It is the page of zeros. */
  readonly zero: boolean;
  readonly writable: boolean;
  /** It is a private copy. */
  readonly anonymous: boolean;
}

/** What a vma has mapped for a page of its file. */
export function pageOf(vma: Vma, page: number): MappedPage | undefined {
  const entry = readEntry(spaceOf(vma).tables, addressOf(vma, page));
  if (entry === 0) return undefined;
  return {
    address: pageAddress(entry),
    zero: (entry & Pte.zero) !== 0,
    writable: (entry & Pte.writable) !== 0,
    anonymous: (entry & Pte.anonymous) !== 0,
  };
}

/** Goes through everything that is mapped of a file.  For checks: no task may run meanwhile. */
export function forEachPte(
  mapping: Mapping,
  see: (vma: Vma, page: number, mapped: MappedPage) => void,
): void {
  let vma = vmaAt(mapping.mem, mapping.firstVma);
  for (; vma !== undefined; vma = vmaAt(mapping.mem, vma.nextOfMapping)) {
    const end = pageAt(vma, vma.end);
    for (let page = vma.firstPage; page < end; page++) {
      const found = pageOf(vma, page);
      if (found !== undefined) see(vma, page, found);
    }
  }
}
