import { afterEach, expect, test } from "vitest";
import { LockClass } from "../../src/locks/classes.ts";
import {
  downRead,
  downReadTry,
  downWrite,
  downWriteTry,
  initRwSem,
  RwSem,
  upRead,
  upWrite,
} from "../../src/locks/rwsem.ts";
import { runAs } from "../../src/machine/cpu.ts";
import { allocate, createMemory } from "../../src/machine/layout.ts";
import { HOST_TASK, MIB } from "../../src/machine/limits.ts";

/** An engine under which a task that would sleep gives up: it stays registered as waiting. */
const impatient = {
  step() {},
  wake() {},
  park(): never {
    throw new Error("would sleep");
  },
};

function rwsem(): RwSem {
  const mem = createMemory(1 * MIB);
  const sem = RwSem.of(mem, allocate(mem, RwSem));
  initRwSem(sem, LockClass.none);
  return sem;
}

/** Whether a task would sleep doing this. */
function sleeps(task: number, work: () => void): boolean {
  runAs(task, impatient);
  try {
    work();
    return false;
  } catch {
    return true;
  } finally {
    runAs(HOST_TASK);
  }
}

afterEach(() => void runAs(HOST_TASK));

test("readers share, a writer excludes everybody", () => {
  const sem = rwsem();
  expect(sleeps(1, () => downRead(sem))).toBe(false);
  expect(sleeps(2, () => downRead(sem))).toBe(false);
  expect(downWriteTry(sem)).toBe(false);
  upRead(sem);
  upRead(sem);
  expect(sleeps(3, () => downWrite(sem))).toBe(false);
  expect(downReadTry(sem)).toBe(false);
  expect(sleeps(4, () => downRead(sem))).toBe(true);
  expect(sleeps(5, () => downWrite(sem))).toBe(true);
});

test("a waiting writer keeps new readers out, also those that only try", () => {
  const sem = rwsem();
  downRead(sem);
  expect(sleeps(1, () => downWrite(sem))).toBe(true);
  expect(downReadTry(sem)).toBe(false);
  expect(sleeps(2, () => downRead(sem))).toBe(true);
});

test("a writer that leaves lets the waiting readers in before the waiting writers", () => {
  const sem = rwsem();
  runAs(0);
  downWrite(sem);
  expect(sleeps(1, () => downWrite(sem))).toBe(true);
  expect(sleeps(2, () => downRead(sem))).toBe(true);
  expect(sleeps(3, () => downRead(sem))).toBe(true);
  runAs(0);
  upWrite(sem);
  expect(sem.grants.load()).toBe(2);
  expect(downWriteTry(sem)).toBe(false);
});

test("a full house fits into the word: sixteen readers wait while a writer is in, and all get in", () => {
  const sem = rwsem();
  runAs(16);
  downWrite(sem);
  for (let task = 0; task < 16; task++) expect(sleeps(task, () => downRead(sem))).toBe(true);
  runAs(16);
  upWrite(sem);
  expect(sem.grants.load()).toBe(16);
  for (let task = 0; task < 16; task++) upRead(sem);
  expect(sem.state.load()).toBe(0);
});
