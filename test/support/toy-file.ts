// A file without a file system: consecutive pages of the media behind a Mapping, with a serve function that
// a test can replace.  For tests of mm/, which knows nothing of inodes.

import { LockClass } from "../../src/locks/classes.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { downRead, initRwSem, RwSem, upRead } from "../../src/locks/rwsem.ts";
import { allocate, createMemory, header, rootAt, Root, setRoot, viewAt } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { Errno } from "../../src/machine/errors.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { allocatePage, freePage } from "../../src/machine/pool.ts";
import { initSnapshot } from "../../src/machine/snapshot.ts";
import { struct, embed, u32, type ViewOf } from "../../src/machine/struct.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { handleFault } from "../../src/mm/fault.ts";
import { initMapping, installPage, installZeroPage, Mapping } from "../../src/mm/mapping.ts";
import { mapRegion } from "../../src/mm/region.ts";
import { initMm, newSpace, type AddressSpace, type Vma } from "../../src/mm/space.ts";

export const ToyFile = struct("toy_file", {
  mapping: embed(Mapping),
  gate: embed(RwSem), // shared while a fault is served: who holds it keeps faults out
  firstBlock: u32, // page 0 of the file, in media blocks
  pages: u32, // behind them a fault is SIGBUS
  faults: u32, // served so far
  holes: u32, // a bit a page, for the first 32: the zero page is what a reader gets there
});
export type ToyFile = ViewOf<typeof ToyFile>;

/** The address of a page of the file. */
export function filePage(file: ToyFile, page: number): number {
  return mediaAt(file.mem, (file.firstBlock + page) * PAGE_SIZE);
}

/** Serves a fault under the file's gate. */
export function serveToy(vma: Vma, page: number, write: boolean): number {
  const file = viewAt(vma.mem, ToyFile, vma.inodeAt);
  downRead(file.gate);
  const result = serveOpen(file, vma, page, write);
  upRead(file.gate);
  return result;
}

function serveOpen(file: ToyFile, vma: Vma, page: number, write: boolean): number {
  file.faults += 1;
  if (page >= file.pages) return -Errno.SIGBUS;
  if (!write && page < 32 && (file.holes & (1 << page)) !== 0) return installZeroPage(vma, page);
  return installPage(vma, page, filePage(file, page), write);
}

/** Lets serveToy serve the faults of this thread's machine. */
export function serveFaults(mem: Memory): void {
  mem.faultHandler = (memory, address, write) => handleFault(memory, address, write, serveToy);
}

/** A machine with mm alone, lockdep on, and a file of some pages; page n is filled with n + 1. */
export function toyMachine(pages = 8): { mem: Memory; file: ToyFile } {
  const mem = createMemory(4 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  initLockdep(mem);
  initMm(mem);
  header(mem).lockdep = 1;
  setRoot(mem, Root.inodes, allocate(mem, ToyFile));
  const file = toyFile(mem);
  initMapping(file.mapping);
  file.mapping.inodeNumber = 12;
  initRwSem(file.gate, LockClass["inode.invalidateSem"]);
  file.firstBlock = 16;
  file.pages = pages;
  for (let page = 0; page < pages; page++) mem.fill(filePage(file, page), page + 1, PAGE_SIZE);
  serveFaults(mem);
  return { mem, file };
}

/** The file of a machine, in any thread. */
export function toyFile(mem: Memory): ToyFile {
  return viewAt(mem, ToyFile, rootAt(mem, Root.inodes));
}

export function space(mem: Memory): AddressSpace {
  const made = newSpace(mem);
  if (typeof made === "number") throw new Error(`no address space: ${made}`);
  return made;
}

/** Maps pages of the file; throws where mapRegion fails. */
export function mapToy(
  to: AddressSpace,
  file: ToyFile,
  pages: number,
  { writable = true, shared = true, firstPage = 0 } = {},
): number {
  const at = mapRegion(to, pages * PAGE_SIZE, writable, shared, file.mapping, file.at, firstPage);
  if (at < 0) throw new Error(`mapRegion: ${at}`);
  return at;
}

/** How many pages the pool has left. */
export function freePages(mem: Memory): number {
  const taken: number[] = [];
  for (let page = allocatePage(mem); page !== 0; page = allocatePage(mem)) taken.push(page);
  for (const page of taken) freePage(mem, page);
  return taken.length;
}
