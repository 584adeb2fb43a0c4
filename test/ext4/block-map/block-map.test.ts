// Files without extent trees, on an image that mke2fs made without them and that was given the feature afterwards: its
// directories and its journal have block maps, too.  debugfs and e2fsck are the witnesses.

import { closeSync, ftruncateSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { check } from "../../../src/ext4/check/check.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import {
  debugfs,
  debugfsWrite,
  e2fsck,
  e2fsckRepairs,
  mkfs,
  scratchFolder,
} from "../../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../../support/kernel.ts";
import { cleanImage, imageOf } from "../../support/machine.ts";

const BLOCK = 4096;
const design = designs.get("dax-6.1") as Design;

/** On both sides of where each tree of numbers begins, and inside them. */
const single = 12;
const double = single + 1024;
const triple = double + 1024 * 1024;
const written = [
  0,
  10,
  11,
  single,
  single + 1,
  500,
  double - 1,
  double,
  double + 1,
  9000,
  triple - 1,
  triple,
];
written.push(triple + 1, triple + 1024, triple + 5000);

function made(): Uint8Array {
  const folder = scratchFolder();
  const [sparse, whole] = [join(folder, "sparse"), join(folder, "whole")];
  const file = openSync(sparse, "w");
  for (const [index, block] of written.entries())
    writeSync(file, new Uint8Array(BLOCK).fill(index + 1), 0, BLOCK, block * BLOCK);
  ftruncateSync(file, (triple + 6000) * BLOCK);
  closeSync(file);
  writeFileSync(whole, new Uint8Array(1200 * BLOCK).fill(0x77));
  const target = "a".repeat(100);
  const image = debugfsWrite(mkfs(24 * MIB, ["-O", "^extent,^64bit"]), [
    `write ${sparse} /sparse`,
    `write ${whole} /whole`,
    `symlink /link ${target}`,
    "mkdir /directory",
    "feature extent",
  ]);
  rmSync(folder, { recursive: true });
  return image;
}

const image = made();

function booted(from = image) {
  const { mem, sys } = bootKernel(design, from);
  const calls = sys();
  const clean = (): Uint8Array => {
    expect(commit(superBlock(mem))).toBe(0);
    const bytes = cleanImage(mem);
    expect(e2fsck(bytes)).toBe("");
    return bytes;
  };
  return { mem, sys: calls, clean };
}

test("their blocks are where debugfs finds them, and hold what was written; the rest is a hole", () => {
  expect(debugfs(image, "stat /sparse")).toMatch(/\(TIND\)/);
  const { sys } = booted();
  const fd = sys.open("/sparse", "r");
  const found = sys
    .fiemap(fd)
    .flatMap(({ logical, physical, length }) =>
      Array.from({ length: length / BLOCK }, (_, i) => [logical / BLOCK + i, physical / BLOCK + i]),
    );
  const theirs = written.map((block) => [block, Number(debugfs(image, `bmap /sparse ${block}`))]);
  expect(found).toEqual(theirs);
  for (const [index, block] of written.entries())
    expect(sys.pread(fd, BLOCK, block * BLOCK).every((byte) => byte === index + 1)).toBe(true);
  for (const hole of [1, single + 2, double + 2, triple - 2, triple + 1025])
    expect(sys.pread(fd, BLOCK, hole * BLOCK)).toEqual(new Uint8Array(BLOCK));
  expect(sys.readlink("/link")).toBe("a".repeat(100));
  expect(sys.pread(sys.open("/whole", "r"), 1200 * BLOCK, 0).every((byte) => byte === 0x77)).toBe(true);
  expect(sys.readdir("/")).toEqual(expect.arrayContaining(["sparse", "whole", "link", "directory"]));
});

test.each([triple + 1025, triple, triple - 1, double + 1, double, single + 1, 0])(
  "cut to %i blocks they keep what lies before, and e2fsck finds nothing",
  (blocks) => {
    const { sys, clean } = booted();
    sys.truncate("/sparse", blocks * BLOCK);
    const bytes = clean();
    const kept = written.filter((block) => block < blocks);
    const theirs = written.filter((block) => Number(debugfs(bytes, `bmap /sparse ${block}`)) !== 0);
    expect(theirs).toEqual(kept);
    const fd = sys.open("/sparse", "r");
    for (const block of kept)
      expect(sys.pread(fd, 1, block * BLOCK)).toEqual(new Uint8Array([written.indexOf(block) + 1]));
  },
);

test("a hole is punched across the border of two trees", () => {
  const { sys, clean } = booted();
  const fd = sys.open("/sparse", "r+");
  sys.fallocate(fd, 3, 11 * BLOCK, (double + 1 - 11) * BLOCK);
  const left = written.filter((block) => block < 11 || block > double);
  const bytes = clean();
  expect(written.filter((block) => Number(debugfs(bytes, `bmap /sparse ${block}`)) !== 0)).toEqual(left);
});

test("the target of a long link ends at a zero byte, as Linux has it", () => {
  const cut = Uint8Array.from(image);
  cut[Number(debugfs(image, "bmap /link 0")) * BLOCK + 5] = 0;
  expect(booted(cut).sys.readlink("/link")).toBe("aaaaa");
});

const freeCounts = (text: string): string[] => text.match(/Free (blocks|inodes): .*/g) ?? [];

test("removed, they give back as many blocks as e2fsprogs gets of them, directories and links too", () => {
  const { sys, clean } = booted();
  for (const name of ["sparse", "whole", "link"]) sys.unlink(`/${name}`);
  sys.rmdir("/directory");
  const ours = debugfs(clean(), "show_super_stats -h");
  const empty = debugfs(mkfs(24 * MIB, ["-O", "^extent,^64bit"]), "show_super_stats -h");
  expect(freeCounts(ours)).toEqual(freeCounts(empty));
});

test("open without a name when the power fails, one is freed at the next mount", () => {
  const { mem, sys } = booted();
  sys.open("/sparse", "r");
  sys.unlink("/sparse");
  expect(commit(superBlock(mem))).toBe(0);
  const crashed = imageOf(mem);
  expect(e2fsckRepairs(crashed).text).toContain("Clearing orphaned inode");
  const { sys: later, clean } = booted(crashed);
  expect(later.readdir("/")).not.toContain("sparse");
  clean();
});

test("what is there is overwritten, and what would need a block is not supported", () => {
  const { sys, clean } = booted();
  const fd = sys.open("/sparse", "r+");
  sys.pwrite(fd, new Uint8Array(100).fill(0xee), double * BLOCK + 50);
  expect(sys.pread(fd, 1, double * BLOCK + 149)).toEqual(new Uint8Array([0xee]));
  expect(codeOf(() => sys.pwrite(fd, new Uint8Array(1), 5 * BLOCK))).toBe("EOPNOTSUPP");
  expect(codeOf(() => sys.fallocate(fd, 0, 0, 20 * BLOCK))).toBe("EOPNOTSUPP");
  sys.close(sys.open("/directory/new", "w"));
  clean();
});

test.each([
  ["a number outside the file system", 70_000],
  ["the group descriptors", 1],
])("a map that names %s is called damaged", (_, number) => {
  const broken = debugfsWrite(image, [`set_inode_field /sparse block[0] ${number}`]);
  const { sys } = booted(broken);
  const fd = sys.open("/sparse", "r+");
  expect(codeOf(() => sys.pread(fd, 1, 0))).toBe("EUCLEAN");
  expect(() => sys.ftruncate(fd, 0)).toThrow(/the block map of inode \d+ is damaged: it names block \d+/);
});

test("a map whose blocks name themselves is called damaged, and not followed a thousand million times", () => {
  const node = Number(debugfs(image, "bmap /whole 0"));
  const broken = debugfsWrite(image, [`set_inode_field /whole block[TIND] ${node}`]);
  new Uint32Array(broken.buffer, broken.byteOffset + node * BLOCK, BLOCK / 4).fill(node);
  const { mem, sys } = booted(broken);
  const fd = sys.open("/whole", "r+");
  expect(() => sys.fiemap(fd)).toThrow(/the block map of inode \d+ is damaged: it names block \d+/);
  expect(check(mem)).not.toEqual([]);
  expect(codeOf(() => sys.ftruncate(fd, 0))).toBe("EUCLEAN");
});
