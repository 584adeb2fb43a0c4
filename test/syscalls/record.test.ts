// Call records: what goes in comes out, in the order of the clock, and a full space says so.

import { beforeEach, describe, expect, it } from "vitest";
import { runAs } from "../../src/machine/cpu.ts";
import { createMemory } from "../../src/machine/layout.ts";
import { HOST_TASK, MAX_TASKS, MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { initSnapshot, restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { initTrace } from "../../src/machine/trace.ts";
import {
  beginCall,
  Call,
  type CallRecord,
  endCall,
  hashRecords,
  initRecords,
  recordBytes,
  recordData,
  recordsIn,
  recordsOf,
  recordsOverflowed,
  resetRecords,
  setRecording,
} from "../../src/syscalls/record.ts";

let mem: Memory;

beforeEach(() => {
  mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  initRecords(mem);
  setRecording(mem, true);
});

function call(task: number, kind: Call, bytes?: Uint8Array, result = 0): void {
  const before = runAs(task);
  const record = beginCall(recordsIn(mem), task, kind);
  if (record !== undefined && bytes !== undefined) recordBytes(record, bytes);
  endCall(recordsIn(mem), record, result);
  runAs(before.task, before.engine);
}

function hashOf(make: () => void): number {
  resetRecords(mem, 2);
  make();
  return hashRecords(mem);
}

/** Sevens, and something else at the end. */
const ending = (length: number, last: number): Uint8Array => new Uint8Array(length).fill(7).fill(last, -1);

function plain(): void {
  call(0, Call.pwrite, ending(33, 7), 33);
  call(1, Call.pread, ending(5, 1), 5);
}

describe("call records", () => {
  it("come out in the order in which the calls began, whatever task made them", () => {
    call(3, Call.pwrite);
    call(1, Call.pread);
    call(HOST_TASK, Call.fsync);
    call(3, Call.close);
    const order = recordsOf(mem).map(({ task, kind, number }) => [task, kind, number]);
    expect(order).toEqual([
      [3, Call.pwrite, 1],
      [1, Call.pread, 1],
      [HOST_TASK, Call.fsync, 1],
      [3, Call.close, 2],
    ]);
  });

  it("say by their ticks which calls overlapped", () => {
    const records = recordsIn(mem);
    const outer = beginCall(records, 0, Call.pwrite);
    call(1, Call.pread);
    endCall(records, outer, 0);
    call(1, Call.pread);
    const [first, inside, after] = recordsOf(mem);
    expect(inside?.begin).toBeGreaterThan(first?.begin as number);
    expect(inside?.end).toBeLessThan(first?.end as number);
    expect(after?.begin).toBeGreaterThan(first?.end as number);
  });

  it("keep bytes of any length beside each other", () => {
    const sizes = [0, 1, 7, 8, 9, 4096];
    for (const size of sizes) call(2, Call.pwrite, new Uint8Array(size).fill(size), size);
    expect(recordsOf(mem).map((record) => [...recordData(record)])).toEqual(
      sizes.map((size) => Array.from({ length: size }, () => size % 256)),
    );
  });

  it("are equal bytes when they are equal, whatever lay there before", () => {
    call(0, Call.pwrite, new Uint8Array(64).fill(0xff), 1);
    resetRecords(mem);
    call(0, Call.pwrite, new Uint8Array(9).fill(1), 1);
    const { dataAt, at, size } = recordsOf(mem)[0] as CallRecord;
    expect([...mem.read(dataAt + 9, at + size - dataAt - 9)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });

  it("keep an error as a positive number, and a result otherwise", () => {
    call(0, Call.open, undefined, -2);
    call(0, Call.open, undefined, 3);
    expect(recordsOf(mem).map(({ error, result }) => [error, result])).toEqual([
      [2, 0],
      [0, 3],
    ]);
  });

  it("leave a call that never returned with end 0", () => {
    beginCall(recordsIn(mem), 0, Call.pwrite);
    expect(recordsOf(mem).map(({ end }) => end)).toEqual([0]);
  });

  it("are not made while recording is off", () => {
    setRecording(mem, false);
    expect(beginCall(recordsIn(mem), 0, Call.pwrite)).toBeUndefined();
    expect(recordsOf(mem)).toEqual([]);
  });

  it("survive a restore of the machine, and a reset forgets them", () => {
    takeSnapshot(mem);
    call(0, Call.pwrite, new Uint8Array([1, 2]));
    restoreSnapshot(mem);
    expect(recordsOf(mem)).toHaveLength(1);
    resetRecords(mem);
    expect(recordsOf(mem)).toEqual([]);
    call(0, Call.pread);
    expect(recordsOf(mem).map(({ begin, number }) => [begin, number])).toEqual([[1, 1]]);
  });

  it("stop and say so when a task's part is full", () => {
    const bytes = new Uint8Array(64 * 1024);
    for (let i = 0; i < 8; i++) call(0, Call.pwrite, bytes);
    expect(recordsOverflowed(mem)).toBe(true);
    const kept = recordsOf(mem).length;
    call(1, Call.pread);
    expect(recordsOf(mem)).toHaveLength(kept);
    resetRecords(mem);
    expect(recordsOverflowed(mem)).toBe(false);
  });

  it.each([1, 2, 4, MAX_TASKS])("share their space out among %i tasks and the host", (tasks) => {
    resetRecords(mem, tasks);
    setRecording(mem, true);
    const bytes = new Uint8Array(Math.floor((8 * MIB) / (tasks + 1)) - 1024);
    for (let task = 0; task < tasks; task++) call(task, Call.pwrite, bytes.fill(task));
    call(HOST_TASK, Call.pwrite, bytes.fill(99));
    expect(recordsOverflowed(mem)).toBe(false);
    const seen = recordsOf(mem).map((record) => {
      const data = recordData(record);
      return [record.task, data.every((byte) => byte === data[0])];
    });
    expect(seen).toEqual(
      [...Array.from({ length: tasks }, (_, i) => i), HOST_TASK].map((task) => [task, true]),
    );
  });

  it("have one hash for equal histories, and another when a byte, a result, a task or the order differs", () => {
    const first = hashOf(plain);
    const others = [
      hashOf(() => {}),
      hashOf(() => {
        call(0, Call.pwrite, ending(33, 8), 33);
        call(1, Call.pread, ending(5, 1), 5);
      }),
      hashOf(() => {
        call(0, Call.pwrite, ending(33, 7), 32);
        call(1, Call.pread, ending(5, 1), 5);
      }),
      hashOf(() => {
        call(1, Call.pwrite, ending(33, 7), 33);
        call(0, Call.pread, ending(5, 1), 5);
      }),
      hashOf(() => {
        call(1, Call.pread, ending(5, 1), 5);
        call(0, Call.pwrite, ending(33, 7), 33);
      }),
      // Longer records, so that the next hash finds their bytes behind its own.
      hashOf(() => call(0, Call.pwrite, ending(900, 9), 900)),
    ];
    expect(new Set([first, ...others]).size).toBe(others.length + 1);
    expect(hashOf(plain)).toBe(first);
  });
});
