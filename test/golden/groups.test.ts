// What the allocator sets aside for small files: a run for each task, which a mount does not know of.

import { expect, test } from "vitest";
import { mount, unmount } from "../../src/ext4/mount/mount.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { runAs } from "../../src/machine/cpu.ts";
import { HOST_TASK } from "../../src/machine/limits.ts";
import { setTasks } from "../../src/syscalls/process.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../support/kernel.ts";
import { cleanImage } from "../support/machine.ts";

const design = designs.get("dax-6.1") as Design;
const BLOCK = new Uint8Array(4096).fill(1);

function append(sys: Sys, path: string): void {
  const fd = sys.open(path, "a");
  sys.write(fd, BLOCK);
  sys.close(fd);
}

function runsOf(sys: Sys, path: string): number {
  const fd = sys.open(path, "r");
  const runs = sys.fiemap(fd).length;
  sys.close(fd);
  return runs;
}

test("two files that grow by turns lie in one piece each when two tasks write them, and in many when one does", () => {
  const { mem, sys } = bootKernel(design);
  setTasks(mem, HOST_TASK, 2);
  const calls = sys();
  const grow = (one: string, other: string, task: number): number[] => {
    for (let turn = 0; turn < 8; turn++) {
      append(calls, one);
      runAs(task);
      append(calls, other);
      runAs(HOST_TASK);
    }
    return [runsOf(calls, one), runsOf(calls, other)];
  };
  expect(grow("/a", "/b", 0)).toEqual([1, 1]);
  expect(grow("/c", "/d", HOST_TASK)).toEqual([8, 8]);
  calls.sync();
  expect(e2fsck(cleanImage(mem))).toBe("");
});

test("after an unmount nothing is set aside: no block gets two owners", () => {
  const { mem, sys } = bootKernel(design);
  const calls = sys();
  append(calls, "/small");
  expect(unmount(superBlock(mem))).toBe(0);
  expect(mount(mem, design.options)).not.toHaveProperty("message");
  const large = calls.open("/large", "w");
  expect(codeOf(() => calls.pwrite(large, new Uint8Array(10 * 1024 * 1024), 0))).toBe("none");
  for (let turn = 0; turn < 10; turn++) append(calls, "/small");
  calls.sync();
  expect(e2fsck(cleanImage(mem))).toBe("");
});
