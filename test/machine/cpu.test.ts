import { afterEach, expect, test } from "vitest";
import {
  currentTask,
  linger,
  onlyReads,
  Op,
  opName,
  park,
  runAs,
  step,
  wake,
} from "../../src/machine/cpu.ts";
import { assert, bug, Bug, Errno, errnoName } from "../../src/machine/errors.ts";
import { HOST_TASK } from "../../src/machine/limits.ts";
import { Memory } from "../../src/machine/memory.ts";
import { quiet, struct } from "../../src/machine/struct.ts";

const Word = struct("cpu_test_word", { cell: quiet });

afterEach(() => void runAs(HOST_TASK));

test("a thread is the host until it runs as a task, and runAs gives back what it was", () => {
  expect(currentTask()).toBe(HOST_TASK);
  const engine = { step() {}, park() {}, wake() {} };
  expect(runAs(3, engine)).toEqual({ task: HOST_TASK, engine: undefined });
  expect(currentTask()).toBe(3);
  expect(runAs(HOST_TASK)).toEqual({ task: 3, engine });
});

test("step, park and wake go to the engine in control, and to nobody when there is none; linger never does, and ends", () => {
  const { cell } = Word.of(Memory.create(1), 64);
  const calls: unknown[][] = [];
  const engine = {
    step: (...args: unknown[]) => void calls.push(["step", ...args]),
    park: (...args: unknown[]) => void calls.push(["park", ...args]),
    wake: (...args: unknown[]) => void calls.push(["wake", ...args]),
  };
  const all = (): void => {
    step(Op.flush, 128);
    park(cell, 1); // the cell holds 0: free, this must not sleep
    wake(cell, 2);
    wake(cell);
    linger(cell, 1, 10); // nobody brings it to 1
  };
  all();
  expect(calls).toEqual([]);
  runAs(1, engine);
  all();
  expect(calls).toEqual([
    ["step", Op.flush, 128],
    ["park", cell, 1],
    ["wake", cell, 2],
    ["wake", cell, Infinity],
  ]);
});

test("every operation has a name of its own, and a number without one says so", () => {
  const names = Object.values(Op).map(opName);
  expect(names).toEqual(Object.keys(Op));
  expect(opName(99)).toBe("op 99");
});

test("only looking, copying out, walking, the read side of locks and what writes caches back leave things as they were", () => {
  const reading = Object.values(Op).filter(onlyReads).map(opName);
  expect(reading.toSorted()).toEqual([
    "copyOut",
    "fence",
    "flush",
    "load",
    "lockShared",
    "unlockShared",
    "walk",
  ]);
});

test("an error number has its Linux name, with either sign, and no two share a number", () => {
  expect(errnoName(-28)).toBe("ENOSPC");
  expect(errnoName(Errno.SIGBUS)).toBe("SIGBUS");
  expect(errnoName(-9999)).toBe("E9999");
  expect(new Set(Object.values(Errno)).size).toBe(Object.keys(Errno).length);
});

test("a broken invariant throws Bug with the sentence that was broken", () => {
  expect(() => bug("two writers")).toThrow(new Bug("two writers"));
  expect(() => assert(false, "a held lock has a holder")).toThrow(
    "assertion failed: a held lock has a holder",
  );
  assert(true, "nothing happens");
});
