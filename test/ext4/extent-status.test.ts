// The extent that an inode remembers: whoever asks gets what the tree would have said.
//
// While lockdep checks, nobody looks at what is remembered, so two machines that differ in nothing else tell
// whether it is ever wrong: the one that always asks the tree is the witness.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { knownBlock, lookUp } from "../../src/ext4/map.ts";
import { findExtent } from "../../src/ext4/extents/find.ts";
import { State } from "../../src/ext4/extents/extent.ts";
import type { Inode } from "../../src/ext4/inode.ts";
import { iget, iput } from "../../src/ext4/inodes/cache.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { header } from "../../src/machine/layout.ts";
import { PAGE_SIZE } from "../../src/machine/memory.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";
import { explore } from "../support/kept.ts";

const BLOCKS = 12;
const design = designs.get("dax-6.1") as Design;

function boot(lockdep: number): Kernel {
  const kernel = bootKernel(design, 4 * 1024 * 1024);
  header(kernel.mem).lockdep = lockdep;
  return kernel;
}

type Act = (sys: Sys, fd: number) => unknown;

const place = fc.nat(BLOCKS - 1).map((block) => block * PAGE_SIZE);
const length = fc.integer({ min: 1, max: 4 }).map((blocks) => blocks * PAGE_SIZE);
const modes = fc.constantFrom(0, 1, 3, 8, 16, 17, 32);
const act: fc.Arbitrary<Act> = fc.oneof(
  fc.tuple(place, fc.integer({ min: 1, max: 9000 }), fc.nat(255)).map(
    ([at, count, byte]): Act =>
      (sys, fd) =>
        sys.pwrite(fd, new Uint8Array(count).fill(byte), at),
  ),
  fc.tuple(place, length).map(
    ([at, count]): Act =>
      (sys, fd) =>
        Buffer.from(sys.pread(fd, count, at)).toString("hex"),
  ),
  fc.tuple(modes, place, length).map(
    ([mode, at, count]): Act =>
      (sys, fd) =>
        codeOf(() => sys.fallocate(fd, mode, at, count)),
  ),
  place.map(
    (at): Act =>
      (sys, fd) =>
        sys.ftruncate(fd, at),
  ),
  place.map((at): Act => (sys, fd) => [
    codeOf(() => sys.lseek(fd, at, 3)),
    codeOf(() => sys.lseek(fd, at, 4)),
  ]),
);

/** The blocks that are said to be known and are elsewhere, or not written. */
function falseBlocks(inode: Inode): number[] {
  return Array.from({ length: BLOCKS }, (_, block) => block).filter((block) => {
    const known = knownBlock(inode, block);
    if (known === 0) return false;
    const found = findExtent(inode, block);
    if (typeof found === "number") return true;
    return found.state !== State.written || known !== found.media + block - found.start;
  });
}

test("any sequence of calls gives the same, whether extents are remembered or not", () => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 10, maxLength: 30, size: "max" }), (acts) => {
      const [asking, remembering] = [boot(1), boot(0)].map(({ mem, sys }) => {
        const calls = sys();
        const fd = calls.open("/file", "w+");
        calls.pwrite(fd, new Uint8Array(BLOCKS * PAGE_SIZE).fill(0xaa), 0);
        const inode = iget(superBlock(mem), calls.fstat(fd).ino);
        if (typeof inode === "number") throw new Error(`iget: ${inode}`);
        return acts.map((one) => [
          one(calls, fd),
          falseBlocks(inode),
          calls.fiemap(fd).map(({ logical, length: bytes }) => [logical, bytes]),
        ]);
      });
      expect(remembering).toEqual(asking);
      expect(remembering?.flatMap(([, wrong]) => wrong)).toEqual([]);
    }),
    { numRuns: 60 },
  );
});

test("a block of the extent that was found last is found again without the tree's lock", () => {
  const { mem, sys } = boot(0);
  const calls = sys();
  const fd = calls.open("/file", "w+");
  calls.pwrite(fd, new Uint8Array(4 * PAGE_SIZE), 0);
  const inode = iget(superBlock(mem), calls.fstat(fd).ino);
  if (typeof inode === "number") throw new Error(`iget: ${inode}`);
  const found = lookUp(inode, 1);
  inode.dataSem.state.store(1 << 6); // somebody has it alone, and would never give it back
  expect(lookUp(inode, 3)).toEqual(found);
  const known = knownBlock(inode, 3);
  inode.dataSem.state.store(0);
  expect(found).toEqual(findExtent(inode, 1));
  if (typeof found === "number") throw new Error(`lookUp: ${found}`);
  expect(known).toBe(found.media + 3 - found.start);
  iput(inode);
});

test.each(["truncate-and-reuse", "split-in-three", "punch-beside-read", "zero-beside-write"])(
  "with remembered extents the serialized design keeps every promise in %s, in every schedule",
  async (scenario) => {
    const { violation, complete } = await explore(scenario, {
      design: "ext4-xip-serialized",
      strategy: "exhaustive",
      preemptions: 1,
      options: { lockdep: 0 },
    });
    expect(violation?.message).toBe(undefined);
    expect(complete).toBe(true);
  },
);
