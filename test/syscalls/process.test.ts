// Several tasks in one process share its descriptors and positions; processes share files.  On real threads.

import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { freeBlockCount } from "../../src/ext4/alloc/open-group.ts";
import { runAs } from "../../src/machine/cpu.ts";
import { Bug } from "../../src/machine/errors.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { setTasks } from "../../src/syscalls/process.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { bootKernel, type Kernel } from "../support/kernel.ts";
import { startThreads } from "../support/threads.ts";
import { RECORD } from "./process-bodies.ts";

const design = [...designs.values()].find(({ sound }) => sound);
if (design === undefined) throw new Error("no design is meant to be sound");

const ROUNDS = 500;
const threads = startThreads(2, new URL("./process-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

let kernel: Kernel;
let sys: Sys;
beforeEach(() => {
  kernel = bootKernel(design);
  sys = kernel.sys(0);
});

/** The records of a file as [first word, second word]. */
function recordsOf(path: string): [number, number][] {
  const fd = sys.open(path, "r");
  const bytes = sys.pread(fd, 4 * ROUNDS * RECORD, 0);
  sys.close(fd);
  expect(bytes.length % RECORD).toBe(0);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: bytes.length / RECORD }, (_, i) => [
    view.getUint32(i * RECORD),
    view.getUint32(i * RECORD + 4),
  ]);
}

const everyone = [0, 1].flatMap((task) => Array.from({ length: ROUNDS }, (_, i) => [task, i + 1]));
const sorted = (records: number[][]): number[][] => records.toSorted(([a, b], [c, d]) => a! - c! || b! - d!);

describe("two tasks of one process", () => {
  beforeEach(() => setTasks(kernel.mem, 0, 2));

  it("read each record once through one descriptor", async () => {
    const fd = sys.open("/file", "w+");
    const bytes = new DataView(new ArrayBuffer(ROUNDS * RECORD));
    for (let i = 0; i < ROUNDS; i++) bytes.setUint32(i * RECORD, i);
    sys.pwrite(fd, new Uint8Array(bytes.buffer), 0);
    const seen = await threads.run(kernel.mem, ["readRecords", "readRecords"], fd, ROUNDS);
    const numbers = (seen as number[][]).flat().toSorted((a, b) => a - b);
    expect(numbers).toEqual(Array.from({ length: ROUNDS }, (_, i) => i));
  });

  it("write through one descriptor without overwriting each other", async () => {
    const fd = sys.open("/file", "w");
    await threads.run(kernel.mem, ["writeRecords", "writeRecords"], fd, ROUNDS);
    expect(sorted(recordsOf("/file"))).toEqual(everyone);
  });

  it("are never given one descriptor both", async () => {
    for (const task of [0, 1]) {
      const fd = sys.open(`/own${task}`, "w");
      sys.write(fd, new Uint8Array([task + 1]));
      sys.close(fd);
    }
    expect(await threads.run(kernel.mem, ["churn", "churn"], 0, ROUNDS)).toEqual([ROUNDS, ROUNDS]);
  });

  it("can close what the other uses: it gets the file's bytes or EBADF, and the file goes", async () => {
    const free = freeBlockCount(superBlock(kernel.mem));
    const fd = sys.open("/probe", "w");
    sys.close(fd);
    sys.unlink("/probe");
    const [seen] = await threads.run(kernel.mem, ["useWhileClosed", "closeUnder"], fd, ROUNDS);
    // Between open and write the file is empty.
    const possible = new Set(["EBADF", "", "7 7 7 7"]);
    expect((seen as string[]).filter((outcome) => !possible.has(outcome))).toEqual([]);
    expect(freeBlockCount(superBlock(kernel.mem))).toBe(free);
  });
});

describe("two processes", () => {
  it("append to one file without losing a record, each in its order", async () => {
    sys.close(sys.open("/log", "w"));
    await threads.run(kernel.mem, ["appendRecords", "appendRecords"], 0, ROUNDS);
    const records = recordsOf("/log");
    expect(sorted(records)).toEqual(everyone);
    for (const task of [0, 1]) {
      const own = records.filter(([who]) => who === task).map(([, index]) => index);
      expect(own).toEqual(own.toSorted((a, b) => a - b));
    }
  });
});

describe("a process that was said to have one task", () => {
  it("stops the machine when another task calls as it", () => {
    const before = runAs(5);
    expect(() => kernel.sys(0).open("/file", "w")).toThrow(Bug);
    expect(() => kernel.sys(5).open("/file", "w")).not.toThrow();
    runAs(before.task, before.engine);
  });
});
