// Page tables, TLBs and the pools under them, without address spaces.

import { beforeEach, expect, test } from "vitest";
import { runAs } from "../../src/machine/cpu.ts";
import { Bug, Errno, Halted } from "../../src/machine/errors.ts";
import { allocate, createMemory, header } from "../../src/machine/layout.ts";
import { HOST_TASK, MIB, TASK_SLOTS } from "../../src/machine/limits.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import {
  addTables,
  beginAccess,
  clearEntries,
  endAccess,
  freeTables,
  initMmu,
  newTables,
  PageTables,
  Pte,
  readEntry,
  replaceEntry,
  setEntry,
  translate,
} from "../../src/machine/mmu.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import {
  allocatePage,
  claimSlot,
  freePage,
  initPagePool,
  initSlots,
  releaseSlot,
  Slots,
  zeroPage,
} from "../../src/machine/pool.ts";

const USER = 0x7fff_f000;
const SHARED = Pte.present | Pte.writable;

let mem: Memory;
let tables: PageTables;

beforeEach(() => {
  mem = createMemory(1 * MIB);
  initPagePool(mem);
  initMmu(mem);
  tables = PageTables.of(mem, allocate(mem, PageTables));
  newTables(tables, 1);
  addTables(tables, USER, USER + 4 * PAGE_SIZE);
});

const media = (page: number): number => mediaAt(mem, page * PAGE_SIZE);

test("slots are claimed from the lowest on, up to their count, and once each", () => {
  const slots = Slots.of(mem, allocate(mem, Slots));
  initSlots(slots, 70);
  expect(Array.from({ length: 71 }, () => claimSlot(slots))).toEqual([...Array(70).keys(), -1]);
  releaseSlot(slots, 33);
  releaseSlot(slots, 31);
  releaseSlot(slots, 69);
  expect([claimSlot(slots), claimSlot(slots), claimSlot(slots), claimSlot(slots)]).toEqual([31, 33, 69, -1]);
  releaseSlot(slots, 32);
  expect(() => releaseSlot(slots, 32)).toThrow(Bug);
});

test("every page of the area is given out once, and none is the page of zeros", () => {
  const seen = new Set<number>([zeroPage(mem)]);
  const before = seen.size;
  let count = 0;
  for (let page = allocatePage(mem); page !== 0; page = allocatePage(mem)) {
    seen.add(page);
    count += 1;
  }
  expect(seen.size - before).toBe(count);
  expect(count).toBe(header(mem).pages.length / PAGE_SIZE - 4); // zeros, the root and two tables
  expect(newTables(PageTables.of(mem, allocate(mem, PageTables)), 2)).toBe(-Errno.ENOMEM);
  expect(addTables(tables, 0, PAGE_SIZE)).toBe(-Errno.ENOMEM);
});

test("an entry translates the addresses of its page, on both sides of a table's border", () => {
  setEntry(tables, USER, media(3) + Pte.present);
  setEntry(tables, USER + PAGE_SIZE, media(200) + SHARED);
  expect(translate(tables, USER + 0xabc, false)).toBe(media(3) + 0xabc);
  expect(translate(tables, USER + 0xabc, true)).toBe(0);
  expect(translate(tables, USER + PAGE_SIZE, true)).toBe(media(200));
  expect(translate(tables, USER + 2 * PAGE_SIZE, false)).toBe(0);
  expect(translate(tables, 0x1000, false)).toBe(0);
});

test("two spaces have translations of their own for one address", () => {
  const other = PageTables.of(mem, allocate(mem, PageTables));
  newTables(other, 2);
  addTables(other, USER, USER + PAGE_SIZE);
  setEntry(tables, USER, media(1) + SHARED);
  expect(translate(tables, USER, false)).toBe(media(1));
  expect(translate(other, USER, false)).toBe(0);
  setEntry(other, USER, media(2) + SHARED);
  expect([translate(other, USER, false), translate(tables, USER, false)]).toEqual([media(2), media(1)]);
});

test("pages that share a place in the TLB do not get each other's translation", () => {
  addTables(tables, USER, USER + 64 * PAGE_SIZE);
  for (let page = 0; page < 64; page++) setEntry(tables, USER + page * PAGE_SIZE, media(page) + SHARED);
  for (let round = 0; round < 2; round++) {
    for (let page = 0; page < 64; page++) {
      expect(translate(tables, USER + page * PAGE_SIZE, true)).toBe(media(page));
    }
  }
});

test("clearing entries takes them out of the TLB of every task, and leaves the others", () => {
  for (let page = 0; page < 4; page++) setEntry(tables, USER + page * PAGE_SIZE, media(page) + SHARED);
  const everywhere = (page: number): number[] =>
    Array.from({ length: TASK_SLOTS }, (_, task) => {
      runAs(task);
      const physical = translate(tables, USER + page * PAGE_SIZE, true);
      const valid = physical !== 0 && beginAccess(tables, USER + page * PAGE_SIZE, true, physical);
      if (valid) endAccess(mem);
      return valid ? physical : 0;
    });
  for (let page = 0; page < 4; page++) expect(everywhere(page)).toEqual(Array(TASK_SLOTS).fill(media(page)));
  runAs(3);
  expect(clearEntries(tables, USER, USER + 3 * PAGE_SIZE, false)).toHaveLength(3);
  for (let page = 0; page < 3; page++) expect(everywhere(page)).toEqual(Array(TASK_SLOTS).fill(0));
  expect(everywhere(3)).toEqual(Array(TASK_SLOTS).fill(media(3)));
  runAs(HOST_TASK);
});

test("an access whose translation changed after it was looked up does not begin", () => {
  setEntry(tables, USER, media(1) + SHARED);
  const physical = translate(tables, USER, true);
  setEntry(tables, USER, media(2) + SHARED);
  expect(beginAccess(tables, USER, true, physical)).toBe(false);
  expect(translate(tables, USER, true)).toBe(media(2));
  expect(beginAccess(tables, USER, true, media(2))).toBe(true);
  endAccess(mem);
});

test("private copies stay when told so, and are freed when not", () => {
  const copy = allocatePage(mem);
  setEntry(tables, USER, copy + (SHARED | Pte.anonymous));
  setEntry(tables, USER + PAGE_SIZE, media(1) + SHARED);
  expect(clearEntries(tables, USER, USER + 2 * PAGE_SIZE, true)).toEqual([USER + PAGE_SIZE]);
  expect(translate(tables, USER, true)).toBe(copy);
  expect(clearEntries(tables, USER, USER + 2 * PAGE_SIZE, false)).toEqual([USER]);
  expect(allocatePage(mem)).toBe(copy);
});

test("an entry is replaced only while it is what the caller saw", () => {
  const copy = allocatePage(mem) + (SHARED | Pte.anonymous);
  setEntry(tables, USER, media(1) + Pte.present);
  const old = readEntry(tables, USER);
  setEntry(tables, USER, media(2) + Pte.present);
  expect(replaceEntry(tables, USER, old, copy)).toBe(false);
  expect(readEntry(tables, USER)).toBe(media(2) + Pte.present);
  expect(replaceEntry(tables, USER, media(2) + Pte.present, copy)).toBe(true);
  expect(readEntry(tables, USER)).toBe(copy);
});

test("tables that are freed give back every page they had", () => {
  const first = allocatePage(mem);
  freePage(mem, first);
  const other = PageTables.of(mem, allocate(mem, PageTables));
  newTables(other, 2);
  addTables(other, 0, 64 * MIB);
  freeTables(other);
  expect(allocatePage(mem)).toBe(first);
});

test("a machine that is halted does not wait for a task that died inside an access", () => {
  setEntry(tables, USER, media(1) + SHARED);
  runAs(1);
  const physical = translate(tables, USER, true);
  expect(beginAccess(tables, USER, true, physical)).toBe(true);
  runAs(HOST_TASK);
  header(mem).halted.store(1);
  expect(() => clearEntries(tables, USER, USER + PAGE_SIZE, false)).toThrow(Halted);
});
