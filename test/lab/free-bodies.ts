// What the threads of free-running.test.ts do: one process each, mixed random calls on shared files, for a time.

import { runAs } from "../../src/machine/cpu.ts";
import { PAGE_SIZE, type Memory } from "../../src/machine/memory.ts";
import { endProcess } from "../../src/lab/oracles/endstate.ts";
import { checkWeights, workloadScenario, type Workload } from "../../src/lab/workload/workload.ts";
import { ChaosEngine } from "../../src/sched/chaos.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { design } from "../../src/xip/designs/ext4-xip-serialized.ts";
import { serveFaults } from "../../src/xip/fault.ts";

export const WORKLOAD: Workload = {
  weights: checkWeights({
    write: 4,
    read: 2,
    load: 2,
    store: 2,
    truncate: 2,
    fallocate: 2,
    append: 1,
    fsync: 1,
  }),
  tasks: 4,
  files: 3,
  seed: 7,
};

/** Makes calls for so many milliseconds; returns how many processes it has been. */
export function mixed(mem: Memory, _at: number, milliseconds: number, task: number): number {
  serveFaults(mem, design);
  let lives = 0;
  const body = workloadScenario(WORKLOAD, () => lives).tasks[`task-${task}`];
  if (body === undefined) throw new Error(`the workload has no task ${task}`);
  const sys = new Sys(mem, design, task);
  runAs(task, new ChaosEngine(mem, task, { seed: WORKLOAD.seed, rate: 0.02 }));
  for (const end = performance.now() + milliseconds; performance.now() < end; lives++) {
    body(sys);
    // Descriptors and mappings go, what was written stays.
    endProcess(mem, task);
  }
  return lives;
}

/**
 * Makes the extent tree of a file of its own one level high and takes that away again, over and over: the
 * block that one task's tree gives up is the next one's.  Returns how often.
 */
export function churnTrees(mem: Memory, _at: number, milliseconds: number, task: number): number {
  serveFaults(mem, design);
  const sys = new Sys(mem, design, task);
  const block = new Uint8Array(PAGE_SIZE).fill(task + 1);
  const fd = sys.open(`/tree-${task}`, "w+");
  let times = 0;
  for (const end = performance.now() + milliseconds; performance.now() < end; times++) {
    sys.fallocate(fd, 0, 0, 12 * PAGE_SIZE);
    for (let at = 1; at < 12; at += 2) sys.pwrite(fd, block, at * PAGE_SIZE);
    sys.ftruncate(fd, PAGE_SIZE);
  }
  sys.close(fd);
  return times;
}
