// Every lock under real threads: four tasks on however many cores there are, so that they run at once
// and also wait for threads that have no core.  A lost wakeup or a starved task shows as a test that
// ends by its patience; a lock that does not lock shows in the counts.

import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { LockClass } from "../../src/locks/classes.ts";
import { initCompletion } from "../../src/locks/completion.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { initGroupMutex } from "../../src/locks/group.ts";
import { initMutex } from "../../src/locks/mutex.ts";
import { closeReferences } from "../../src/locks/references.ts";
import { initSeqCount } from "../../src/locks/seqcount.ts";
import { initSpinLock } from "../../src/locks/spinlock.ts";
import { allocate, createMemory, header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import type { ViewOf } from "../../src/machine/struct.ts";
import { startThreads } from "../support/threads.ts";
import { Stress } from "./stress-bodies.ts";

const threads = startThreads(4, new URL("./stress-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

let mem: Memory;
let it: ViewOf<typeof Stress>;

const four = (name: string): string[] => Array.from({ length: 4 }, () => name);
const run = (names: string[], rounds: number): Promise<unknown[]> => threads.run(mem, names, it.at, rounds);

/** The words of the lock (without its class) are what they were before anybody took it. */
function expectAtRest(lock: { at: number }, words: number): void {
  expect([...mem.u32.subarray(lock.at >>> 2, (lock.at >>> 2) + words)]).toEqual(Array<number>(words).fill(0));
}

describe.each([
  { lockdep: 0, state: "off" },
  { lockdep: 1, state: "on" },
])("with lockdep $state", ({ lockdep }) => {
  beforeEach(() => {
    mem = createMemory(1 * MIB);
    initLockdep(mem);
    header(mem).lockdep = lockdep;
    it = Stress.of(mem, allocate(mem, Stress));
    initSpinLock(it.spin, LockClass["pagePool.lock"]);
    initMutex(it.mutex, LockClass["sb.allocMutex"]);
    initSeqCount(it.seq);
    initGroupMutex(it.group, LockClass["journal.commitMutex"], -3);
    it.round.store(-2);
    initCompletion(it.ping);
    initCompletion(it.pong);
  });

  test("no update is lost under a spinlock", async () => {
    await run(four("countSpinning"), 20_000);
    expect(it.first).toBe(80_000);
    expectAtRest(it.spin, 1);
  });

  test("no update is lost under a mutex", async () => {
    await run(four("countInMutex"), 20_000);
    expect(it.first).toBe(80_000);
    expectAtRest(it.mutex, 1);
  });

  test("a count of references is closed by whoever gives the last one back, and is open while there is one", async () => {
    closeReferences(it.references);
    expect(await run(["useReferred", "useReferred"], 100_000)).toEqual([0, 0]);
    expect(it.first).toBe(0);
  });

  test("a mutex that is tried is taken by one task at a time, and by those that lock it too", async () => {
    const got = await run(["countWhenFree", "countWhenFree", "countInMutex", "countInMutex"], 20_000);
    expect(it.first).toBe(Number(got[0]) + Number(got[1]) + 40_000);
    expectAtRest(it.mutex, 1);
  });

  test.each([
    { writer: "writeSequence", reader: "readSequence", how: "sleeping" },
    { writer: "writeSequenceTrying", reader: "readSequenceTrying", how: "without sleeping" },
  ])("a read that a sequence count lets pass, $how, is never torn", async ({ writer, reader }) => {
    let again = 0;
    // Without a read that had to look again the test would have shown nothing; on a busy computer that takes a while.
    for (let turn = 1; again === 0; turn++) {
      expect(turn).toBeLessThan(50);
      const results = await run([writer, writer, reader, reader], 10_000);
      const writes = turn * 20_000;
      expect([it.first, it.second]).toEqual([writes, writes]);
      expect(it.seq.sequence.load()).toBe(2 * writes);
      const reads = results.slice(2) as [number, number][];
      expect(reads.map(([torn]) => torn)).toEqual([0, 0]);
      again = reads.reduce((sum, [, looked]) => sum + looked, 0);
      expect(it.seq.waiting.load()).toBe(0);
    }
  });

  test("the bits of one word are locks of their own, the highest too", async () => {
    await run(four("countUnderBits"), 15_000);
    expect([it.third, it.fourth, it.fifth]).toEqual([20_000, 20_000, 20_000]);
    expect(it.bits.load()).toBe(0);
  });

  test("nobody's change is left out of the rounds that are done for all, over the wrap of their numbers, too", async () => {
    expect(await run(four("shareRounds"), 5000)).toEqual([0, 0, 0, 0]);
    const rounds = it.round.load() + 2;
    expect(rounds).toBeGreaterThanOrEqual(5000); // a task has one change in a round at most
    expect(rounds).toBeLessThanOrEqual(20_000);
    expectAtRest(it.group, 1);
    expect(it.group.inside.load()).toBe(0);
  });

  test("a completion lets one task through for each time it was completed", async () => {
    const early = await run(["pingThenPong", "pongAfterPing"], 3000);
    expect(early[1]).toBe(0);
    expectAtRest(it.ping, 1);
    expectAtRest(it.pong, 1);
  });

  test("completeAll lets everybody through, those who wait and those who come later", async () => {
    const seen = await run(["waitForPing", "waitForPing", "waitForPing", "openForAll"], 1);
    expect(seen.slice(0, 3)).toEqual([7, 7, 7]);
    expect(await run(["waitForPing"], 1)).toEqual([7]);
  });
});

test("the same counting without a lock loses updates: the tests above can fail", async () => {
  mem = createMemory(1 * MIB);
  it = Stress.of(mem, allocate(mem, Stress));
  await run(four("countUnlocked"), 100_000);
  expect(it.first).toBeLessThan(400_000);
});
