// Files of many extents, through dax-6.1 on one task: what one extent costs to find, to make, to list, to seek
// over and to free, in files of a thousand to a hundred thousand of them.  Where the last column stays what the
// first is, the cost is linear in extents.

import { lookUp } from "../../src/ext4/map.ts";
import { treeRoot } from "../../src/ext4/inode.ts";
import { iput } from "../../src/ext4/inodes/cache.ts";
import { nodeDepth } from "../../src/ext4/media/extent.ts";
import { walk } from "../../src/ext4/names/path.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { header } from "../../src/machine/layout.ts";
import { GIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { bootKernel } from "../support/kernel.ts";
import { places } from "./free-bodies.ts";
import { median, print } from "./figures.ts";

const BLOCK = 4096;
const SIZES = [1000, 10_000, 100_000];
const PUNCH = 3;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ROUNDS = 5;

/** Microseconds of `work` for each of `count` extents: the median of some rounds, each on a file made anew. */
interface Costs {
  make: number[];
  find: number[];
  list: number[];
  seek: number[];
  punch: number[];
  truncate: number[];
  single: number[];
}

function timed(count: number, work: () => void): number {
  const begin = performance.now();
  work();
  return ((performance.now() - begin) * 1000) / count;
}

/** Every other block of a file written, so that each is an extent; from the end on leaves nodes half full. */
function make(sys: Sys, extents: number, backwards: boolean): number {
  const fd = sys.open("/file", "w+");
  const bytes = new Uint8Array(BLOCK);
  for (let index = 0; index < extents; index++) {
    sys.pwrite(fd, bytes, 2 * BLOCK * (backwards ? extents - 1 - index : index));
  }
  return fd;
}

/** The median time of one look-up: those of a thousand are taken together, a clock is no finer. */
function findOne(mem: Memory, extents: number): number {
  const inode = walk(superBlock(mem), "/file");
  if (typeof inode === "number") throw new Error("the file is gone");
  const next = places(2 * extents);
  const look = (): void => {
    for (let index = 0; index < 1000; index++) lookUp(inode, next());
  };
  const times = Array.from({ length: 201 }, () => timed(1000, look));
  iput(inode);
  return median(times);
}

function seekThrough(sys: Sys, fd: number, extents: number): void {
  for (let found = 0; found < extents; found++) {
    sys.lseek(fd, sys.lseek(fd, found * 2 * BLOCK, SEEK_DATA), SEEK_HOLE);
  }
}

function round(mem: Memory, sys: Sys, extents: number, costs: Costs): void {
  let fd = 0;
  costs.make.push(timed(extents, () => (fd = make(sys, extents, false))));
  costs.find.push(findOne(mem, extents));
  costs.list.push(timed(extents, () => sys.fiemap(fd)));
  costs.seek.push(timed(extents, () => seekThrough(sys, fd, extents)));
  costs.punch.push(timed(extents, () => sys.fallocate(fd, PUNCH, 0, 2 * BLOCK * extents)));
  sys.close(fd);
  fd = make(sys, extents, true);
  costs.truncate.push(timed(extents, () => sys.ftruncate(fd, 0)));
  sys.close(fd);
  fd = make(sys, extents, true);
  costs.single.push(
    timed(extents, () => {
      for (let index = 0; index < extents; index++) sys.fallocate(fd, PUNCH, 2 * BLOCK * index, BLOCK);
    }),
  );
  sys.close(fd);
}

export function benchExtents(): void {
  console.log(
    `Files of ${SIZES.map((size) => size.toLocaleString("en-US")).join(", ")} extents: microseconds for one`,
  );
  const all = SIZES.map((extents) => {
    const { mem, sys } = bootKernel(designs.get("dax-6.1") as Design, GIB);
    header(mem).lockdep = 0;
    const costs: Costs = { make: [], find: [], list: [], seek: [], punch: [], truncate: [], single: [] };
    for (let turn = 0; turn < ROUNDS; turn++) round(mem, sys(), extents, costs);
    return costs;
  });
  const rows: [keyof Costs, string, string][] = [
    ["find", "finding one, at random places", "below 1"],
    ["make", "making one: a block written into a hole", ""],
    ["list", "fiemap", "all alike"],
    ["seek", "lseek, SEEK_DATA and SEEK_HOLE", "all alike"],
    ["punch", "punching all at once", "all alike"],
    ["single", "punching one after the other", "all alike"],
    ["truncate", "truncating all", "all alike"],
  ];
  for (const [key, what, wanted] of rows) {
    print(what, all.map((costs) => median(costs[key]).toFixed(2)).join(" "), wanted);
  }
  benchLevels();
}

/** As deep as files that fit a machine become: nodes of 340 entries, all half full. */
function benchLevels(): void {
  const extents = 150_000;
  const { mem, sys } = bootKernel(designs.get("dax-6.1") as Design, GIB);
  header(mem).lockdep = 0;
  const calls = sys();
  const fd = make(calls, extents, true);
  const inode = walk(superBlock(mem), "/file");
  if (typeof inode === "number") throw new Error("the file is gone");
  print(
    `levels of a file of ${extents.toLocaleString("en-US")} extents made from its end on`,
    `${nodeDepth(mem, treeRoot(inode)) + 1}`,
  );
  iput(inode);
  print("finding one there", `${findOne(mem, extents).toFixed(2)} us`, "below 1");
  calls.close(fd);
}
