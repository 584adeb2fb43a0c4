// Files written through `sys` on images of mkfs.ext4 read back the same through everybody else: debugfs, and
// Linux' own ext4 where it can be asked.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { boot, type Machine, type Sys } from "../../src/index.ts";
import { debugfs, debugfsDump, e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { filefrag, loopRefusal, mountedByLinux, type LinuxExtent } from "../support/loop.ts";

const BLOCK = 4096;
const MIB = 1024 * 1024;
const refusal = loopRefusal();
const here = refusal === "" ? "" : ` (NOT SHOWN: ${refusal})`;
if (refusal !== "") console.warn(`Linux' own ext4 is not asked: ${refusal}`);

const features = [
  { name: "mke2fs' defaults", args: [] },
  { name: "no checksums, 32-bit block numbers", args: ["-O", "^metadata_csum,^64bit"] },
  { name: "no journal", args: ["-O", "^has_journal"] },
  { name: "no flexible groups, linear directories", args: ["-O", "^flex_bg,^dir_index,^resize_inode"] },
  { name: "checksums of groups only, sparse_super2", args: ["-O", "^metadata_csum,uninit_bg,sparse_super2"] },
];

/** Bytes that differ from place to place. */
const pattern = (count: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: count }, (_, i) => 1 + ((i * 7 + (i >>> 8) * 13 + seed) % 251));

/** Files made in all the ways a program has; returns what each must hold. */
function fill(sys: Sys): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  // A range reserved, written in its middle, stored into through a mapping, cut, and grown again.
  const mixed = sys.open("/mixed", "w+");
  const expected = new Uint8Array(20 * BLOCK + 100);
  const put = (bytes: Uint8Array, at: number): Uint8Array => {
    expected.set(bytes, at);
    return bytes;
  };
  sys.fallocate(mixed, 0, 0, 12 * BLOCK);
  sys.pwrite(mixed, put(pattern(5000, 1), 3 * BLOCK + 17), 3 * BLOCK + 17);
  const at = sys.mmap(12 * BLOCK, "rw", "shared", mixed, 0);
  sys.store(at + 8 * BLOCK + 1000, put(pattern(3000, 2), 8 * BLOCK + 1000));
  sys.ftruncate(mixed, 8 * BLOCK + 2000);
  expected.fill(0, 8 * BLOCK + 2000);
  sys.pwrite(mixed, put(pattern(100, 3), 20 * BLOCK), 20 * BLOCK);
  sys.pread(mixed, 10, 0); // converts the first block
  files.set("/mixed", expected);
  // So many extents that the tree has a level: every second block of a reserved range is written.
  const fragments = sys.open("/fragments", "w+");
  const odd = new Uint8Array(900 * BLOCK);
  sys.fallocate(fragments, 0, 0, odd.length);
  for (let block = 1; block < 900; block += 2) {
    odd.set(pattern(BLOCK, block), block * BLOCK);
    sys.pwrite(fragments, odd.subarray(block * BLOCK, (block + 1) * BLOCK), block * BLOCK);
  }
  files.set("/fragments", odd);
  // A hole in front, and space behind the end.
  const sparse = sys.open("/sparse", "w+");
  const tail = new Uint8Array(50 * BLOCK + 1);
  tail.set(pattern(BLOCK, 9), 49 * BLOCK + 1);
  sys.pwrite(sparse, tail.subarray(49 * BLOCK + 1), 49 * BLOCK + 1);
  sys.fallocate(sparse, 1, 60 * BLOCK, 4 * BLOCK);
  files.set("/sparse", tail);
  sys.close(sys.open("/empty", "w"));
  files.set("/empty", new Uint8Array(0));
  return files;
}

/** Extents in blocks; those that only a leaf's end parts are one. */
function joined(extents: readonly LinuxExtent[]): LinuxExtent[] {
  const result: LinuxExtent[] = [];
  for (const next of extents) {
    const last = result.at(-1);
    const goesOn =
      last !== undefined &&
      last.logical + last.length === next.logical &&
      last.physical + last.length === next.physical &&
      last.unwritten === next.unwritten;
    if (goesOn) result[result.length - 1] = { ...last, length: last.length + next.length };
    else result.push(next);
  }
  return result;
}

const inBlocks = (sys: Sys, path: string): LinuxExtent[] =>
  joined(
    sys.fiemap(sys.open(path, "r")).map(({ logical, physical, length, unwritten }) => ({
      logical: logical / BLOCK,
      physical: physical / BLOCK,
      length: length / BLOCK,
      unwritten,
    })),
  );

/** What our own calls say of a file at the moment at which the image is taken. */
interface Said {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly blocks: number;
  readonly extents: LinuxExtent[];
}

describe.each(features)("an image with $name", ({ args }) => {
  let machine: Machine;
  let image: Uint8Array;
  const said = new Map<string, Said>();
  beforeAll(async () => {
    machine = await boot({ design: "ext4-xip-serialized", image: mkfs(24 * MIB, args) });
    const sys = machine.sys();
    for (const [path, bytes] of fill(sys)) {
      const { size, blocks } = sys.stat(path);
      said.set(path, { bytes, size, blocks, extents: inBlocks(sys, path) });
    }
    image = await machine.image();
    return () => machine.close();
  });

  test("is clean to e2fsck", () => {
    expect(e2fsck(image)).toBe("");
  });

  test("has written and unwritten extents, in the inode and in a tree", () => {
    const states = new Set(said.get("/mixed")?.extents.map(({ unwritten }) => unwritten));
    expect(states).toEqual(new Set([true, false]));
    expect(said.get("/fragments")?.extents).toHaveLength(900);
  });

  test("reads the same through debugfs, sizes and blocks too", () => {
    for (const [path, { bytes, size, blocks }] of said) {
      expect(Buffer.compare(debugfsDump(image, path), bytes), path).toBe(0);
      const text = debugfs(image, `stat ${path}`);
      expect(text).toMatch(new RegExp(`Size: ${size}\\b`));
      expect(text).toMatch(new RegExp(`Blockcount: ${blocks}\\b`));
    }
  });

  test(`reads the same through Linux, with the same extents${here}`, ({ skip }) => {
    if (refusal !== "") skip(refusal);
    mountedByLinux(image, (folder) => {
      for (const [path, { bytes, size, blocks, extents }] of said) {
        const real = join(folder, path);
        expect(Buffer.compare(readFileSync(real), bytes), path).toBe(0);
        expect([statSync(real).size, statSync(real).blocks]).toEqual([size, blocks]);
        expect(joined(filefrag(real))).toEqual(extents);
      }
    });
  });

  test("reads the same through our own calls", () => {
    const sys = machine.sys();
    for (const [path, { bytes }] of said) {
      const found = sys.pread(sys.open(path, "r"), bytes.length + 1, 0);
      expect(Buffer.compare(found, bytes), path).toBe(0);
    }
  });
});
