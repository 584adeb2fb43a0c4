import { expect, test } from "vitest";
import { allocate, createMemory, describe as place, header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import { PAGE_SIZE } from "../../src/machine/memory.ts";
import { mediaAt, storeFill } from "../../src/machine/pmem.ts";
import {
  hashState,
  initSnapshot,
  restoreSnapshot,
  takeSnapshot,
  touchedSince,
} from "../../src/machine/snapshot.ts";
import { embed, struct, u32, atomic } from "../../src/machine/struct.ts";

const Inner = struct("inner_for_test", { count: atomic, waiting: u32 });
const Outer = struct("outer_for_test", { number: u32, lock: embed(Inner) });

function machine() {
  const mem = createMemory(1 * MIB);
  initSnapshot(mem);
  return mem;
}

test("restore brings back the slab and every touched page, and nothing else is copied", () => {
  const mem = machine();
  const outer = Outer.of(mem, allocate(mem, Outer));
  outer.number = 5;
  takeSnapshot(mem);
  outer.number = 6;
  outer.lock.count.store(9);
  storeFill(mem, mediaAt(mem, 3 * PAGE_SIZE - 10), 0xaa, 20);
  expect(touchedSince(mem).length).toBe(2);
  restoreSnapshot(mem);
  expect(outer.number).toBe(5);
  expect(outer.lock.count.load()).toBe(0);
  expect(mem.read(mediaAt(mem, 3 * PAGE_SIZE - 10), 20)).toEqual(new Uint8Array(20));
  expect(touchedSince(mem).length).toBe(0);
});

test("the state's hash tells different states apart and does not depend on the order of touching", () => {
  const mem = machine();
  const [first, second] = [mediaAt(mem, 0), mediaAt(mem, 5 * PAGE_SIZE)];
  takeSnapshot(mem);
  const clean = hashState(mem);
  const after = (work: () => void): number => {
    work();
    const hash = hashState(mem);
    restoreSnapshot(mem);
    return hash;
  };
  const one = after(() => {
    storeFill(mem, first, 1, 8);
    storeFill(mem, second, 2, 8);
  });
  const other = after(() => {
    storeFill(mem, second, 2, 8);
    storeFill(mem, first, 1, 8);
  });
  expect(other).toBe(one);
  expect(one).not.toBe(clean);
  expect(after(() => storeFill(mem, first, 1, 9))).not.toBe(after(() => storeFill(mem, first, 1, 8)));
  expect(after(() => storeFill(mem, first, 0, 9))).toBe(clean);
  expect(Number.isSafeInteger(one)).toBe(true);
});

test("an address is described by the struct and field it lies in", () => {
  const mem = machine();
  allocate(mem, Inner);
  const at = allocate(mem, Outer, 3);
  const second = Outer.of(mem, at + Outer.size + ((8 - (Outer.size % 8)) % 8));
  expect(place(mem, second.lock.count.at)).toBe("outer_for_test#1.lock.count");
  expect(place(mem, header(mem).media.start + PAGE_SIZE + 16)).toBe("media block 1 + 0x10");
});
