// Free running: what a call costs beyond the copy it makes, and whether two tasks on two files disturb
// each other.

import { header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { bootKernel } from "../support/kernel.ts";
import { startThreads, type Threads } from "../support/threads.ts";
import { median, print, round } from "./figures.ts";
import { FILE_SIZE } from "./free-bodies.ts";

const ROUNDS = 5;

function machineWithFiles(): Memory {
  const { mem, sys } = bootKernel(designs.get("ext4-xip-serialized") as Design, 128 * MIB);
  header(mem).lockdep = 0;
  const calls = sys();
  for (const task of [0, 1]) {
    const fd = calls.open(`/file${task}`, "w+");
    for (let at = 0; at < FILE_SIZE; at += MIB) calls.pwrite(fd, new Uint8Array(MIB), at);
    calls.close(fd);
  }
  return mem;
}

export async function benchFree(): Promise<void> {
  const mem = machineWithFiles();
  const threads = startThreads(2, new URL("./free-bodies.js", import.meta.url).href);
  const bareAt = header(mem).media.start + 96 * MIB;
  console.log("Free running, 4 KiB at random offsets of a 16 MiB file");
  for (const [name, bare] of [
    ["overwrite", "bareSet"],
    ["read", "bareGet"],
  ] as const) {
    await compare(threads, mem, name, bare, bareAt);
  }
  await threads.close();
}

async function compare(threads: Threads, mem: Memory, name: string, bare: string, at: number): Promise<void> {
  const run = (names: string[]) => threads.run(mem, names, at, ROUNDS) as Promise<number[]>;
  const alone: number[] = [];
  const bareAlone: number[] = [];
  const together: number[] = [];
  // In turns, so that a noisy neighbour spoils all of them alike.
  for (let turn = 0; turn < 3; turn++) {
    bareAlone.push(...(await run([bare])));
    alone.push(...(await run([name])));
    together.push((await run([name, name])).reduce((sum, one) => sum + one, 0));
  }
  const [one, copy, two] = [median(alone), median(bareAlone), median(together)];
  print(`${name}, one task`, `${round(one)}/s`);
  print(`the bare copy`, `${round(copy)}/s`);
  print(`${name} / bare copy`, `${((one / copy) * 100).toFixed(0)} %`, "60 %");
  print(`${name}, two tasks on two files`, `${round(two)}/s`);
  print("two tasks / one task", (two / one).toFixed(2), "1.7");
}
