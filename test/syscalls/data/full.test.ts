// Space that runs out, as in Linux: how far a reservation gets and the file with it, what statfs says then, and that
// what gives space back still works.

import { spawnSync } from "node:child_process";
import { statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imageNow } from "../../ext4/model.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { Fallocate } from "../../../src/xip/modes.ts";
import { e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../../support/kernel.ts";
import { loopRefusal, mountedByLinux } from "../../support/loop.ts";

const BLOCK = 4096;
const design = designs.get("dax-6.1") as Design;
const refusal = loopRefusal();
const here = refusal === "" ? "" : ` (with Linux' answers as they were once: ${refusal})`;

type Call = readonly [file: string, mode: number, offset: number, length: number];
const calls: Call[] = [
  ["a", 0, 0, 5 * MIB],
  ["b", 0, 0, 3 * MIB],
  ["c", 0, 100, 5 * MIB], // space ends here
  ["c", Fallocate.keepSize, 8 * MIB, MIB],
  ["b", Fallocate.punchHole | Fallocate.keepSize, BLOCK, BLOCK],
  ["a", Fallocate.zeroRange, 5 * MIB - BLOCK, 2 * BLOCK],
  ["a", Fallocate.zeroRange, 5 * MIB - BLOCK, 4 * BLOCK],
];

/** What each call leaves: whether it worked, the file's size and units, and free blocks, all and for those who are not root. */
type Left = [works: boolean, size: number, blocks: number, bfree: number, bavail: number];

function linux(image: Uint8Array): Left[] {
  return mountedByLinux(
    image,
    (folder) => {
      for (const name of ["a", "b", "c"]) writeFileSync(join(folder, name), "");
      return calls.map(([name, mode, offset, length]) => {
        const letters = [mode & 1 ? "-n" : "", mode & 2 ? "-p" : "", mode & 16 ? "-z" : ""].filter(Boolean);
        const words = [...letters, "-o", `${offset}`, "-l", `${length}`, join(folder, name)];
        const { status } = spawnSync("fallocate", words);
        spawnSync("sync", ["-f", folder]);
        const [{ size, blocks }, { bfree, bavail }] = [statSync(join(folder, name)), statfsSync(folder)];
        return [status === 0, size, blocks, bfree, bavail];
      });
    },
    "rw",
  );
}

/** What Linux 6.18 left, for where it cannot be asked. */
const recorded: Left[] = [
  [true, 5242880, 10240, 1525, 1240],
  [true, 3145728, 6144, 757, 472],
  [false, 2768896, 5408, 81, 0],
  [false, 2768896, 5408, 81, 0],
  [true, 3145728, 6136, 82, 0],
  [true, 5246976, 10248, 81, 0],
  [false, 5246976, 10248, 81, 0],
];

test(`reservations go as far as in Linux, and leave as much to statfs${here}`, () => {
  const image = mkfs(16 * MIB);
  const { mem, sys: process } = bootKernel(design, image);
  const sys = process();
  for (const name of ["a", "b", "c"]) sys.close(sys.open(name, "w"));
  const ours = calls.map(([name, mode, offset, length]): Left => {
    const fd = sys.open(name, "r+");
    const code = codeOf(() => sys.fallocate(fd, mode, offset, length));
    sys.sync();
    const [{ size, blocks }, { bfree, bavail }] = [sys.fstat(fd), sys.statfs("/")];
    sys.close(fd);
    return [code === "none", size, blocks, bfree, bavail];
  });
  if (refusal === "") expect(linux(image)).toEqual(recorded);
  expect(ours).toEqual(recorded);
  expect(e2fsck(imageNow(superBlock(mem)))).toBe("");
});

test("with no block left for data, a hole is punched into the middle of an extent though its tree must grow", () => {
  const { mem, sys: process } = bootKernel(design, mkfs(16 * MIB));
  const sys = process();
  const fd = sys.open("/file", "w+");
  sys.fallocate(fd, 0, 0, 9 * BLOCK);
  for (const block of [1, 3, 5]) sys.fallocate(fd, 3, block * BLOCK, BLOCK);
  const rest = sys.open("/rest", "w");
  expect(codeOf(() => sys.fallocate(rest, 0, 0, 16 * MIB))).toBe("ENOSPC");
  expect(codeOf(() => sys.pwrite(rest, new Uint8Array(1), 32 * MIB))).toBe("ENOSPC");
  expect(sys.fiemap(fd)).toHaveLength(4); // as many as the inode has room for
  expect(codeOf(() => sys.fallocate(fd, 3, 7 * BLOCK, BLOCK))).toBe("none");
  expect(sys.fiemap(fd)).toHaveLength(5);
  expect(e2fsck(imageNow(superBlock(mem)))).toBe("");
});

test("zero range zeroes whole blocks as far as space goes, and none where the range ends inside one", () => {
  const sys = bootKernel(design, mkfs(16 * MIB)).sys();
  const fd = sys.open("/file", "w+");
  sys.pwrite(fd, new Uint8Array(4 * BLOCK).fill(1), 0);
  expect(codeOf(() => sys.fallocate(fd, Fallocate.zeroRange, 0, 16 * MIB + 1))).toBe("ENOSPC");
  expect([...new Set(sys.pread(fd, 4 * BLOCK, 0))]).toEqual([1]);
  expect(codeOf(() => sys.fallocate(fd, Fallocate.zeroRange, 0, 16 * MIB))).toBe("ENOSPC");
  expect([...new Set(sys.pread(fd, 4 * BLOCK, 0))]).toEqual([0]);
});
