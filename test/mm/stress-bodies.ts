// What the tasks of stress.test.ts do, free running on real threads.

import { downWrite, upWrite } from "../../src/locks/rwsem.ts";
import { Op, runAs, type Engine } from "../../src/machine/cpu.ts";
import { viewAt } from "../../src/machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { pageAddress } from "../../src/machine/mmu.ts";
import { allocatePage, freePage } from "../../src/machine/pool.ts";
import { quiet, struct, u32, type ViewOf } from "../../src/machine/struct.ts";
import { unmapRange } from "../../src/mm/mapping.ts";
import { mapRegion, unmapRegion } from "../../src/mm/region.ts";
import { AddressSpace } from "../../src/mm/space.ts";
import { loadUser, storeUser } from "../../src/mm/user.ts";
import { filePage, serveFaults, toyFile } from "../support/toy-file.ts";

export const Stress = struct("mm_stress", {
  spaceAt: u32,
  address: u32,
  other: u32, // a page
  stop: quiet,
  turn: quiet,
  busy: quiet, // tasks that have not finished
});

/** What the new owner of an unmapped page puts there. */
export const OWNER = 0xee;

function begin(mem: Memory, at: number): { it: ViewOf<typeof Stress>; space: AddressSpace } {
  serveFaults(mem);
  const it = Stress.of(mem, at);
  return { it, space: viewAt(mem, AddressSpace, it.spaceAt) };
}

/** Ends a task's work; the last one stops those that only disturb. */
function finish(it: ViewOf<typeof Stress>): void {
  if (it.busy.add(-1) === 1) it.stop.store(1);
}

/** Stores to the first page and to the one at `other` in turn, until told to stop. */
export function storePages(mem: Memory, at: number): number {
  const { it, space } = begin(mem, at);
  let stores = 0;
  for (; it.stop.load() === 0; stores++) {
    const address = it.address + (stores & 1) * it.other * PAGE_SIZE;
    const result = storeUser(mem, space, address, new Uint8Array(PAGE_SIZE).fill(stores & 0x7f));
    if (result !== PAGE_SIZE) throw new Error(`store: ${result}`);
  }
  return stores;
}

/** Unmaps the page, gives it to another owner, and looks whether a store still lands: how many bytes did. */
export function takePageAway(mem: Memory, at: number, rounds: number): number {
  const { it } = begin(mem, at);
  const file = toyFile(mem);
  const page = filePage(file, 0);
  let landed = 0;
  for (let round = 0; round < rounds; round++) {
    downWrite(file.gate);
    unmapRange(file.mapping, 0, 0, false);
    mem.fill(page, OWNER, PAGE_SIZE);
    for (let look = 0; look < 20; look++) landed += foreignBytes(mem, page);
    upWrite(file.gate);
    // The next round takes it away in the midst of stores again, at another moment each time.
    while (Atomics.load(mem.u8, page + PAGE_SIZE - 1) === OWNER);
    for (let wait = (round % 16) * 400; wait > 0; wait--) Atomics.load(mem.u8, page);
  }
  it.stop.store(1);
  return landed;
}

function foreignBytes(mem: Memory, page: number): number {
  let count = 0;
  for (let i = 0; i < PAGE_SIZE; i += 64) if (Atomics.load(mem.u8, page + i) !== OWNER) count += 1;
  return count;
}

type Load = (array: Uint32Array, index: number) => number;
type Swap = (array: Uint32Array, index: number, expected: number, value: number) => number;

/** Stops this thread once, right behind the atomic load that gives `value`: a CPU that is held up there. */
function interruptAfterLoad(value: (loaded: number) => boolean, interrupt: () => void): void {
  const load = Atomics.load as Load;
  const slow: Load = (array, index) => {
    const loaded = load(array, index);
    if (!value(loaded)) return loaded;
    Atomics.load = load as typeof Atomics.load;
    interrupt();
    return loaded;
  };
  Atomics.load = slow as typeof Atomics.load;
}

/** The same, right before the compare-and-exchange that expects `value`. */
function interruptBeforeSwap(value: number, interrupt: () => void): void {
  const swap = Atomics.compareExchange as Swap;
  const slow: Swap = (array, index, expected, replacement) => {
    if (expected === value) {
      Atomics.compareExchange = swap as typeof Atomics.compareExchange;
      interrupt();
    }
    return swap(array, index, expected, replacement);
  };
  Atomics.compareExchange = slow as typeof Atomics.compareExchange;
}

/** Long enough for the other task to come as far as it can. */
const PAUSE = 40; // milliseconds

const pause = (it: ViewOf<typeof Stress>, time: number): string =>
  Atomics.wait(it.mem.i32, it.stop.index, 0, time);

function awaitTurn(it: ViewOf<typeof Stress>, turn: number): void {
  while (it.turn.load() !== turn) pause(it, 1);
}

/** Runs free, but is held up once before its first access. */
function interruptBeforeAccess(interrupt: () => void): Engine {
  let held = false;
  return {
    step(op) {
      if (op !== Op.copyIn || held) return;
      held = true;
      interrupt();
    },
    park: (cell, seen) => void Atomics.wait(cell.mem.i32, cell.index, seen, PAUSE),
    wake: (cell, count) => void Atomics.notify(cell.mem.i32, cell.index, count),
  };
}

/** Stores to the page, and is held up in the walk, when it has read the entry, and once more behind it. */
export function storeThroughWalk(mem: Memory, at: number, _rounds: number, task: number): void {
  const { it, space } = begin(mem, at);
  const page = filePage(toyFile(mem), 0);
  interruptAfterLoad(
    (loaded) => pageAddress(loaded) === page,
    () => {
      it.turn.store(1);
      pause(it, PAUSE);
    },
  );
  const before = runAs(
    task,
    interruptBeforeAccess(() => pause(it, PAUSE)),
  );
  storeUser(mem, space, it.address, Uint8Array.of(1));
  runAs(before.task, before.engine);
}

/** Takes the page away while the other task is held up there: how many bytes landed in it afterwards. */
export function takeAwayInWalk(mem: Memory, at: number): number {
  const { it } = begin(mem, at);
  awaitTurn(it, 1);
  return takeAway(it);
}

function tagOf(it: ViewOf<typeof Stress>, space: AddressSpace): number {
  return it.address + space.tables.id;
}

/** Stores to the page, and is held up in the access, when it has found the translation valid. */
export function storeThroughTlb(mem: Memory, at: number): void {
  const { it, space } = begin(mem, at);
  storeUser(mem, space, it.address, Uint8Array.of(1));
  it.turn.store(1);
  awaitTurn(it, 2);
  interruptAfterLoad(
    (loaded) => loaded === tagOf(it, space),
    () => {
      it.turn.store(3);
      pause(it, PAUSE);
    },
  );
  storeUser(mem, space, it.address, Uint8Array.of(1));
}

/** Takes the page away, but lets the other task begin its access before the translation is wiped. */
export function takeAwayInAccess(mem: Memory, at: number): number {
  const { it, space } = begin(mem, at);
  awaitTurn(it, 1);
  interruptBeforeSwap(tagOf(it, space), () => {
    it.turn.store(2);
    awaitTurn(it, 3);
  });
  return takeAway(it);
}

function takeAway({ mem }: ViewOf<typeof Stress>): number {
  const file = toyFile(mem);
  const page = filePage(file, 0);
  downWrite(file.gate);
  unmapRange(file.mapping, 0, 0, false);
  mem.fill(page, OWNER, PAGE_SIZE);
  const end = performance.now() + 2 * PAUSE;
  let landed = 0;
  while (landed === 0 && performance.now() < end) landed = foreignBytes(mem, page);
  upWrite(file.gate);
  return landed;
}

/** Stores the task's number, plus one, to a byte of its own in every page. */
export function storeOwnByte(mem: Memory, at: number, pages: number, task: number): void {
  const { it, space } = begin(mem, at);
  const bytes = Uint8Array.of(task + 101);
  for (let page = 0; page < pages; page++) storeUser(mem, space, it.address + page * PAGE_SIZE + task, bytes);
  finish(it);
}

/** Unmaps all the time what is no private copy. */
export function unmapAlways(mem: Memory, at: number, pages: number): void {
  const { it } = begin(mem, at);
  const { mapping } = toyFile(mem);
  while (it.stop.load() === 0) unmapRange(mapping, 0, pages, false);
}

/** Maps and unmaps a region of two pages; its own stores must be there as long as it is. */
export function mapAndUnmap(mem: Memory, at: number, rounds: number, task: number): number {
  const { it, space } = begin(mem, at);
  const file = toyFile(mem);
  let wrong = 0;
  for (let round = 0; round < rounds; round++) {
    const address = mapRegion(space, 2 * PAGE_SIZE, true, false, file.mapping, file.at, 0);
    if (address < 0) throw new Error(`mapRegion: ${address}`);
    storeUser(mem, space, address + PAGE_SIZE - 1, Uint8Array.of(task, round));
    const bytes = loadUser(mem, space, address + PAGE_SIZE - 2, 4);
    if (typeof bytes === "number") throw new Error(`load: ${bytes}`);
    if (bytes.join() !== [1, task, round & 0xff, 2].join()) wrong += 1;
    const error = unmapRegion(space, address, 2 * PAGE_SIZE);
    if (error < 0) throw new Error(`unmapRegion: ${error}`);
  }
  finish(it);
  return wrong;
}

/** Takes pages, marks them, and looks whether somebody else did too: how often. */
export function takePages(mem: Memory, _at: number, rounds: number, task: number): number {
  let shared = 0;
  for (let round = 0; round < rounds; round++) {
    const pages = [allocatePage(mem), allocatePage(mem), allocatePage(mem)];
    for (const page of pages) mem.u32[page >>> 2] = task + 1;
    for (const page of pages) if (Atomics.load(mem.u32, page >>> 2) !== task + 1) shared += 1;
    for (const page of pages) freePage(mem, page);
  }
  return shared;
}
