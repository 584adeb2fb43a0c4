// The reader-writer locks under real threads; as in stress.test.ts a lost wakeup or a starved task shows as a test that ends
// by its patience.

import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { LockClass } from "../../src/locks/classes.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { initPercpuRwSem } from "../../src/locks/percpu-rwsem.ts";
import { initRwSem } from "../../src/locks/rwsem.ts";
import { allocate, createMemory, header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import type { ViewOf } from "../../src/machine/struct.ts";
import { startThreads } from "../support/threads.ts";
import { RwStress } from "./rwsem-bodies.ts";

const threads = startThreads(4, new URL("./rwsem-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

let mem: Memory;
let it: ViewOf<typeof RwStress>;

function prepare(lockdep: number, percpu: number): void {
  mem = createMemory(1 * MIB);
  initLockdep(mem);
  header(mem).lockdep = lockdep;
  it = RwStress.of(mem, allocate(mem, RwStress));
  it.percpu = percpu;
  initRwSem(it.sem, LockClass["inode.rwsem"]);
  initPercpuRwSem(it.percpuSem, LockClass["journal.sem"]);
}

const run = (names: string[], rounds: number): Promise<unknown[]> => threads.run(mem, names, it.at, rounds);

/** The words of both locks (but for their classes) are what they were before anybody took one. */
function expectAtRest(): void {
  const { sem, percpuSem } = it;
  const words = [sem.state, sem.grants, percpuSem.state, percpuSem.writer];
  words.push(...percpuSem.readers.map(({ word }) => word));
  expect(words.map((word) => word.load())).toEqual(Array<number>(words.length).fill(0));
}

describe.each([
  { lock: "an rwsem", percpu: 0, lockdep: 0 },
  { lock: "an rwsem", percpu: 0, lockdep: 1 },
  { lock: "a percpu rwsem", percpu: 1, lockdep: 0 },
  { lock: "a percpu rwsem", percpu: 1, lockdep: 1 },
])("$lock, with lockdep $lockdep", ({ percpu, lockdep }) => {
  beforeEach(() => prepare(lockdep, percpu));

  test("no update is lost under the write side, and no reader sees half of one", async () => {
    const torn = await run(["write", "write", "read", "read"], 20_000);
    expect([it.first, it.second]).toEqual([40_000, 40_000]);
    expect(torn.slice(2)).toEqual([0, 0]);
    expectAtRest();
  });

  test("readers that come and go all the time see nothing half that one writer does", async () => {
    const torn = await run(["write", "read", "read", "read"], 20_000);
    expect([it.first, it.second]).toEqual([20_000, 20_000]);
    expect(torn.slice(1)).toEqual([0, 0, 0]);
    expectAtRest();
  });

  test("two readers have it at the same time", async () => {
    await run(["meetAsFirst", "meetAsSecond"], 500);
    expectAtRest();
  });

  test("streams of readers do not starve a writer", async () => {
    const stream = "readUntilStopped";
    await run([stream, stream, stream, "writeThenStop"], 500);
    expect(it.first).toBe(500);
    expectAtRest();
  });

  test("streams of writers do not starve a reader", async () => {
    const stream = "writeUntilStopped";
    await run([stream, stream, stream, "readThenStop"], 500);
    expectAtRest();
  });
});

describe.each([0, 1])("an rwsem alone, with lockdep %d", (lockdep) => {
  beforeEach(() => prepare(lockdep, 0));

  test("its tries exclude like the sides they try", async () => {
    const results = await run(["tryBoth", "tryBoth", "write", "read"], 10_000);
    const [one, two] = results as [number, number][];
    expect(it.first).toBe((one?.[0] ?? 0) + (two?.[0] ?? 0) + 10_000);
    expect(it.second).toBe(it.first);
    expect([one?.[1], two?.[1], results[3]]).toEqual([0, 0, 0]);
    expectAtRest();
  });

  test("after a downgrade nobody else has written before the read side is given up", async () => {
    const overtaken = await run(["writeThenRead", "writeThenRead", "write", "read"], 10_000);
    expect([overtaken[0], overtaken[1], overtaken[3]]).toEqual([0, 0, 0]);
    expect([it.first, it.second]).toEqual([30_000, 30_000]);
    expectAtRest();
  });
});
