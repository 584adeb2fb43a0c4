// What a run's log of stores lacks in flushes and fences, and has too many, told from logs that are written by hand.

import { expect, test } from "vitest";
import { CallSteps } from "../../../src/lab/crash/moment.ts";
import type { RecordedCall } from "../../../src/lab/oracles/history.ts";
import { flushesOf } from "../../../src/lab/report/flushes.ts";
import { Op } from "../../../src/machine/cpu.ts";
import { Event, Writer, type LogEntry } from "../../../src/machine/pmem/log.ts";
import type { StepLog } from "../../../src/sched/state.ts";
import { Call } from "../../../src/syscalls/record.ts";

/** A call of task 0 on a file, and what happens to the media in it. */
interface Step {
  readonly call: Call;
  readonly file?: string;
  readonly does: readonly Partial<LogEntry>[];
}

const BLOCK = 4096;
const store = (block: number, lines = 1): Partial<LogEntry> => ({
  event: Event.store,
  writer: Writer.user,
  offset: block * BLOCK,
  length: lines * 64,
});
const by = (writer: Writer, one: Partial<LogEntry>): Partial<LogEntry> => ({ ...one, writer });
const past = (one: Partial<LogEntry>): Partial<LogEntry> => ({ ...one, event: Event.stream });
const flush = (block: number): Partial<LogEntry> => ({ ...store(block, 64), event: Event.flush });
const fence: Partial<LogEntry> = { event: Event.fence, offset: 0, length: 0 };
/** A commit: a transaction's blocks and its commit block, and the word that seals it behind a fence. */
const logged = past(by(Writer.logged, store(100, 64)));
const sealed = [
  past(by(Writer.commit, store(101, 64))),
  fence,
  past(by(Writer.commit, { ...store(101), length: 8 })),
];

/** What is found in a run of one task, as "kind: message". */
function found(...run: readonly Step[]): string[] {
  const ops: number[] = [];
  const calls: RecordedCall[] = [];
  const entries: LogEntry[] = [];
  for (const [index, { call, file = "12:1", does }] of run.entries()) {
    ops.push(Op.call);
    const step = ops.length;
    const none = { task: 0, step, writer: 0, dataAt: 0, event: Event.fence, offset: 0, length: 0 };
    for (const one of does) entries.push({ ...none, ...one });
    ops.push(Op.return);
    const given = {
      kind: call,
      file,
      task: 0,
      number: index + 1,
      begin: 2 * index + 1,
      end: 2 * index + 2,
      error: 0,
    };
    calls.push({
      ...given,
      ino: 12,
      position: 0,
      length: 64,
      data: new Uint8Array(64),
    } as unknown as RecordedCall);
  }
  const log = { length: ops.length, task: () => 0, op: (step: number) => ops[step] } as unknown as StepLog;
  const names = { task: () => "writer", file: (key: string) => (key === "12:1" ? "/file" : "/other") };
  return flushesOf(entries, calls, new CallSteps(log), names).map(
    ({ kind, message }) => `${kind}: ${message}`,
  );
}

const sync = (...does: Partial<LogEntry>[]): Step => ({ call: Call.fsync, does });
const stores = { call: Call.store, does: [store(7, 3)] };

test("a store is missing its flush, or its fence, when the fsync of its file returns", () => {
  expect(found(stores, sync(flush(7), fence))).toEqual([]);
  expect(found(stores, sync())).toEqual([
    "missing: writer's store /file 0+64 (call 1): 3 lines of media block 7 were only in the cache when writer's fsync /file returned",
  ]);
  expect(found(stores, sync(flush(7)))).toEqual([
    "missing: writer's store /file 0+64 (call 1): 3 lines of media block 7 were still on the way when writer's fsync /file returned",
  ]);
  expect(found(stores, sync({ ...flush(7), length: 64 }, fence))[0]).toMatch(
    /: 2 lines of media block 7 were only/,
  );
});

test("a store is missing nothing when another file's fsync returns, or none; a sync covers all", () => {
  expect(found(stores, { ...sync(), file: "13:1" })).toEqual([]);
  expect(found(stores)).toEqual([]);
  expect(found(stores, { call: Call.sync, does: [] })).toHaveLength(1);
});

test("an fsync's own blocks have to be durable when it returns", () => {
  expect(found(sync(logged, ...sealed, fence))).toEqual([]);
  expect(found(sync(logged, ...sealed))).toEqual([
    "missing: writer's fsync /file (call 1): 1 line of media block 101 was still on the way when writer's fsync /file returned",
  ]);
});

test("zeros have to be durable when the transaction that comes after them is sealed, stores need not", () => {
  const zeroes = { call: Call.pwrite, does: [by(Writer.zero, store(7, 56))] };
  const commits = { ...sync(logged, ...sealed, fence), file: "13:1" };
  const message = "writer's pwrite /file 0+64 (call 1): 56 lines of media block 7 were only in the cache";
  expect(found(zeroes, commits)).toEqual([
    `missing: ${message} when the transaction of writer's fsync /other was sealed`,
  ]);
  expect(found({ ...zeroes, does: zeroes.does.map(past) }, commits)).toEqual([]);
  expect(found(stores, commits)).toEqual([]);
  expect(found(zeroes)).toEqual([`missing: ${message} when the run ended`]);
  expect(found({ ...zeroes, does: zeroes.does.map(past) })).toEqual([]);
  // Zeros of the next transaction, made while this one is written.
  const later = past(by(Writer.zero, store(8)));
  const [body, cut, word] = sealed as [Partial<LogEntry>, Partial<LogEntry>, Partial<LogEntry>];
  expect(found({ call: Call.pwrite, does: [logged, body, cut, later, word, fence] })).toEqual([]);
});

test("a flush of clean lines and a fence with nothing on its way are redundant, each by its call", () => {
  const overwrites = { call: Call.pwrite, does: [past(by(Writer.copy, store(7)))] };
  expect(found(overwrites, sync(flush(7), fence))).toEqual([
    "redundant: writer's fsync /file (call 2): flush of 64 lines of media block 7, none of them dirty",
  ]);
  expect(found(stores, sync(flush(7), fence), sync(fence, fence), sync(flush(7)))).toEqual([
    "redundant: writer's fsync /file (call 3): 2 fences with nothing on their way",
    "redundant: writer's fsync /file (call 4): flush of 64 lines of media block 7, none of them dirty",
  ]);
  expect(found(stores, sync(flush(7), fence), stores, sync(flush(7), fence))).toEqual([]);
});
