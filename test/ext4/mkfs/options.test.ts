// mkfs with options: for each, e2fsck finds nothing wrong, and dumpe2fs prints what it prints of mke2fs's image.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mkfs, UsageError, type MkfsOptions } from "../../../src/index.ts";
import { GIB, MIB } from "../../../src/machine/limits.ts";
import { e2fsck, e2fsckFile, mkfsFile, superBlockFacts } from "../../support/e2fsprogs.ts";

let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "unwritten-mkfs-"))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Makes it through the writer, into a file with holes. */
async function make(options: MkfsOptions & { size: number }): Promise<string> {
  const file = join(folder, "ours");
  const handle = openSync(file, "w");
  await mkfs(options, (bytes, position) => void writeSync(handle, bytes, 0, bytes.length, position));
  ftruncateSync(handle, options.size);
  closeSync(handle);
  return file;
}

/** mke2fs's spelling of an option. */
const letters: Partial<Record<keyof MkfsOptions, string>> = {
  blockSize: "-b",
  inodeSize: "-I",
  inodeRatio: "-i",
  inodes: "-N",
  blocksPerGroup: "-g",
  flexGroups: "-G",
  features: "-O",
  reserved: "-m",
};

function argumentsOf({ journalSize, backups, ...options }: MkfsOptions): string[] {
  const all: MkfsOptions = { blockSize: 4096, ...options };
  return [
    ...Object.entries(all).flatMap(([name, value]) => {
      const letter = letters[name as keyof MkfsOptions];
      return letter === undefined ? [] : [letter, String(value)];
    }),
    ...(journalSize === undefined ? [] : ["-J", `size=${journalSize}`]),
    ...(backups === undefined ? [] : ["-E", `num_backup_sb=${backups}`]),
  ];
}

type Case = MkfsOptions & { size: number };

const sizes: Case[] = [1024, 2048, 4096].flatMap((blockSize) =>
  [1, 16, 64, 300].map((size) => ({ size: size * MIB, blockSize })),
);
const featureLists = [
  "^has_journal",
  "^resize_inode",
  "^flex_bg",
  "^metadata_csum",
  "^metadata_csum,uninit_bg",
  "uninit_bg",
  "^64bit",
  "^extents,^64bit",
  "sparse_super2",
  "^sparse_super,sparse_super2,^resize_inode",
  "^sparse_super,^resize_inode",
  "metadata_csum_seed",
  "^filetype,^dir_index,^ext_attr,^huge_file,^dir_nlink,^extra_isize",
  "^large_file",
  "^large_file,^resize_inode",
  "none",
  "none,has_journal,extent",
  "^metadata_csum,^64bit,^flex_bg,^extent",
];
const features: Case[] = featureLists.flatMap((list) => [
  { size: 150 * MIB, blockSize: 1024, features: list },
  { size: 136 * MIB, features: list },
]);
const others: Case[] = [
  { size: 100 * MIB, inodeSize: 128 },
  { size: 100 * MIB, inodeSize: 1024 },
  { size: 100 * MIB, inodeSize: 4096, inodeRatio: 65_536 },
  { size: 60 * MIB, inodeSize: 1024, blockSize: 1024 },
  { size: 100 * MIB, inodeRatio: 1024, inodeSize: 128, flexGroups: 1, reserved: 0 },
  { size: 200 * MIB, inodeRatio: 1_048_576 },
  { size: 200 * MIB, inodes: 10 },
  { size: 200 * MIB, inodes: 60_000 },
  { size: 70 * MIB, blocksPerGroup: 1024 },
  { size: 70 * MIB, blocksPerGroup: 256, features: "^resize_inode" },
  { size: 700 * MIB, flexGroups: 4 },
  { size: 70 * MIB, reserved: 0 },
  { size: 70 * MIB, reserved: 12.5 },
  { size: 70 * MIB, journalSize: 20 },
  { size: 170 * MIB, journalSize: 70, blockSize: 1024, features: "^extent,^64bit" }, // lists three levels deep
  // A tree of extents two levels deep.
  {
    size: 190 * MIB,
    journalSize: 80,
    blockSize: 1024,
    blocksPerGroup: 256,
    features: "^resize_inode,^flex_bg",
  },
  { size: 200 * MIB, features: "sparse_super2", backups: 1 },
  { size: 200 * MIB, features: "sparse_super2,^resize_inode", backups: 0 },
  { size: 200 * MIB + 3 * 4096 }, // a tail too short for a group
];
// Bitmaps, tables and the journal of many groups; with holes on disk.
const large: Case[] = [
  { size: 9 * GIB },
  { size: 3 * GIB, blockSize: 1024, features: "^metadata_csum" },
  { size: 9 * GIB, features: "^flex_bg", inodeSize: 1024 },
  { size: 3 * GIB, inodeRatio: 2048, inodeSize: 512, blocksPerGroup: 16_384 }, // sixteen tables overflow a group
];

test.each([...sizes, ...features, ...others, ...large].map((each) => [JSON.stringify(each), each] as const))(
  "%s: as mke2fs makes it, and clean",
  async (_, options) => {
    const ours = await make(options);
    const theirs = join(folder, "theirs");
    mkfsFile(theirs, options.size, argumentsOf(options));
    expect(e2fsckFile(ours)).toBe("");
    expect(superBlockFacts(ours)).toEqual(superBlockFacts(theirs));
  },
);

function factsButReserve(file: string): string[] {
  return superBlockFacts(file).filter((line) => !line.startsWith("Reserved block count"));
}

// mke2fs keeps for root what it had worked out for a size that it then gave up.
test("too many inodes for the groups make smaller groups, as in mke2fs", async () => {
  const options = { size: 128 * MIB + 10 * 4096 };
  const ours = await make(options);
  const theirs = join(folder, "theirs");
  mkfsFile(theirs, options.size, argumentsOf(options));
  expect(e2fsckFile(ours)).toBe("");
  const [mine, other] = [ours, theirs].map(factsButReserve);
  expect(mine).toEqual(other);
  expect(mine?.join("\n")).toMatch(/Blocks per group: +31680/);
});

test("a file system of 4 TiB takes the disk and the memory of its structures only", async () => {
  const before = process.memoryUsage.rss();
  const file = await make({ size: 4096 * GIB });
  expect(process.memoryUsage.rss() - before).toBeLessThan(200 * MIB);
  expect(statSync(file).blocks * 512).toBeLessThan(64 * MIB);
  const facts = superBlockFacts(file).join("\n");
  expect(facts).toMatch(/Block count: +1073741824\n/);
  expect(facts).toMatch(/Total journal blocks: +262144\n/);
});

describe("what it belongs to", () => {
  test("follows from the options alone, and each option shows in the image", async () => {
    const size = 4 * MIB;
    const first = await mkfs({ size });
    expect(Buffer.compare(await mkfs({ size }), first)).toBe(0);
    const variants: MkfsOptions[] = [
      { seed: 1 },
      { time: 1 },
      { label: "x" },
      { uuid: "123e4567-e89b-42d3-a456-426614174000" },
      { hashSeed: "123e4567-e89b-42d3-a456-426614174000" },
      { rootOwner: [70_000, 80_000] },
    ];
    for (const variant of variants) {
      const image = await mkfs({ size, ...variant });
      expect(Buffer.compare(image, first)).not.toBe(0);
      expect(e2fsck(image)).toBe("");
    }
  });

  test("the bytes at once and the bytes through a writer are the same", async () => {
    const options = { size: 8 * MIB, blockSize: 1024, features: "^extent,^64bit" };
    const image = new Uint8Array(options.size);
    await mkfs(options, async (bytes, position) => {
      await Promise.resolve();
      image.set(bytes, position);
    });
    expect(Buffer.compare(await mkfs(options), image)).toBe(0);
  });
});

describe("is refused in a sentence:", () => {
  test.each<[MkfsOptions, RegExp]>([
    [{ features: "nosuch" }, /"nosuch" is no feature of ext4/],
    [{ features: "meta_bg" }, /cannot make a file system with the feature meta_bg/],
    [{ features: "^has_journal,bigalloc" }, /the feature bigalloc/],
    [{ features: "inline_data" }, /the feature inline_data/],
    [{ features: "orphan_file" }, /the feature orphan_file/],
    [{ features: "needs_recovery" }, /the feature needs_recovery/],
    [{ features: "^extent" }, /64bit needs extent/],
    [{ features: "metadata_csum_seed,^metadata_csum" }, /metadata_csum_seed needs metadata_csum/],
    [{ features: "^sparse_super" }, /resize_inode needs sparse_super/],
    [{ features: "^flex_bg", flexGroups: 4 }, /need the feature flex_bg/],
    [{ features: "^has_journal", journalSize: 4 }, /needs the feature has_journal/],
    [{ blockSize: 8192 }, /block size is 1024, 2048 or 4096 bytes, not 8192/],
    [{ size: 4 * MIB + 1 }, /multiple of the block size/],
    [{ size: 16_384 * GIB }, /at most 2\^32 - 1 blocks/],
    [{ size: 8 * 1024, blockSize: 1024 }, /8 blocks of 1024 bytes are too few/],
    [{ size: 16 * 1024, blockSize: 1024 }, /16 blocks of 1024 bytes have no room for the first files/],
    [{ size: 3 * GIB }, /at most 2 GiB at once/],
    [{ inodeSize: 100 }, /power of two from 128 to the block size/],
    [{ inodeSize: 8192 }, /power of two from 128 to the block size/],
    [{ inodeRatio: 1000 }, /inode ratio is 1024/],
    [{ inodes: 1_000_000 }, /1000000 inodes of 256 bytes do not fit 4096 blocks/],
    [{ reserved: 51 }, /0 to 50 percent/],
    [{ reserved: Number.NaN }, /0 to 50 percent/],
    [{ blocksPerGroup: 100 }, /multiple of 8 blocks/],
    [
      { size: 70 * MIB, blocksPerGroup: 256 },
      /do not fit a group of 256 blocks: turn the room for growth off/,
    ],
    [{ flexGroups: 3 }, /a power of two, not 3/],
    [{ journalSize: 2 }, /1024 to 10240000 blocks/],
    [{ journalSize: 12 }, /too big for 4096 blocks/],
    [{ backups: 3 }, /0, 1 or 2 backups/],
    [{ label: "ä".repeat(9) }, /longer than 16 bytes/],
    [{ uuid: "12" }, /is no UUID/],
    [{ hashSeed: "12" }, /hash seed "12" is no UUID/],
    [{ time: -1 }, /seconds since 1970/],
    [{ seed: 2 ** 32 }, /the seed is/],
    [{ rootOwner: [-1, 0] }, /owner of the root directory/],
    [{ blocksize: 1024 } as MkfsOptions, /mkfs has no "blocksize"/],
    [{ label: 7 as unknown as string }, /a string as label, not 7/],
  ])("%j", async (options, sentence) => {
    const refused = await mkfs(options).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UsageError);
    expect((refused as Error).message).toMatch(sentence);
  });
});
