// Names: files made one after another and by two tasks, and finding one among ten thousand.

import { closeSync, existsSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from "node:fs";
import path from "node:path";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { bootKernel } from "../../support/kernel.ts";
import { startThreads } from "../../support/threads.ts";
import { median, print, rate, round } from "../figures.ts";
import { madeASecond } from "./names-bodies.ts";

const design = designs.get("ext4-xip-serialized") as Design;
const FILES = 2000;
const NAMES = 10_000;

function boot(): { mem: Memory; calls: Sys } {
  const { mem, sys } = bootKernel(design, 256 * MIB);
  header(mem).lockdep = 0;
  const calls = sys();
  for (const task of [0, 1]) calls.mkdir(`/${task}`);
  return { mem, calls };
}

const TMPFS = "/dev/shm";

/** Files made a second through node:fs on a tmpfs, to compare: the median of the rounds. */
function makeOnTmpfs(rounds: number): number {
  const folder = mkdtempSync(path.join(TMPFS, "unwritten-"));
  const bytes = new Uint8Array(4096).fill(1);
  const paths = Array.from({ length: FILES }, (_, index) => path.join(folder, `file-${index}`));
  const put = (file: string): void => {
    const fd = openSync(file, "w");
    writeSync(fd, bytes, 0, bytes.length, 0);
    closeSync(fd);
  };
  const found = madeASecond(paths, rounds, put, unlinkSync);
  rmSync(folder, { recursive: true });
  return found;
}

const nameOf = (index: number): string => `/many/name-${index}`;

export async function benchNames(): Promise<void> {
  console.log("Names");
  const { mem, calls } = boot();
  const threads = startThreads(2, new URL("./names-bodies.js", import.meta.url).href);
  const run = (names: string[], rounds = 5): Promise<number[]> =>
    threads.run(mem, names, FILES, rounds) as Promise<number[]>;
  await run(["make", "make"], 20); // both threads have compiled the kernel, and not in haste
  const alone: number[] = [];
  const together: number[] = [];
  for (let turn = 0; turn < 9; turn++) {
    alone.push(...(await run(["make"])));
    together.push((await run(["make", "make"])).reduce((sum, one) => sum + one, 0));
  }
  await threads.close();
  print("create, write 4 KiB, close, one task", `${round(median(alone))}/s`, "150,000/s");
  if (existsSync(TMPFS)) print("the same through node:fs on tmpfs", `${round(makeOnTmpfs(20))}/s`);
  print("the same by two tasks in two directories", `${round(median(together))}/s`);
  // Turn by turn: a machine that others use is as fast in both halves of a turn.
  const times = together.map((two, turn) => two / (alone[turn] as number));
  print("two tasks / one task, median of the turns", median(times).toFixed(2), "1.5");

  calls.mkdir("/many");
  calls.close(calls.open("/many/file", "w"));
  for (let index = 0; index < NAMES; index++) calls.link("/many/file", nameOf(index));
  const paths = Array.from({ length: NAMES }, (_, index) => nameOf((index * 7919) % NAMES));
  const found = rate((index) => calls.stat(paths[index % NAMES] as string), NAMES);
  const bytes = calls.stat("/many").size;
  // What a scan of half the directory's bytes takes at the speed of the memory.
  const copy = new Uint8Array(bytes / 2);
  const scan = rate(
    () => copy.set(mem.u8.subarray(header(mem).media.start, header(mem).media.start + copy.length)),
    2000,
  );
  const root = rate(() => calls.stat("/many"), NAMES);
  print("stat of a name in a directory of 10,000", `${round(found)}/s`);
  print("stat of a name in the root", `${round(root)}/s`);
  print(`half the directory (${(bytes / 2048).toFixed(0)} KiB) copied`, `${round(scan)}/s`);
  print("lookup / linear scan at memory speed", (found / scan).toFixed(2), "1");
}
