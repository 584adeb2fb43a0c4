// In which groups directories of the root lie, and what is made in them.

import { expect, test } from "vitest";
import { superBlock } from "../../../src/ext4/super.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel, type Kernel } from "../../support/kernel.ts";
import { cleanImage } from "../../support/machine.ts";

const MIB = 1024 * 1024;
/** Eight groups of 1,024 blocks: one is full of the journal, and the first of the tables of all. */
const image = mkfs(32 * MIB, ["-g", "1024"]);
const boot = (design: string): Kernel => bootKernel(designs.get(design) as Design, image);

/** The group of a file's inode, and that of its first block. */
function placesOf({ mem, sys }: Kernel, path: string): [inode: number, block: number] {
  const { inodesPerGroup, blocksPerGroup } = superBlock(mem);
  const calls = sys();
  const fd = calls.open(path, "r");
  const [first] = calls.fiemap(fd);
  const { ino } = calls.fstat(fd);
  calls.close(fd);
  return [Math.floor((ino - 1) / inodesPerGroup), Math.floor((first?.physical ?? 0) / 4096 / blocksPerGroup)];
}

function write(calls: Sys, path: string): void {
  const fd = calls.open(path, "w");
  calls.pwrite(fd, new Uint8Array(4096), 0);
  calls.close(fd);
}

test("directories of the root lie in one group after the other, and files and directories in them in theirs", () => {
  const kernel = boot("ext4-xip-serialized");
  const calls = kernel.sys();
  const names = Array.from({ length: 6 }, (_, index) => `/${index}`);
  const groups = names.map((name) => {
    calls.mkdir(name);
    calls.mkdir(`${name}/below`);
    write(calls, `${name}/file`);
    write(calls, `${name}/below/file`);
    const [group] = placesOf(kernel, name);
    for (const path of [name, `${name}/below`, `${name}/file`, `${name}/below/file`]) {
      expect(placesOf(kernel, path), path).toEqual([group, group]);
    }
    return group;
  });
  expect(new Set(groups).size).toBe(names.length);
  calls.sync();
  expect(e2fsck(cleanImage(kernel.mem))).toBe("");
});

test("a group that is much fuller than the others gets no directory of the root", () => {
  const kernel = boot("ext4-xip-serialized");
  const calls = kernel.sys();
  calls.mkdir("/a");
  const [full] = placesOf(kernel, "/a");
  const fd = calls.open("/a/large", "w");
  calls.fallocate(fd, 0, 0, 3 * MIB);
  calls.close(fd);
  const groups = Array.from({ length: 16 }, (_, index) => {
    calls.mkdir(`/${index}`);
    return placesOf(kernel, `/${index}`)[0];
  });
  expect(groups).not.toContain(full);
  expect(new Set(groups).size).toBeGreaterThan(4);
});

test("as in Linux, all of them lie in the group of the root in dax-6.1", () => {
  const kernel = boot("dax-6.1");
  for (const name of ["/0", "/1", "/2"]) {
    kernel.sys().mkdir(name);
    expect(placesOf(kernel, name)[0]).toBe(0);
  }
});
