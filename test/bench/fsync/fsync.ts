// fsync: what a commit costs one task, and what four of them gain by sharing commits.
//
// As many tasks share a commit as there are cores: one that sleeps is awake again when the next commit is half done, so
// a task that waits for a commit keeps its core.  Two cores give twice one task at best, if handing over took no time.

import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { journalOf } from "../../../src/ext4/journal/state.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { bootKernel } from "../../support/kernel.ts";
import { startThreads } from "../../support/threads.ts";
import { median, print, round } from "../figures.ts";

const design = designs.get("ext4-xip-serialized") as Design;
const TASKS = 4;
const EACH = 5000;
const ROUNDS = 5;

function machineWithFiles(): Memory {
  const { mem, sys } = bootKernel(design, 128 * MIB);
  header(mem).lockdep = 0;
  const calls = sys();
  for (let task = 0; task < TASKS; task++) {
    const fd = calls.open(`/file${task}`, "w+");
    calls.pwrite(fd, new Uint8Array(MIB), 0);
    calls.close(fd);
  }
  calls.sync();
  return mem;
}

export async function benchFsync(): Promise<void> {
  console.log("fsync after a write of 4 KiB");
  const mem = machineWithFiles();
  const threads = startThreads(TASKS, new URL("./fsync-bodies.js", import.meta.url).href);
  const run = async (tasks: number): Promise<{ rate: number; shared: number }> => {
    const before = journalOf(mem).running;
    const names = Array.from({ length: tasks }, () => "writeAndSync");
    const rates = (await threads.run(mem, names, EACH, ROUNDS)) as number[];
    const commits = journalOf(mem).running - before;
    return { rate: rates.reduce((sum, one) => sum + one, 0), shared: (tasks * EACH * ROUNDS) / commits };
  };
  await run(TASKS); // all threads have compiled the kernel
  const alone: number[] = [];
  const together: number[] = [];
  const shared: number[] = [];
  for (let turn = 0; turn < 3; turn++) {
    alone.push((await run(1)).rate);
    const four = await run(TASKS);
    together.push(four.rate);
    shared.push(four.shared);
  }
  await threads.close();
  const [one, four] = [median(alone), median(together)];
  print("one task", `${round(one)}/s`, "20,000/s");
  print("four tasks on four files", `${round(four)}/s`, "40,000/s: twice the 20,000/s");
  print("calls for each commit of four tasks", median(shared).toFixed(1));
  print("four tasks / one task as measured here", (four / one).toFixed(2), "2");
}
