// mm under real threads: tasks store, load, map and unmap at once, on however many cores there are.

import { afterAll, beforeEach, expect, test } from "vitest";
import { allocate, header } from "../../src/machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { allocatePage, freePage } from "../../src/machine/pool.ts";
import type { ViewOf } from "../../src/machine/struct.ts";
import { mapped } from "../../src/mm/mapping.ts";
import { freeSpace } from "../../src/mm/region.ts";
import { findVma, type AddressSpace } from "../../src/mm/space.ts";
import { loadUser } from "../../src/mm/user.ts";
import { filePage, mapToy, space, toyMachine, type ToyFile } from "../support/toy-file.ts";
import { startThreads } from "../support/threads.ts";
import { OWNER, Stress } from "./stress-bodies.ts";

const PAGES = 256;
const threads = startThreads(4, new URL("./stress-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

let mem: Memory;
let file: ToyFile;
let own: AddressSpace;
let it: ViewOf<typeof Stress>;

beforeEach(() => {
  ({ mem, file } = toyMachine(PAGES));
  own = space(mem);
  it = Stress.of(mem, allocate(mem, Stress));
  it.spaceAt = own.at;
});

const run = (names: string[], rounds: number): Promise<unknown[]> => threads.run(mem, names, it.at, rounds);
const bytes = (at: number, length: number): number[] => {
  const loaded = loadUser(mem, own, at, length);
  if (typeof loaded === "number") throw new Error(`load: ${loaded}`);
  return [...loaded];
};

// Pages 0 and 16 have one place in the TLB: there every store walks the page tables.
test.each([0, 16])(
  "no store lands in page 0 after unmapRange returned (in turn with page %i)",
  async (other) => {
    header(mem).lockdep = 0; // longer in accesses than in locks
    it.address = mapToy(own, file, other + 1);
    it.other = other;
    const [landed, stores] = await run(["takePageAway", "storePages"], 100);
    expect(landed).toBe(0);
    expect(stores).toBeGreaterThanOrEqual(100);
  },
);

test.each([
  { where: "in the walk", names: ["takeAwayInWalk", "storeThroughWalk"], left: 1 },
  { where: "in the access", names: ["takeAwayInAccess", "storeThroughTlb"], left: OWNER },
])("unmapRange waits for a task that is held up $where", async ({ names, left }) => {
  it.address = mapToy(own, file, 1);
  const [landed] = await run(names, 1);
  expect(landed).toBe(0);
  expect(mem.u8[filePage(file, 0)]).toBe(left);
});

test("no store is lost that two tasks make to a shared page while it is unmapped again and again", async () => {
  it.address = mapToy(own, file, PAGES);
  it.busy.store(2);
  await run(["storeOwnByte", "storeOwnByte", "unmapAlways"], PAGES);
  for (let page = 0; page < PAGES; page++) {
    expect([...mem.read(filePage(file, page), 3)]).toEqual([101, 102, (page + 1) & 0xff]);
  }
});

test("two tasks that store to one private page get one copy with both stores", async () => {
  it.address = mapToy(own, file, PAGES, { shared: false });
  it.busy.store(3);
  await run(["storeOwnByte", "storeOwnByte", "storeOwnByte", "unmapAlways"], PAGES);
  for (let page = 0; page < PAGES; page++) {
    const filled = (page + 1) & 0xff;
    expect(bytes(it.address + page * PAGE_SIZE, 4)).toEqual([101, 102, 103, filled]);
    expect(mem.u8[filePage(file, page)]).toBe(filled);
  }
});

test("threads that map and unmap in one space see their own region only", async () => {
  it.busy.store(3);
  const wrong = await run(["mapAndUnmap", "mapAndUnmap", "mapAndUnmap", "unmapAlways"], 400);
  expect(wrong.slice(0, 3)).toEqual([0, 0, 0]);
  expect(own.firstVma).toBe(0);
  expect(findVma(own, it.address)).toBeUndefined();
  expect(mapped(file.mapping)).toBe(false);
});

test("no page is given to two tasks, and none is lost", async () => {
  const first = allocatePage(mem);
  freePage(mem, first);
  expect(await run(["takePages", "takePages", "takePages", "takePages"], 5000)).toEqual([0, 0, 0, 0]);
  expect(allocatePage(mem)).toBe(first);
  freeSpace(own);
});
