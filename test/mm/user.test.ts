// Loads, stores and copies through mappings, one task at a time.

import { beforeEach, expect, test } from "vitest";
import { Errno } from "../../src/machine/errors.ts";
import { header } from "../../src/machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { handleFault } from "../../src/mm/fault.ts";
import {
  forEachPte,
  installCopy,
  installPage,
  installZeroPage,
  pageOf,
  unmapRange,
} from "../../src/mm/mapping.ts";
import { findVma, USER_END, type AddressSpace, type Vma } from "../../src/mm/space.ts";
import {
  copyFromUser,
  copyFromUserNoFault,
  copyToUser,
  copyToUserNoFault,
  faultIn,
  loadUser,
  storeUser,
  userAddress,
  userBytes,
} from "../../src/mm/user.ts";
import {
  filePage,
  freePages,
  mapToy,
  serveToy,
  space,
  toyMachine,
  type ToyFile,
} from "../support/toy-file.ts";

let mem: Memory;
let file: ToyFile;
let own: AddressSpace;

beforeEach(() => {
  ({ mem, file } = toyMachine());
  own = space(mem);
});

const load = (at: number, length: number, from = own): number[] => {
  const bytes = loadUser(mem, from, at, length);
  if (typeof bytes === "number") throw new Error(`load: ${bytes}`);
  return [...bytes];
};
const vmaOf = (at: number, of = own): Vma => {
  const vma = findVma(of, at);
  if (vma === undefined) throw new Error("no vma");
  return vma;
};
const store = (at: number, ...bytes: number[]): number => storeUser(mem, own, at, Uint8Array.from(bytes));

test("a shared mapping shows the file's bytes, and stores reach the media", () => {
  const at = mapToy(own, file, 4);
  expect(load(at + PAGE_SIZE - 2, 4)).toEqual([1, 1, 2, 2]);
  expect(store(at + PAGE_SIZE - 1, 7, 8)).toBe(2);
  expect(mem.u8[filePage(file, 1) - 1]).toBe(7);
  expect(mem.u8[filePage(file, 1)]).toBe(8);
});

test("a mapping starts at the file page it was asked for", () => {
  const at = mapToy(own, file, 2, { firstPage: 5 });
  expect(load(at, 1)).toEqual([6]);
  expect(load(at + PAGE_SIZE, 1)).toEqual([7]);
});

test("a second access to a page does not fault, a store after a load does once", () => {
  const at = mapToy(own, file, 4);
  load(at, 8);
  load(at + 100, 8);
  expect(file.faults).toBe(1);
  file.holes = 1;
  unmapRange(file.mapping, 0, 0, false);
  load(at, 8);
  expect(store(at, 1)).toBe(1);
  expect(store(at, 2)).toBe(1);
  expect(file.faults).toBe(3);
});

test("no vma and no permission are SIGSEGV, beyond the end of the file is SIGBUS", () => {
  const at = mapToy(own, file, 9, { writable: false });
  expect(loadUser(mem, own, at - 1, 1)).toBe(-Errno.SIGSEGV);
  expect(loadUser(mem, own, USER_END, 1)).toBe(-Errno.SIGSEGV);
  expect(loadUser(mem, own, 2 ** 32 + at, 1)).toBe(-Errno.SIGSEGV);
  expect(store(at, 1)).toBe(-Errno.SIGSEGV);
  expect(loadUser(mem, own, at + 8 * PAGE_SIZE, 1)).toBe(-Errno.SIGBUS);
});

test("loads and stores that reach a page they cannot have stop before it", () => {
  const at = mapToy(own, file, 9);
  expect(load(at + 8 * PAGE_SIZE - 3, 10)).toEqual([8, 8, 8]);
  expect(store(at + 8 * PAGE_SIZE - 2, 1, 2, 3, 4)).toBe(2);
  expect(load(at + 8 * PAGE_SIZE - 2, 2)).toEqual([1, 2]);
});

test("a store to a private mapping changes neither the file nor another mapping", () => {
  const other = space(mem);
  const at = mapToy(own, file, 2, { shared: false });
  const there = mapToy(other, file, 2);
  expect(store(at + 5, 99)).toBe(1);
  expect(load(at + 4, 3)).toEqual([1, 99, 1]);
  expect(load(there + 4, 3, other)).toEqual([1, 1, 1]);
  expect(mem.u8[filePage(file, 0) + 5]).toBe(1);
  expect(storeUser(mem, other, there + 4, Uint8Array.of(50, 51))).toBe(2);
  expect(load(at + 4, 3)).toEqual([1, 99, 1]);
});

test("a private page follows the file until it is stored to", () => {
  const at = mapToy(own, file, 1, { shared: false });
  expect(load(at, 1)).toEqual([1]);
  mem.fill(filePage(file, 0), 42, PAGE_SIZE);
  expect(load(at, 1)).toEqual([42]);
  store(at, 1);
  mem.fill(filePage(file, 0), 43, PAGE_SIZE);
  expect(load(at, 2)).toEqual([1, 42]);
});

test("a store to a private hole copies zeros", () => {
  file.holes = 1;
  const at = mapToy(own, file, 1, { shared: false });
  expect(store(at + 1, 5)).toBe(1);
  expect(load(at, 3)).toEqual([0, 5, 0]);
  expect(pageOf(vmaOf(at), 0)).toMatchObject({ zero: false, anonymous: true, writable: true });
});

test("unmapping a range spares private copies unless told otherwise", () => {
  const at = mapToy(own, file, 1, { shared: false });
  store(at, 77);
  unmapRange(file.mapping, 0, Infinity, false);
  expect(load(at, 1)).toEqual([77]);
  unmapRange(file.mapping, 0, Infinity, true);
  expect(load(at, 1)).toEqual([1]);
});

test("unmapping a range reaches all spaces, these pages and no others", () => {
  const other = space(mem);
  const [at, there] = [mapToy(own, file, 8), mapToy(other, file, 4, { firstPage: 2 })];
  for (let page = 0; page < 8; page++) load(at + page * PAGE_SIZE, 1);
  for (let page = 0; page < 4; page++) load(there + page * PAGE_SIZE, 1, other);
  unmapRange(file.mapping, 3, 4, false);
  const left: string[] = [];
  forEachPte(file.mapping, (vma, page) => left.push(`${vma.space === own.at ? "own" : "other"} ${page}`));
  expect(left.toSorted()).toEqual([
    "other 2",
    "other 5",
    "own 0",
    "own 1",
    "own 2",
    "own 5",
    "own 6",
    "own 7",
  ]);
  file.firstBlock += 100;
  mem.fill(mediaAt(mem, file.firstBlock * PAGE_SIZE), 200, 8 * PAGE_SIZE);
  expect(load(at + 3 * PAGE_SIZE, 1)).toEqual([200]);
  expect(load(there + 2 * PAGE_SIZE, 1, other)).toEqual([200]);
});

test("a page of media takes the zero page's place, and never the other way round", () => {
  const at = mapToy(own, file, 1);
  const vma = vmaOf(at);
  installZeroPage(vma, 0);
  expect(load(at, 1)).toEqual([0]);
  installPage(vma, 0, filePage(file, 0), false);
  expect(load(at, 1)).toEqual([1]);
  installZeroPage(vma, 0);
  expect(load(at, 1)).toEqual([1]);
  expect(pageOf(vma, 0)).toEqual({
    address: filePage(file, 0),
    zero: false,
    writable: false,
    anonymous: false,
  });
});

test("an installed page is writable in a shared writable mapping only", () => {
  const shared = vmaOf(mapToy(own, file, 1));
  const readOnly = vmaOf(mapToy(own, file, 1, { writable: false }));
  const privately = vmaOf(mapToy(own, file, 1, { shared: false }));
  for (const vma of [shared, readOnly, privately]) installPage(vma, 0, filePage(file, 0), true);
  expect([shared, readOnly, privately].map((vma) => pageOf(vma, 0)?.writable)).toEqual([true, false, false]);
  installPage(shared, 0, filePage(file, 0), false);
  expect(pageOf(shared, 0)?.writable).toBe(true);
});

test("a private copy is not replaced by a page of media or by another copy", () => {
  const at = mapToy(own, file, 1, { shared: false });
  store(at, 66);
  installPage(vmaOf(at), 0, filePage(file, 0), false);
  expect(load(at, 1)).toEqual([66]);
  const before = freePages(mem);
  expect(installCopy(vmaOf(at), 0, 0)).toBe(0);
  expect(freePages(mem)).toBe(before);
  expect(load(at, 1)).toEqual([66]);
});

test("a fault that finds its page unmapped again is retried until the access succeeds", () => {
  const at = mapToy(own, file, 1);
  let lost = 3;
  mem.faultHandler = (memory, address, write) => {
    const result = handleFault(memory, address, write, serveToy);
    if (lost > 0) {
      lost -= 1;
      unmapRange(file.mapping, 0, 0, false);
    }
    return result;
  };
  expect(store(at, 9)).toBe(1);
  expect(file.faults).toBe(4);
  expect(mem.u8[filePage(file, 0)]).toBe(9);
});

test("a system call copies plain bytes in and out, and zeros from nowhere", () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
  const to = filePage(file, 2) + 50;
  expect(copyFromUser(mem, to, userBytes(bytes), 10, 80)).toBe(0);
  const back = new Uint8Array(90).fill(255);
  expect(copyToUser(mem, userBytes(back), 5, to, 80)).toBe(0);
  expect([...back.subarray(5, 85)]).toEqual([...bytes.subarray(10, 90)]);
  expect([back[4], back[85], mem.u8[to - 1], mem.u8[to + 80]]).toEqual([255, 255, 3, 3]);
  expect(copyToUser(mem, userBytes(back), 1, 0, 80)).toBe(0);
  expect([back[0], back[1], back[80], back[81]]).toEqual([255, 0, 0, bytes[86]]);
});

test("a copy from and to mapped memory faults the pages in, across their border", () => {
  const at = mapToy(own, file, 4);
  const buffer = userAddress(own, at + PAGE_SIZE - 10, 20);
  expect(copyFromUser(mem, filePage(file, 5), buffer, 0, 20)).toBe(0);
  expect(mem.read(filePage(file, 5), 21)).toEqual(
    Uint8Array.of(...Array(10).fill(1), ...Array(10).fill(2), 6),
  );
  expect(copyToUser(mem, userAddress(own, at + 2 * PAGE_SIZE - 10, 20), 0, filePage(file, 7), 20)).toBe(0);
  expect(load(at + 2 * PAGE_SIZE - 11, 22)).toEqual([2, ...Array(20).fill(8), 3]);
  expect(copyToUser(mem, userAddress(own, at, 3 * PAGE_SIZE), 1, 0, 2 * PAGE_SIZE)).toBe(0);
  expect(load(at, 2)).toEqual([1, 0]);
  expect(load(at + 2 * PAGE_SIZE, 2)).toEqual([0, 8]);
});

test("a copy from memory that cannot be read is EFAULT, and copies nothing", () => {
  const at = mapToy(own, file, 9);
  const buffer = userAddress(own, at + 8 * PAGE_SIZE - 4, 8);
  expect(copyFromUser(mem, filePage(file, 0), buffer, 0, 8)).toBe(-Errno.EFAULT);
  expect(mem.u8[filePage(file, 0)]).toBe(1);
  expect(copyToUser(mem, userAddress(own, 4096, 8), 0, filePage(file, 0), 8)).toBe(-Errno.EFAULT);
});

test("a copy that may not fault gives EFAULT until the page was brought in", () => {
  const at = mapToy(own, file, 2);
  const buffer = userAddress(own, at, 8);
  expect(copyFromUserNoFault(mem, filePage(file, 5), buffer, 0, 8)).toBe(-Errno.EFAULT);
  expect(file.faults).toBe(0);
  expect(faultIn(buffer, 0, 8, false)).toBe(0);
  expect(copyFromUserNoFault(mem, filePage(file, 5), buffer, 0, 8)).toBe(0);
  expect(mem.u8[filePage(file, 5)]).toBe(1);
  file.holes = 2;
  load(at + PAGE_SIZE, 1);
  const second = userAddress(own, at + PAGE_SIZE, 8);
  expect(copyToUserNoFault(mem, second, 0, filePage(file, 5), 8)).toBe(-Errno.EFAULT);
  expect(faultIn(second, 0, 8, true)).toBe(0);
  expect(copyToUserNoFault(mem, second, 0, filePage(file, 5), 8)).toBe(0);
  expect(faultIn(userAddress(own, at + PAGE_SIZE, 2 * PAGE_SIZE), 0, 2 * PAGE_SIZE, false)).toBe(
    -Errno.EFAULT,
  );
});

test("smaller pieces copy the same bytes", () => {
  header(mem).piece = 64;
  const at = mapToy(own, file, 4);
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i);
  expect(storeUser(mem, own, at + PAGE_SIZE - 130, bytes)).toBe(300);
  expect(load(at + PAGE_SIZE - 131, 302)).toEqual([1, ...bytes, 2]);
  const privately = mapToy(own, file, 1, { shared: false });
  store(privately + 4000, 1);
  expect(load(privately, PAGE_SIZE)).toEqual([
    ...mem.read(filePage(file, 0), 4000),
    1,
    ...mem.read(filePage(file, 0) + 4001, 95),
  ]);
});
