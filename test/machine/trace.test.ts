import { expect, test } from "vitest";
import { runAs } from "../../src/machine/cpu.ts";
import { allocateControl, createMemory } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { initTrace, Note, note, setTracing, traceLines, traceStepsFrom } from "../../src/machine/trace.ts";

const CAPACITY = 16_384;

function traced(): Memory {
  const mem = createMemory(1 * MIB);
  initTrace(mem);
  return mem;
}

test("a note is kept with its task, its numbers and the step it was made after", () => {
  const mem = traced();
  const counter = allocateControl(mem, 4);
  traceStepsFrom(mem, counter);
  setTracing(mem, true);
  mem.u32[counter >>> 2] = 41;
  const before = runAs(3);
  note(mem, Note.split, 12, 0xffff_ffff, 7);
  runAs(before.task, before.engine);
  note(mem, Note.commit, 1);
  expect(traceLines(mem)).toEqual({
    dropped: 0,
    lines: [
      { task: 3, step: 41, note: Note.split, a: 12, b: 0xffff_ffff, c: 7 },
      { task: 16, step: 41, note: Note.commit, a: 1, b: 0, c: 0 },
    ],
  });
});

test("nothing is noted while tracing is off, and switching it on forgets the old notes", () => {
  const mem = traced();
  note(mem, Note.zero, 1);
  expect(traceLines(mem).lines).toEqual([]);
  setTracing(mem, true);
  note(mem, Note.zero, 2);
  setTracing(mem, false);
  note(mem, Note.zero, 3);
  expect(traceLines(mem).lines).toEqual([]);
  setTracing(mem, true);
  note(mem, Note.zero, 4);
  expect(traceLines(mem).lines.map(({ a }) => a)).toEqual([4]);
});

test("a full ring drops the oldest notes, keeps the order, and says how many it dropped", () => {
  const mem = traced();
  setTracing(mem, true);
  for (let i = 0; i < CAPACITY; i++) note(mem, Note.free, i);
  expect(traceLines(mem).dropped).toBe(0);
  for (let i = CAPACITY; i < CAPACITY + 100; i++) note(mem, Note.free, i);
  const { lines, dropped } = traceLines(mem);
  expect(dropped).toBe(100);
  expect(lines.map(({ a }) => a)).toEqual(Array.from({ length: CAPACITY }, (_, i) => i + 100));
});
