// mmap and munmap: where regions lie, how they are trimmed and split, and what the limits say.

import { beforeEach, expect, test } from "vitest";
import { array, assert as always, boolean, integer, nat, property, record } from "fast-check";
import { Errno } from "../../src/machine/errors.ts";
import { MAX_PROCESSES, MAX_VMAS } from "../../src/machine/limits.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { allocatePage, freePage } from "../../src/machine/pool.ts";
import { mapped, unmapRange } from "../../src/mm/mapping.ts";
import { freeSpace, mapRegion, unmapRegion } from "../../src/mm/region.ts";
import { findVma, newSpace, USER_END, USER_START, type AddressSpace } from "../../src/mm/space.ts";
import { loadUser, storeUser } from "../../src/mm/user.ts";
import { freePages, mapToy, space, toyMachine, type ToyFile } from "../support/toy-file.ts";

let mem: Memory;
let file: ToyFile;
let own: AddressSpace;

beforeEach(() => {
  ({ mem, file } = toyMachine());
  own = space(mem);
});

const firstByte = (at: number): number => {
  const bytes = loadUser(mem, own, at, 1);
  return typeof bytes === "number" ? bytes : (bytes[0] as number);
};
const shown = (at: number, pages: number): number[] =>
  Array.from({ length: pages }, (_, page) => firstByte(at + page * PAGE_SIZE));
const unmap = (at: number, pages: number): { result: number; released: number[] } => {
  const released: number[] = [];
  const result = unmapRegion(own, at, pages * PAGE_SIZE, (inodeAt) => released.push(inodeAt));
  return { result, released };
};
const GONE = -Errno.SIGSEGV;

test("a region is put at the lowest address with room, and its length rounded up to pages", () => {
  const first = mapToy(own, file, 2);
  const second = mapRegion(own, 1, true, true, file.mapping, file.at, 0);
  expect([first, second]).toEqual([USER_START, USER_START + 2 * PAGE_SIZE]);
  expect(firstByte(second + PAGE_SIZE - 1)).toBe(1);
  expect(firstByte(second + PAGE_SIZE)).toBe(GONE);
  unmap(first, 2);
  expect(mapToy(own, file, 3)).toBe(second + PAGE_SIZE);
  expect(mapToy(own, file, 2)).toBe(first);
});

test("unmapping the front, the back and the middle leaves the rest as it was", () => {
  const at = mapToy(own, file, 8);
  expect(shown(at, 8)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(unmap(at, 1)).toEqual({ result: 0, released: [] });
  expect(unmap(at + 7 * PAGE_SIZE, 1)).toEqual({ result: 0, released: [] });
  expect(unmap(at + 3 * PAGE_SIZE, 2)).toEqual({ result: 0, released: [] });
  expect(shown(at, 8)).toEqual([GONE, 2, 3, GONE, GONE, 6, 7, GONE]);
  unmapRange(file.mapping, 0, Infinity, true);
  expect(shown(at, 8)).toEqual([GONE, 2, 3, GONE, GONE, 6, 7, GONE]);
});

test("a region gives its file back once, with the last of its pieces", () => {
  const at = mapToy(own, file, 5);
  expect(unmap(at + 2 * PAGE_SIZE, 1).released).toEqual([]);
  expect(unmap(at, 2).released).toEqual([]);
  expect(mapped(file.mapping)).toBe(true);
  expect(unmap(at, 5).released).toEqual([file.at]);
  expect(mapped(file.mapping)).toBe(false);
  expect(unmap(at, 5)).toEqual({ result: 0, released: [] });
});

test("one unmapping can take several regions, whole and in part", () => {
  const at = mapToy(own, file, 2);
  mapToy(own, file, 2);
  mapToy(own, file, 2);
  expect(unmap(at + PAGE_SIZE, 4).released).toEqual([file.at]);
  expect(shown(at, 6)).toEqual([1, GONE, GONE, GONE, GONE, 2]);
});

test("what was unmapped is not seen in what is mapped there next", () => {
  const at = mapToy(own, file, 1, { shared: false });
  storeUser(mem, own, at, Uint8Array.of(77));
  expect(firstByte(at)).toBe(77);
  unmap(at, 1);
  expect(mapToy(own, file, 1, { firstPage: 3 })).toBe(at);
  expect(firstByte(at)).toBe(4);
});

test("wrong ranges are EINVAL, too long ones ENOMEM", () => {
  const at = mapToy(own, file, 1);
  expect(unmapRegion(own, at + 1, PAGE_SIZE)).toBe(-Errno.EINVAL);
  expect(unmapRegion(own, at, 0)).toBe(-Errno.EINVAL);
  expect(unmapRegion(own, USER_END - PAGE_SIZE, 2 * PAGE_SIZE)).toBe(-Errno.EINVAL);
  expect(mapRegion(own, 0, true, true, file.mapping, file.at, 0)).toBe(-Errno.EINVAL);
  expect(mapRegion(own, 2 ** 32, true, true, file.mapping, file.at, 0)).toBe(-Errno.ENOMEM);
  expect(firstByte(at)).toBe(1);
});

test("too many vmas are ENOMEM, for a split too, and then nothing is unmapped", () => {
  const at = mapToy(own, file, 3);
  for (let i = 1; i < MAX_VMAS; i++) mapToy(own, file, 1);
  expect(mapRegion(own, 1, true, true, file.mapping, file.at, 0)).toBe(-Errno.ENOMEM);
  expect(unmap(at + PAGE_SIZE, 1)).toEqual({ result: -Errno.ENOMEM, released: [] });
  expect(shown(at, 3)).toEqual([1, 2, 3]);
  expect(unmap(at + 3 * PAGE_SIZE, MAX_VMAS).released.length).toBe(MAX_VMAS - 1);
  expect(unmap(at + PAGE_SIZE, 1).result).toBe(0);
});

test("too many spaces are ENOMEM, until one is freed", () => {
  let last = own;
  for (let i = 1; i < MAX_PROCESSES; i++) last = space(mem);
  expect(newSpace(mem)).toBe(-Errno.ENOMEM);
  freeSpace(last);
  expect(typeof newSpace(mem)).toBe("object");
});

test("without free pages tables and private copies are ENOMEM, and shared stores still work", () => {
  const [shared, privately] = [mapToy(own, file, 1), mapToy(own, file, 2, { shared: false })];
  const other = space(mem);
  const taken: number[] = [];
  for (let page = allocatePage(mem); page !== 0; page = allocatePage(mem)) taken.push(page);
  expect(storeUser(mem, own, privately, Uint8Array.of(9))).toBe(-Errno.ENOMEM);
  expect(firstByte(privately)).toBe(1);
  expect(storeUser(mem, own, shared, Uint8Array.of(9))).toBe(1);
  expect(mapRegion(other, 1, true, true, file.mapping, file.at, 0)).toBe(-Errno.ENOMEM);
  expect(newSpace(mem)).toBe(-Errno.ENOMEM);
  for (const page of taken) freePage(mem, page);
  expect(storeUser(mem, own, privately, Uint8Array.of(9))).toBe(1);
  expect(typeof newSpace(mem)).toBe("object");
});

test("a space that is freed gives back all its pages and files", () => {
  const before = freePages(mem);
  const other = space(mem);
  const at = mapToy(other, file, 8, { shared: false });
  mapToy(other, file, 2000);
  for (let page = 0; page < 8; page++) storeUser(mem, other, at + page * PAGE_SIZE, Uint8Array.of(1));
  expect(freePages(mem)).toBeLessThan(before - 8);
  const released: number[] = [];
  freeSpace(other, (inodeAt) => released.push(inodeAt));
  expect(released).toEqual([file.at, file.at]);
  expect(freePages(mem)).toBe(before);
});

test("any sequence of mappings and unmappings shows what a list of pages says", () => {
  const PAGES = 24;
  const action = record({
    map: boolean(),
    start: nat(PAGES - 1),
    length: integer({ min: 1, max: 8 }),
  });
  always(
    property(array(action, { maxLength: 30 }), (actions) => {
      const tested = space(mem);
      const model = new Map<number, number>(); // user page -> file page
      for (const { map, start, length } of actions) {
        if (map) {
          const at = mapRegion(tested, length * PAGE_SIZE, false, true, file.mapping, file.at, start);
          for (let i = 0; i < length; i++) {
            expect(model.has(at + i * PAGE_SIZE)).toBe(false);
            model.set(at + i * PAGE_SIZE, start + i);
          }
        } else {
          unmapRegion(tested, USER_START + start * PAGE_SIZE, length * PAGE_SIZE);
          for (let i = 0; i < length; i++) model.delete(USER_START + (start + i) * PAGE_SIZE);
        }
      }
      for (let page = 0; page < 2 * PAGES; page++) {
        const address = USER_START + page * PAGE_SIZE;
        const vma = findVma(tested, address);
        const got = vma === undefined ? undefined : vma.firstPage + (address - vma.start) / PAGE_SIZE;
        expect(got).toBe(model.get(address));
      }
      freeSpace(tested);
    }),
    { numRuns: 200 },
  );
});
