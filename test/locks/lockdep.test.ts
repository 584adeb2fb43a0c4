import { beforeEach, describe, expect, test } from "vitest";
import { LockClass } from "../../src/locks/classes.ts";
import { complete, Completion, waitForCompletion } from "../../src/locks/completion.ts";
import { assertHeld, assertHeldWrite, initLockdep, waits } from "../../src/locks/lockdep.ts";
import { initMutex, Mutex, mutexLock, mutexTryLock, mutexUnlock } from "../../src/locks/mutex.ts";
import {
  downgradeWrite,
  downRead,
  downReadTry,
  downWrite,
  initRwSem,
  RwSem,
  upRead,
  upWrite,
} from "../../src/locks/rwsem.ts";
import { initSpinLock, SpinLock, spinLock, spinUnlock } from "../../src/locks/spinlock.ts";
import { lockBit, unlockBit } from "../../src/locks/wait-bit.ts";
import { runAs } from "../../src/machine/cpu.ts";
import { allocate, createMemory, header } from "../../src/machine/layout.ts";
import { HOST_TASK, MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { hashState, initSnapshot, restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { embed, quiet, struct, type ViewOf } from "../../src/machine/struct.ts";

const Things = struct("things", {
  sem: embed(RwSem),
  twin: embed(RwSem),
  first: embed(Mutex),
  second: embed(Mutex),
  third: embed(Mutex),
  nameless: embed(Mutex),
  spin: embed(SpinLock),
  done: embed(Completion),
  bits: quiet,
});

let mem: Memory;
let it: ViewOf<typeof Things>;

beforeEach(() => {
  mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initLockdep(mem);
  it = Things.of(mem, allocate(mem, Things));
  initRwSem(it.sem, LockClass["inode.rwsem"]);
  initRwSem(it.twin, LockClass["inode.rwsem"]);
  initMutex(it.first, LockClass["design.first"]);
  initMutex(it.second, LockClass["design.second"]);
  initMutex(it.third, LockClass["design.third"]);
  initMutex(it.nameless, LockClass.none);
  initSpinLock(it.spin, LockClass["pagePool.lock"]);
  header(mem).lockdep = 1;
});

/** Takes two mutexes one in the other and releases them. */
function nest(outer: Mutex, inner: Mutex): void {
  mutexLock(outer);
  mutexLock(inner);
  mutexUnlock(inner);
  mutexUnlock(outer);
}

function as(task: number, work: () => void): void {
  const before = runAs(task);
  work();
  runAs(before.task, before.engine);
}

describe("order", () => {
  test("two orders of two classes are reported although nobody ever waited", () => {
    as(1, () => nest(it.first, it.second));
    as(2, () => mutexLock(it.second));
    expect(() => as(2, () => mutexLock(it.first))).toThrow(
      "possible deadlock: task 2 takes design.first (things.first) under design.second (things.second), " +
        "but the order seen before is design.first, then design.second",
    );
    runAs(HOST_TASK);
  });

  test("an inversion through a third class is reported with the whole way", () => {
    nest(it.first, it.second);
    nest(it.second, it.third);
    mutexLock(it.third);
    expect(() => mutexLock(it.first)).toThrow(
      "the order seen before is design.first, then design.second, then design.third",
    );
  });

  test("the same order again and again is never reported, nor is a diamond of orders", () => {
    for (let i = 0; i < 3; i++) {
      nest(it.first, it.second);
      nest(it.first, it.third);
      nest(it.second, it.third);
    }
  });

  test("an inversion that was reported once is reported again, and the first order stays the good one", () => {
    nest(it.first, it.second);
    mutexLock(it.second);
    expect(() => mutexLock(it.first)).toThrow("possible deadlock");
    expect(() => mutexLock(it.first)).toThrow("possible deadlock");
    mutexUnlock(it.second);
    nest(it.first, it.second);
  });

  test("orders learnt in one run are compared with those of the next run after a restore", () => {
    takeSnapshot(mem);
    nest(it.first, it.second);
    restoreSnapshot(mem);
    mutexLock(it.second);
    expect(() => mutexLock(it.first)).toThrow("possible deadlock");
  });

  test("a try may go against the order, and what is taken under it counts", () => {
    nest(it.first, it.second);
    mutexLock(it.second);
    expect(mutexTryLock(it.first)).toBe(true);
    mutexLock(it.third);
    for (const lock of [it.third, it.first, it.second]) mutexUnlock(lock);
    mutexLock(it.third);
    expect(() => mutexLock(it.first)).toThrow("possible deadlock");
  });

  test("a read side counts as much as a write side", () => {
    downRead(it.sem);
    mutexLock(it.first);
    mutexUnlock(it.first);
    upRead(it.sem);
    mutexLock(it.first);
    expect(() => downRead(it.sem)).toThrow("possible deadlock");
  });

  test("two locks of one class are taken in the order of their addresses", () => {
    downWrite(it.sem);
    downWrite(it.twin);
    upWrite(it.sem);
    expect(() => downRead(it.sem)).toThrow(
      "takes inode.rwsem (things.sem) under inode.rwsem (things.twin); of one class the lower address goes first",
    );
  });

  test("bits of one word are ordered too", () => {
    lockBit(it.bits, 3, LockClass["mapping.entry"]);
    lockBit(it.bits, 5, LockClass["mapping.entry"]);
    unlockBit(it.bits, 3);
    expect(() => lockBit(it.bits, 3, LockClass["mapping.entry"])).toThrow("things.bits bit 3");
  });

  test("a lock without a class has no order", () => {
    nest(it.first, it.nameless);
    nest(it.nameless, it.first);
  });
});

describe("holding", () => {
  test("taking a mutex, either side of an rwsem, or a bit again is reported, not waited for", () => {
    mutexLock(it.first);
    expect(() => mutexLock(it.first)).toThrow(
      "takes design.first (things.first) again: it holds it for writing already",
    );
    downRead(it.sem);
    expect(() => downRead(it.sem)).toThrow("again: it holds it for reading already");
    expect(() => downWrite(it.sem)).toThrow("again");
    lockBit(it.bits, 0);
    expect(() => lockBit(it.bits, 0)).toThrow("takes things.bits bit 0 again");
  });

  test("releasing what one does not hold is reported, also when another task holds it", () => {
    expect(() => mutexUnlock(it.first)).toThrow("releases things.first, which it does not hold");
    as(3, () => mutexLock(it.first));
    expect(() => mutexUnlock(it.first)).toThrow("task 16 releases things.first, which it does not hold");
    expect(() => unlockBit(it.bits, 2)).toThrow("releases things.bits bit 2, which it does not hold");
  });

  test("the wrong side of a release is reported", () => {
    downRead(it.sem);
    expect(() => upWrite(it.sem)).toThrow("holds things.sem for reading and releases it for writing");
    upRead(it.sem);
    downWrite(it.sem);
    expect(() => upRead(it.sem)).toThrow("holds things.sem for writing and releases it for reading");
  });

  test("a mutex tells its owner from others even while lockdep is off", () => {
    header(mem).lockdep = 0;
    expect(() => mutexUnlock(it.first)).toThrow("released a lock that is free");
    initMutex(it.first, LockClass.none);
    as(3, () => mutexLock(it.first));
    expect(() => mutexUnlock(it.first)).toThrow("task 16 released a lock that task 3 holds");
    expect(() => upRead(it.sem)).toThrow("released a read lock that nobody holds");
    expect(() => upWrite(it.twin)).toThrow("released a write lock that it does not hold");
    expect(() => unlockBit(it.bits, 2)).toThrow("released bit 2, which nobody holds");
  });

  test("locks may be released in any order", () => {
    for (const lock of [it.first, it.second, it.third]) mutexLock(lock);
    for (const lock of [it.second, it.first, it.third]) mutexUnlock(lock);
    for (const lock of [it.first, it.second, it.third])
      expect(() => assertHeld(lock)).toThrow("does not hold");
  });

  test("assertHeld knows the holder, the side, and a downgrade", () => {
    expect(() => assertHeld(it.sem)).toThrow("task 16 does not hold things.sem");
    downWrite(it.sem);
    assertHeld(it.sem);
    assertHeldWrite(it.sem);
    expect(() => as(2, () => assertHeld(it.sem))).toThrow("task 2 does not hold things.sem");
    runAs(HOST_TASK);
    downgradeWrite(it.sem);
    assertHeld(it.sem);
    expect(() => assertHeldWrite(it.sem)).toThrow("task 16 does not hold things.sem for writing");
    expect(() => downgradeWrite(it.sem)).toThrow("which it does not hold for writing");
    upRead(it.sem);
    lockBit(it.bits, 4);
    assertHeld(it.bits, 4);
    expect(() => assertHeld(it.bits, 5)).toThrow("task 16 does not hold things.bits bit 5");
  });

  test("nothing is asserted while lockdep is off", () => {
    header(mem).lockdep = 0;
    assertHeld(it.sem);
    assertHeldWrite(it.sem);
  });

  test("sleeping under a spinlock is reported: a mutex, an rwsem, a bit, a completion", () => {
    spinLock(it.spin);
    const sentence = "while it holds the spinlock things.spin";
    expect(() => mutexLock(it.first)).toThrow(sentence);
    expect(() => downRead(it.sem)).toThrow(sentence);
    expect(() => lockBit(it.bits, 1)).toThrow(sentence);
    expect(() => waitForCompletion(it.done)).toThrow(`may sleep for things.done ${sentence}`);
    expect(downReadTry(it.sem)).toBe(true);
    spinUnlock(it.spin);
    complete(it.done);
    waitForCompletion(it.done);
  });

  test("a task with too many locks is a bug, not a write behind the stack", () => {
    const Many = struct(
      "many_locks",
      Object.fromEntries(Array.from({ length: 25 }, (_, i) => [`l${i}`, embed(Mutex)])),
    );
    const many = Many.of(mem, allocate(mem, Many));
    const locks = Many.places.map(({ name }) => many[name] as Mutex);
    for (const lock of locks.slice(0, 24)) mutexLock(lock);
    expect(() => mutexLock(locks[24] as Mutex)).toThrow("holds 24 locks and takes another");
  });

  test("when all locks are released the machine's state is what it was", () => {
    takeSnapshot(mem);
    const before = hashState(mem);
    nest(it.first, it.second);
    downWrite(it.sem);
    downgradeWrite(it.sem);
    expect(hashState(mem)).not.toBe(before);
    upRead(it.sem);
    spinLock(it.spin);
    spinUnlock(it.spin);
    lockBit(it.bits, 31);
    unlockBit(it.bits, 31);
    expect(hashState(mem)).toBe(before);
  });

  test("who waits for a lock that others hold is listed with the holders", () => {
    /** Gives up instead of sleeping, as a halted task does: what it wanted stays on record. */
    const engine = {
      step() {},
      wake() {},
      park(): never {
        throw new Error("parked");
      },
    };
    as(1, () => downRead(it.sem));
    as(2, () => downRead(it.sem));
    runAs(4, engine);
    expect(() => downWrite(it.sem)).toThrow("parked");
    runAs(HOST_TASK);
    const holders = [
      { task: 1, shared: true },
      { task: 2, shared: true },
    ];
    expect(waits(mem)).toEqual([{ task: 4, lock: "inode.rwsem (things.sem)", holders }]);
    header(mem).lockdep = 0;
    expect(waits(mem)).toEqual([]);
  });
});
