// The memory management unit: page tables, a TLB for each task, and shoot-down.
//
//   user address    10 bits index of the table | 10 bits index of the entry | 12 bits offset
//   entry           address of a page | flags; 0 when nothing is mapped
//   TLB entry       tag (user page | id of the tables), entry; each task has its own
//
// Who writes what:
//   tables          come with a mapping and stay until freeTables; the owner of the address space
//                   serialises both.  So a lookup meets a table or none, never one that goes away.
//   entries         anybody, by compare-exchange.
//   a task's TLB    filled by that task alone; shootDown may wipe a tag of it.
//   anonymous page  belongs to the one entry that maps it, and is freed with it.
//
// An access through a translation:
//   physical = translate(…)       the TLB, or a walk that fills it
//   step(copyIn or copyOut, physical)
//   beginAccess(…)                is the translation still what was announced?  If not, from the start
//   the bytes
//   endAccess(…)
// Between beginAccess and endAccess there is no step, and the task's guard word is odd.  shootDown wipes
// the tag and waits while the guard is odd, so when it returns no task can use the old translation:
// either the task saw the wiped tag, or the shooter saw the odd guard (both sides store first and load
// then, all sequentially consistent).  Under control nobody is ever found inside an access.
//
// Who finds an entry clear, or read-only, that somebody else has just made so, must not take it for shot down: `pending`
// tells, and then he does it himself.  (kernel: mm_tlb_flush_nested)
//
// Entries of one page table lie in one page, and steps on them are told apart per page: clearing a whole
// range within one table is one step.

import { currentTask, Op, step } from "./cpu.ts";
import { assert, bug, Errno, Halted } from "./errors.ts";
import { allocate, allocateControl, header, Root, rootView, setRoot } from "./layout.ts";
import { TASK_SLOTS } from "./limits.ts";
import { PAGE_SHIFT, PAGE_SIZE, type Memory } from "./memory.ts";
import { storeFill } from "./pmem.ts";
import { allocatePage, freePage } from "./pool.ts";
import { touch } from "./snapshot.ts";
import { quiet, struct, u32, type ViewOf } from "./struct.ts";

/** Flags of an entry, below the page's address. */
export const Pte = { present: 1, writable: 2, zero: 4, anonymous: 8 } as const;

const TABLE_SHIFT = 22;
const TABLE_SPAN = 1 << TABLE_SHIFT; // bytes of user memory that one table maps
const ENTRIES = PAGE_SIZE / 4;
const OFFSET = PAGE_SIZE - 1;

export const PageTables = struct("page_tables", {
  root: u32, // the page with the addresses of the tables; 0 when there are none
  id: u32, // 1 … 4095, different for all page tables that exist at once
  tasks: quiet, // a bit for each task that may have translations in its TLB
  pending: quiet, // how many have cleared entries, or are about to, and not shot them down
});
export type PageTables = ViewOf<typeof PageTables>;

const TLB_ENTRIES = 16; // a power of two
const GUARD_SIZE = 64; // a cache line each
const TlbEntry = struct("tlb_entry", { tag: u32, entry: u32 });
const Mmu = struct("mmu", { tlbsAt: u32, guardsAt: u32 });

/** Makes the TLBs.  At boot. */
export function initMmu(mem: Memory): void {
  setRoot(mem, Root.tlbs, allocate(mem, Mmu));
  const mmu = mmuOf(mem);
  mmu.tlbsAt = allocate(mem, TlbEntry, TASK_SLOTS * TLB_ENTRIES);
  mmu.guardsAt = allocateControl(mem, TASK_SLOTS * GUARD_SIZE);
}

function mmuOf(mem: Memory): ViewOf<typeof Mmu> {
  return rootView(mem, Root.tlbs, Mmu);
}

/** Empties every TLB.  What the TLBs hold is no difference that a program can tell between two states. */
export function flushTlbs(mem: Memory): void {
  mem.fill(mmuOf(mem).tlbsAt, 0, TlbEntry.size * TASK_SLOTS * TLB_ENTRIES);
}

/** The page an entry maps. */
export function pageAddress(entry: number): number {
  return (entry & ~OFFSET) >>> 0;
}

/** Starts empty page tables: 0 or -ENOMEM. */
export function newTables(tables: PageTables, id: number): number {
  const root = newTable(tables.mem);
  if (root === 0) return -Errno.ENOMEM;
  tables.root = root;
  tables.id = id;
  tables.tasks.store(0);
  tables.pending.store(0);
  return 0;
}

/** Gives the tables back; all entries must be clear. */
export function freeTables(tables: PageTables): void {
  const { mem, root } = tables;
  for (let index = 0; index < ENTRIES; index++) {
    const table = mem.u32[(root >>> 2) + index] as number;
    if (table !== 0) freePage(mem, table);
  }
  freePage(mem, root);
  tables.root = 0;
}

/** Makes the tables that user addresses `start` … `end` need: 0, or -ENOMEM with some of them made. */
export function addTables(tables: PageTables, start: number, end: number): number {
  const { mem, root } = tables;
  for (let at = Math.floor(start / TABLE_SPAN) * TABLE_SPAN; at < end; at += TABLE_SPAN) {
    const slot = root + (at >>> TABLE_SHIFT) * 4;
    if (mem.u32[slot >>> 2] !== 0) continue;
    const table = newTable(mem);
    if (table === 0) return -Errno.ENOMEM;
    touch(mem, slot, 4);
    Atomics.store(mem.u32, slot >>> 2, table);
  }
  return 0;
}

function newTable(mem: Memory): number {
  const table = allocatePage(mem);
  if (table !== 0) storeFill(mem, table, 0, PAGE_SIZE);
  return table;
}

/** Where the entry of a user address lies; 0 when there is no table for it. */
function entryAt(tables: PageTables, address: number): number {
  const table = tables.mem.u32[(tables.root >>> 2) + (address >>> TABLE_SHIFT)] as number;
  return table === 0 ? 0 : table + ((address >>> PAGE_SHIFT) & (ENTRIES - 1)) * 4;
}

function swapEntry(mem: Memory, at: number, old: number, entry: number): boolean {
  touch(mem, at, 4);
  return Atomics.compareExchange(mem.u32, at >>> 2, old, entry) === old;
}

/** What is mapped at a user address now: an entry, 0 for nothing. */
export function readEntry(tables: PageTables, address: number): number {
  const at = entryAt(tables, address);
  if (at === 0) return 0;
  step(Op.walk, at);
  return Atomics.load(tables.mem.u32, at >>> 2);
}

/**
 * Maps a page: whether the entry is there now.  An entry for the same page gains what `entry` permits.
 * Another page is unmapped first, with shoot-down, so that no two tasks see different pages; but a
 * private copy stays (it may hold stores), and nothing that is mapped makes way for the zero page.
 * The address must have a table.
 */
export function setEntry(tables: PageTables, address: number, entry: number): boolean {
  const { mem } = tables;
  const at = entryAt(tables, address);
  assert(at !== 0, "a mapped region has its page tables");
  for (;;) {
    step(Op.setPte, at);
    const old = Atomics.load(mem.u32, at >>> 2);
    if (old === 0 || pageAddress(old) === pageAddress(entry)) {
      if (swapEntry(mem, at, old, (old | entry) >>> 0)) return true;
    } else if ((old & Pte.anonymous) !== 0 || (entry & Pte.zero) !== 0) {
      return false;
    } else {
      takeAway(tables, address, at, old, 0);
    }
  }
}

/** Puts another entry in place of one by which tasks can have access; then they have not.  False when it has changed. */
function takeAway(tables: PageTables, address: number, at: number, old: number, entry: number): boolean {
  tables.pending.add(1);
  const taken = swapEntry(tables.mem, at, old, entry);
  if (taken) shootDown(tables, address, pageAddress(old));
  tables.pending.add(-1);
  return taken;
}

/** Maps another page in place of `old`: false when the entry changed meanwhile, and is not ours now. */
export function replaceEntry(tables: PageTables, address: number, old: number, entry: number): boolean {
  const { mem } = tables;
  const at = entryAt(tables, address);
  step(Op.clearPte, at);
  if (!takeAway(tables, address, at, old, 0)) return false;
  step(Op.setPte, at);
  return swapEntry(mem, at, 0, entry);
}

/** Takes the right to store from an entry, unless it is that of a private copy; then no task can store by it. */
export function protectEntry(tables: PageTables, address: number): void {
  const { mem } = tables;
  const at = entryAt(tables, address);
  if (at === 0) return;
  step(Op.clearPte, at);
  for (;;) {
    const old = Atomics.load(mem.u32, at >>> 2);
    if ((old & Pte.writable) === 0 || (old & Pte.anonymous) !== 0) break;
    if (takeAway(tables, address, at, old, (old & ~Pte.writable) >>> 0)) return;
  }
  if (tables.pending.load() > 0) shootDownRange(tables, address, address + PAGE_SIZE);
}

/**
 * Unmaps what is mapped from user address `start` up to `end`, and returns when no task can use it any
 * more: the user addresses that were mapped.  Private copies are freed, or stay when told so.
 */
export function clearEntries(tables: PageTables, start: number, end: number, keepCopies: boolean): number[] {
  const unmapped: number[] = [];
  for (let at = start; at < end;) {
    const stop = Math.min(end, Math.floor(at / TABLE_SPAN) * TABLE_SPAN + TABLE_SPAN);
    if (entryAt(tables, at) !== 0) clearInTable(tables, at, stop, keepCopies, unmapped);
    at = stop;
  }
  return unmapped;
}

function clearInTable(
  tables: PageTables,
  start: number,
  end: number,
  keep: boolean,
  unmapped: number[],
): void {
  const { mem } = tables;
  const first = entryAt(tables, start);
  const count = (end - start) >>> PAGE_SHIFT;
  const old: number[] = [];
  const done = unmapped.length;
  step(Op.clearPte, first);
  tables.pending.add(1);
  for (let index = 0; index < count; index++) {
    const entry = takeEntry(mem, first + index * 4, keep);
    if (entry === 0) continue;
    old.push(entry);
    unmapped.push(start + index * PAGE_SIZE);
  }
  for (const [index, entry] of old.entries()) {
    shootDown(tables, unmapped[done + index] as number, pageAddress(entry));
    if ((entry & Pte.anonymous) !== 0) freePage(mem, pageAddress(entry));
  }
  if (tables.pending.add(-1) > 1) shootDownRange(tables, start, end);
}

function takeEntry(mem: Memory, at: number, keepCopies: boolean): number {
  for (;;) {
    const entry = Atomics.load(mem.u32, at >>> 2);
    if (entry === 0 || (keepCopies && (entry & Pte.anonymous) !== 0)) return 0;
    if (swapEntry(mem, at, entry, 0)) return entry;
  }
}

/** The index, in words, of the TLB entry where a task has the translation if it has it. */
function tlbIndex(mem: Memory, task: number, address: number): number {
  const slot = task * TLB_ENTRIES + ((address >>> PAGE_SHIFT) & (TLB_ENTRIES - 1));
  return (mmuOf(mem).tlbsAt >>> 2) + slot * 2;
}

function tagOf(tables: PageTables, address: number): number {
  return pageAddress(address) + tables.id;
}

/** The physical address for a user address, of this task; 0 when it must fault first. */
export function translate(tables: PageTables, address: number, write: boolean): number {
  const { mem } = tables;
  const index = tlbIndex(mem, currentTask(), address);
  const cached = mem.u32[index] === tagOf(tables, address) ? (mem.u32[index + 1] as number) : 0;
  const physical = permitted(cached, address, write);
  return physical === 0 ? permitted(walk(tables, address), address, write) : physical;
}

function permitted(entry: number, address: number, write: boolean): number {
  const needed = write ? Pte.present | Pte.writable : Pte.present;
  return (entry & needed) === needed ? pageAddress(entry) + (address & OFFSET) : 0;
}

/** Reads an entry from the page tables into the TLB. */
function walk(tables: PageTables, address: number): number {
  const { mem, tasks } = tables;
  const at = entryAt(tables, address);
  if (at === 0) return 0;
  step(Op.walk, at);
  const task = currentTask();
  // Before the entry is read: who clears an entry then looks which tasks may have it.
  if ((tasks.load() & (1 << task)) === 0) tasks.or(1 << task);
  enter(mem, task);
  const entry = Atomics.load(mem.u32, at >>> 2);
  if (entry !== 0) {
    const index = tlbIndex(mem, task, address);
    mem.u32[index + 1] = entry;
    Atomics.store(mem.u32, index, tagOf(tables, address));
  }
  leave(mem, task);
  return entry;
}

/**
 * Starts an access to the physical address that translate gave and the caller then announced: false when
 * the translation is no longer that one.  Until endAccess nothing may throw, sleep or step.
 */
export function beginAccess(tables: PageTables, address: number, write: boolean, physical: number): boolean {
  const { mem } = tables;
  const task = currentTask();
  enter(mem, task);
  const index = tlbIndex(mem, task, address);
  const same = Atomics.load(mem.u32, index) === tagOf(tables, address);
  if (same && permitted(mem.u32[index + 1] as number, address, write) === physical) return true;
  leave(mem, task);
  return false;
}

export function endAccess(mem: Memory): void {
  leave(mem, currentTask());
}

/** Only its own task writes a guard. */
function guardIndex(mem: Memory, task: number): number {
  return (mmuOf(mem).guardsAt + task * GUARD_SIZE) >>> 2;
}

function enter(mem: Memory, task: number): void {
  const guard = guardIndex(mem, task);
  Atomics.store(mem.i32, guard, (mem.i32[guard] as number) | 1);
}

function leave(mem: Memory, task: number): void {
  const guard = guardIndex(mem, task);
  Atomics.store(mem.i32, guard, (mem.i32[guard] as number) + 1);
}

/**
 * Takes the translation of a user address out of every TLB, after its entry has been cleared.  Returns
 * when no task can use it any more.  `physical` is the page it led to: what the step announces, for
 * that is where the accesses it ends are announced.
 */
function shootDown(tables: PageTables, address: number, physical: number): void {
  const { mem } = tables;
  step(Op.shootDown, physical);
  const tasks = tables.tasks.load();
  const tag = tagOf(tables, address);
  const self = currentTask();
  for (let task = 0; task < TASK_SLOTS; task++) {
    if ((tasks & (1 << task)) === 0) continue;
    // A task inside a walk may be about to fill its TLB with the old entry: first let it out, then wipe.
    if (task !== self) waitOutside(mem, task);
    Atomics.compareExchange(mem.u32, tlbIndex(mem, task, address), tag, 0);
    if (task !== self) waitOutside(mem, task);
  }
}

/** The same for all of a range that any task has a translation of, whoever has cleared their entries. */
function shootDownRange(tables: PageTables, start: number, end: number): void {
  const { mem } = tables;
  const self = currentTask();
  const tasks = tables.tasks.load();
  let announced = false;
  for (let task = 0; task < TASK_SLOTS; task++) {
    if ((tasks & (1 << task)) === 0) continue;
    if (task !== self) waitOutside(mem, task);
    const first = (mmuOf(mem).tlbsAt >>> 2) + task * TLB_ENTRIES * 2;
    for (let index = first; index < first + TLB_ENTRIES * 2; index += 2) {
      const tag = Atomics.load(mem.u32, index);
      const page = pageAddress(tag);
      if (tag === 0 || tagOf(tables, page) !== tag || page < pageAddress(start) || page >= end) continue;
      if (!announced) step(Op.shootDown, pageAddress(mem.u32[index + 1] as number));
      announced = true;
      Atomics.compareExchange(mem.u32, index, tag, 0);
    }
    if (task !== self) waitOutside(mem, task);
  }
}

const SPINS = 1000;
const PATIENCE = 30_000; // waits of a millisecond

/** Waits until a task has left the access it is in, if it is in one. */
function waitOutside(mem: Memory, task: number): void {
  const guard = guardIndex(mem, task);
  const seen = Atomics.load(mem.i32, guard);
  if ((seen & 1) === 0) return;
  for (let round = 0; Atomics.load(mem.i32, guard) === seen; round++) {
    if (round < SPINS) continue;
    if (header(mem).halted.load() !== 0) throw new Halted();
    if (round > SPINS + PATIENCE) bug(`task ${task} never came out of an access to user memory`);
    Atomics.wait(mem.i32, guard, seen, 1); // nobody notifies: the access costs the waiting, not the task
  }
}
