// First writes into unwritten space (zero, split, convert, merge, copy) on one task, in files that have
// few extents and many, and what it costs to boot a machine and to go back to a snapshot of it.

import { header } from "../../src/machine/layout.ts";
import { GIB, MIB } from "../../src/machine/limits.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { bootKernel } from "../support/kernel.ts";
import { median, print, rate, round } from "./figures.ts";

const BLOCK = 4096;
const design = designs.get("ext4-xip-serialized") as Design;

export function benchFirstWrites(): void {
  console.log("First 4 KiB writes into unwritten space, one task");
  for (const extents of [10, 1000, 100_000]) {
    const { mem, sys } = bootKernel(design, 2 * GIB);
    header(mem).lockdep = 0;
    const calls = sys();
    const fd = calls.open("/file", "w+");
    const blocks = Math.max(2 * extents, 20_000) + 140_000;
    calls.fallocate(fd, 0, 0, blocks * BLOCK);
    const bytes = new Uint8Array(BLOCK).fill(1);
    // Every other block written: each is an extent, and so is each gap.
    for (let block = 0; block < extents; block += 2) calls.pwrite(fd, bytes, block * BLOCK);
    const first = blocks - 140_000;
    const found = rate((index) => calls.pwrite(fd, bytes, (first + index) * BLOCK), 20_000);
    print(
      `in a file of ${calls.fiemap(fd).length.toLocaleString("en-US")} extents`,
      `${round(found)}/s`,
      "150,000/s",
    );
  }
}

export function benchBoot(): void {
  console.log("Booting and going back");
  const boots = Array.from({ length: 9 }, () => {
    const begin = performance.now();
    bootKernel(design);
    return performance.now() - begin;
  });
  print("booting the default machine, without workers", `${median(boots).toFixed(1)} ms`, "150 ms");
  for (const size of [16 * MIB, GIB]) {
    const { mem, sys } = bootKernel(design, size);
    const calls = sys();
    const fd = calls.open("/file", "w+");
    calls.fallocate(fd, 0, 0, MIB);
    takeSnapshot(mem);
    const bytes = new Uint8Array(BLOCK);
    for (const blocks of [1, 16, 256]) {
      const times = Array.from({ length: 101 }, () => {
        for (let block = 0; block < blocks; block++) calls.pwrite(fd, bytes, block * BLOCK);
        const begin = performance.now();
        restoreSnapshot(mem);
        return performance.now() - begin;
      });
      const what = `restore after ${blocks} written blocks, ${size / MIB} MiB of media`;
      print(what, `${(median(times) * 1000).toFixed(0)} us`);
    }
  }
}
