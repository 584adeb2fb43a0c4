import { expect, test } from "vitest";
import {
  allocate,
  allocateControl,
  attachMemory,
  createMemory,
  describe as place,
  header,
  machineLength,
  Root,
  rootAt,
  rootView,
  setRoot,
  strideOf,
  viewAt,
} from "../../src/machine/layout.ts";
import { GIB, MIB } from "../../src/machine/limits.ts";
import { Memory, PAGE_SIZE } from "../../src/machine/memory.ts";
import { array, atomic, bytes, embed, linePair, struct, u32, u8 } from "../../src/machine/struct.ts";

const Lock = struct("layout_test_lock", { count: atomic, owner: u32 });
const Thing = struct("layout_test_thing", { number: u32, name: bytes(5), flag: u8, lock: embed(Lock) });
const Own = struct("layout_test_own", { line: linePair, word: u32 });
const Table = struct("layout_test_table", { count: u32, own: array(Own, 3) });

test("a machine of the wrong size is refused before anything is allocated", () => {
  for (const size of [0, 1 * MIB - 1, 2 * GIB + 1, Number.NaN]) {
    expect(() => createMemory(size)).toThrow("the persistent memory has 1 MiB to 2 GiB");
  }
});

test("the largest machine can be addressed with 32 bits", () => {
  expect(machineLength(2 * GIB)).toBeLessThan(4 * GIB);
});

test("what one thread laid out is found by another that has only the memory", () => {
  const mem = createMemory(1 * MIB);
  const at = allocate(mem, Thing);
  setRoot(mem, Root.engine, at);
  Thing.of(mem, at).number = 5;
  const other = attachMemory(mem.wasm);
  expect(rootView(other, Root.engine, Thing).number).toBe(5);
  expect(header(other).media.length).toBe(1 * MIB);
});

test("a memory without a machine is refused", () => {
  expect(() => attachMemory(Memory.create(65536).wasm)).toThrow("the memory holds a machine");
});

test("a root that nobody set is a bug, not a view of address 0", () => {
  const mem = createMemory(1 * MIB);
  expect(rootAt(mem, Root.journal)).toBe(0);
  expect(() => rootView(mem, Root.journal, Thing)).toThrow("the machine has a layout_test_thing");
});

test("views of roots and of the slab are made once", () => {
  const mem = createMemory(1 * MIB);
  const at = allocate(mem, Thing, 2);
  setRoot(mem, Root.engine, at);
  expect(rootView(mem, Root.engine, Thing)).toBe(rootView(mem, Root.engine, Thing));
  expect(viewAt(mem, Thing, at + strideOf(Thing))).toBe(viewAt(mem, Thing, at + strideOf(Thing)));
});

test("allocations never overlap, and each starts a cache line of its own", () => {
  const mem = createMemory(1 * MIB);
  let end = 0;
  for (const count of [1, 3, 1, 20]) {
    const at = allocate(mem, Thing, count);
    expect(at % 64).toBe(0);
    expect(at).toBeGreaterThanOrEqual(end);
    end = at + strideOf(Thing) * count;
  }
  allocate(mem, Thing);
  expect(allocate(mem, Own) % 128).toBe(0);
  const [first, second] = [allocateControl(mem, 1), allocateControl(mem, 65)];
  expect([second - first, allocateControl(mem, 1) - second]).toEqual([64, 128]);
});

test("a full slab, control area or table of objects is a bug", () => {
  const mem = createMemory(1 * MIB);
  const { slab, control } = header(mem);
  expect(() => allocate(mem, Thing, slab.length / strideOf(Thing) + 1)).toThrow("the slab is full");
  expect(() => allocateControl(mem, control.length + 1)).toThrow("the control area is full");
  const other = createMemory(1 * MIB);
  for (let i = 0; i < 256; i++) allocate(other, Lock);
  expect(() => allocate(other, Lock)).toThrow("the objects table is full");
});

test("an address in the slab is named by object, index and field, through structs inside and arrays of them", () => {
  const mem = createMemory(1 * MIB);
  const one = Thing.of(mem, allocate(mem, Thing));
  const many = allocate(mem, Lock, 4);
  const third = Lock.of(mem, many + 3 * strideOf(Lock));
  const table = Table.of(mem, allocate(mem, Table));
  expect(place(mem, one.lock.at)).toBe("layout_test_thing.lock.count");
  expect(place(mem, one.lock.at + 4)).toBe("layout_test_thing.lock.owner");
  expect(place(mem, one.name + 4)).toBe("layout_test_thing.name");
  expect(place(mem, third.count.at)).toBe("layout_test_lock#3.count");
  expect(place(mem, table.own[2]?.at ?? 0)).toBe("layout_test_table.own#2.word");
  expect(place(mem, (table.own[1]?.at ?? 0) + 64)).toBe("layout_test_table.own#1");
});

test("an address between fields or between objects claims no field", () => {
  const mem = createMemory(1 * MIB);
  const one = Thing.of(mem, allocate(mem, Thing));
  const padding = one.name + 6; // behind flag, before lock
  expect(place(mem, padding)).toBe("layout_test_thing");
  const { slab } = header(mem);
  expect(place(mem, slab.start + slab.length - 8)).toBe(`slab + 0x${(slab.length - 8).toString(16)}`);
});

test("an address in another area is named by the area's page", () => {
  const mem = createMemory(1 * MIB);
  const { media, buffers, pages } = header(mem);
  expect(place(mem, media.start)).toBe("media block 0");
  expect(place(mem, media.start + media.length - 1)).toBe("media block 255 + 0xfff");
  expect(place(mem, buffers.start + 2 * PAGE_SIZE)).toBe("buffer 2");
  expect(place(mem, pages.start + 8)).toBe("page 0 + 0x8");
  expect(place(mem, 0x1234)).toBe("0x1234");
});

test("a memory that is taken over from another machine is as a new one", () => {
  const used = createMemory(1 * MIB);
  const at = allocate(used, struct("taken_over_for_test", { word: u32 }), 10);
  const own = allocateControl(used, 256);
  const { slab, buffers, pages, media } = header(used);
  for (const address of [
    at,
    own,
    slab.start,
    buffers.start,
    pages.start,
    media.start + 5,
    media.start + MIB - 1,
  ]) {
    used.u8[address] = 0xff;
  }
  used.u8[header(used).undo.start - 1] = 0xff;
  const fresh = createMemory(1 * MIB);
  const again = createMemory(1 * MIB, used);
  const end = header(fresh).undo.start;
  expect(again.buffer).toBe(used.buffer);
  expect(Buffer.compare(again.read(0, end), fresh.read(0, end))).toBe(0);
});
