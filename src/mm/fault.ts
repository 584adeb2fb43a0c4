// Page faults: from an access that has no translation to the design that installs one.
//
//   takeFault     the access's side: calls the machine's fault vector for a space
//   handleFault   the vector's side: finds the vma, checks permission, lets the design serve the page, and
//                 makes the copy when a private page is stored to
//
// Lock order: space.mmapSem shared is held while a design serves; mm takes nothing else.  A fault that
// returns 0 promises nothing: the page may be unmapped again at once.  The access just looks once more.

import { downRead, upRead } from "../locks/rwsem.ts";
import { currentTask } from "../machine/cpu.ts";
import { Errno } from "../machine/errors.ts";
import { viewAt } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { pageAddress, Pte, readEntry, replaceEntry } from "../machine/mmu.ts";
import { freePage } from "../machine/pool.ts";
import { note, Note } from "../machine/trace.ts";
import { copyFlags, copyOfPage, inodeNumber } from "./mapping.ts";
import {
  addressOf,
  AddressSpace,
  faultingSpace,
  findVma,
  pageAt,
  spaceOf,
  USER_END,
  type Vma,
} from "./space.ts";

/** Installs a page of a file in a vma, writable if `write`: 0 or a negative error number. */
export type Serve = (vma: Vma, page: number, write: boolean) => number;

/** Faults on an address of a space: 0 when the access should be tried again, or a negative error number. */
export function takeFault(space: AddressSpace, address: number, write: boolean): number {
  const { mem } = space;
  if (address >= USER_END || mem.faultHandler === undefined) return -Errno.SIGSEGV;
  const faulting = faultingSpace(mem, currentTask());
  faulting.space = space.at;
  const result = mem.faultHandler(mem, address, write);
  faulting.space = 0; // so that equal states are equal words
  return result;
}

/**
 * Serves a fault of the current task: 0, -SIGSEGV when there is no vma or it forbids the access, -ENOMEM
 * when a private copy finds no page, or what `serve` returned.  In a private vma `serve` is only asked
 * for pages to read; the copies are made here.  kernel: handle_mm_fault
 */
export function handleFault(mem: Memory, address: number, write: boolean, serve: Serve): number {
  const space = viewAt(mem, AddressSpace, faultingSpace(mem, currentTask()).space);
  downRead(space.mmapSem);
  const vma = findVma(space, address);
  const allowed = vma !== undefined && (!write || vma.writable !== 0);
  const result = allowed ? servePage(vma, pageAt(vma, address), write, serve) : -Errno.SIGSEGV;
  upRead(space.mmapSem);
  if (result === -Errno.SIGBUS) note(mem, Note.sigbus, address);
  return result;
}

function servePage(vma: Vma, page: number, write: boolean, serve: Serve): number {
  note(vma.mem, Note.fault, inodeNumber(vma), page, write ? 1 : 0);
  if (!write || vma.shared !== 0) return serve(vma, page, write);
  const before = readEntry(spaceOf(vma).tables, addressOf(vma, page));
  if (before !== 0) return copyOnWrite(vma, page, before);
  const result = serve(vma, page, false);
  if (result < 0) return result;
  return copyOnWrite(vma, page, readEntry(spaceOf(vma).tables, addressOf(vma, page)));
}

/**
 * Puts a private copy in place of what is mapped.  If that changes while it is copied, the bytes may be
 * those of a block that was freed: then the copy is dropped, and the access faults again.
 * kernel: wp_page_copy
 */
function copyOnWrite(vma: Vma, page: number, old: number): number {
  const { mem } = vma;
  if (old === 0 || (old & Pte.anonymous) !== 0) return 0;
  const copy = copyOfPage(mem, (old & Pte.zero) === 0 ? pageAddress(old) : 0);
  if (copy === 0) return -Errno.ENOMEM;
  if (replaceEntry(spaceOf(vma).tables, addressOf(vma, page), old, copy + copyFlags(vma))) {
    note(mem, Note.copyPage, inodeNumber(vma), page);
  } else {
    freePage(mem, copy);
  }
  return 0;
}
