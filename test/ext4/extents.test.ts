// The extent tree against the plainest model there is, an array of blocks, and against e2fsprogs.

import { array, assert, constant, constantFrom, integer, nat, oneof, property, record } from "fast-check";
import { expect, test } from "vitest";
import { freeBlockCount } from "../../src/ext4/alloc/open-group.ts";
import { State } from "../../src/ext4/extents/extent.ts";
import { setDiskSize, writeSize, type Inode } from "../../src/ext4/inode.ts";
import { iget, iput } from "../../src/ext4/inodes/cache.ts";
import { lookUp } from "../../src/ext4/map.ts";
import { create } from "../../src/ext4/names/create.ts";
import { BLOCK_SIZE, mediaAddress, type SuperBlock } from "../../src/ext4/super.ts";
import { truncateBlocks } from "../../src/ext4/truncate.ts";
import { Errno } from "../../src/machine/errors.ts";
import { MIB } from "../../src/machine/limits.ts";
import { STALE } from "../../src/machine/pmem.ts";
import { debugfs, e2fsck } from "../support/e2fsprogs.ts";
import { mountedMachine } from "../support/machine.ts";
import {
  allocate,
  allocateAll,
  blocksOf,
  changing,
  convert,
  depthOf,
  imageNow,
  must,
  remove,
  treeOf,
} from "./model.ts";

function fileIn(sb: SuperBlock, name: string): Inode {
  const root = must(iget(sb, 2));
  const file = must(create(root, new TextEncoder().encode(name), 0o644));
  must(iput(root));
  return file;
}

/** i_size behind all blocks, as e2fsck wants it. */
function coverAll(file: Inode): void {
  const last = treeOf(file).at(-1);
  const size = last === undefined ? 0 : (last.start + last.length) * BLOCK_SIZE;
  writeSize(file, size);
  must(changing(file, (handle) => setDiskSize(handle, file, size)));
}

/** What e2fsck finds, without its advice to rebuild a tree whose nodes are half full: Linux leaves such trees too. */
function faults(image: Uint8Array): string {
  return e2fsck(image)
    .replace(/^.* extent tree \(at level \d\) could be narrower\. +Optimize\? no$/gm, "")
    .trim();
}

const RANGE = 60;
const place = record({ file: nat(1), block: nat(RANGE), count: integer({ min: 1, max: 20 }) });
const operation = oneof(
  { weight: 4, arbitrary: record({ op: constantFrom("unwritten", "written"), at: place }) },
  { weight: 4, arbitrary: record({ op: constant("convert"), at: place }) },
  { weight: 2, arbitrary: record({ op: constant("remove"), at: place }) },
);

test("after any allocations, conversions and removals the tree says what a plain array of blocks says", () => {
  const { sb } = mountedMachine({ size: 4 * MIB });
  const files = [fileIn(sb, "a"), fileIn(sb, "b")];
  let run = 0;
  assert(
    property(array(operation, { minLength: 1, maxLength: 60 }), (operations) => {
      const models = files.map(() => new Map<number, { state: number; media: number }>());
      for (const { op, at } of operations) {
        const file = files[at.file] as Inode;
        const model = models[at.file] as Map<number, { state: number; media: number }>;
        const end = at.block + at.count;
        if (op === "convert") {
          must(convert(file, at.block, at.count));
          for (let b = at.block; b < end; b++)
            if (model.has(b)) model.set(b, { ...model.get(b)!, state: State.written });
        } else if (op === "remove") {
          must(remove(file, at.block, end));
          for (let b = at.block; b < end; b++) model.delete(b);
        } else {
          const state = op === "written" ? State.written : State.unwritten;
          const extent = must(allocate(file, at.block, at.count, state));
          if (model.has(at.block)) continue;
          expect(extent.start).toBe(at.block);
          expect(extent.length).toBeLessThanOrEqual(at.count);
          const taken = new Set(models.flatMap((each) => [...each.values()].map(({ media }) => media)));
          for (let i = 0; i < extent.length; i++) {
            expect(model.has(at.block + i)).toBe(false);
            expect(taken.has(extent.media + i)).toBe(false);
            model.set(at.block + i, { state, media: extent.media + i });
          }
        }
        expect(blocksOf(treeOf(file))).toEqual(new Map([...model].toSorted(([a], [b]) => a - b)));
        const probe = must(lookUp(file, at.block));
        expect(probe.state).toBe(model.get(at.block)?.state ?? State.hole);
      }
      for (const file of files) {
        coverAll(file);
      }
      if (run++ % 20 === 0) expect(faults(imageNow(sb))).toBe("");
      for (const file of files) {
        must(truncateBlocks(file, 0));
        coverAll(file);
        expect(treeOf(file)).toEqual([]);
      }
    }),
    { numRuns: 100 },
  );
  expect(faults(imageNow(sb))).toBe("");
});

test("neighbours of one kind that touch in the file and on the media are one extent", () => {
  const { sb } = mountedMachine();
  const file = fileIn(sb, "file");
  expect(allocateAll(file, 0, 40, State.unwritten)).toBe(40);
  const start = treeOf(file)[0]!.media;
  must(convert(file, 20, 1));
  expect(treeOf(file).map(({ length, state }) => [length, state])).toEqual([
    [20, State.unwritten],
    [1, State.written],
    [19, State.unwritten],
  ]);
  must(convert(file, 21, 1));
  must(convert(file, 19, 1));
  expect(treeOf(file).map(({ length }) => length)).toEqual([19, 3, 18]);
  for (let block = 0; block < 40; block += 2) must(convert(file, block, 1));
  for (let block = 1; block < 40; block += 2) must(convert(file, block, 1));
  expect(treeOf(file)).toEqual([{ start: 0, length: 40, media: start, state: State.written }]);
  expect(depthOf(file)).toBe(0);
});

test("writing an unwritten extent from its start on never has more than two extents", () => {
  const { sb } = mountedMachine();
  const file = fileIn(sb, "file");
  expect(allocateAll(file, 0, 1000, State.unwritten)).toBe(1000);
  for (let block = 0; block < 1000; block++) {
    must(convert(file, block, 1));
    expect(treeOf(file).length).toBe(block === 999 ? 1 : 2);
  }
});

test("extents have at most 32768 written and 32767 unwritten blocks", () => {
  const { sb } = mountedMachine({ size: 300 * MIB });
  const [written, unwritten] = [fileIn(sb, "written"), fileIn(sb, "unwritten")];
  expect(allocateAll(written, 0, 33_000, State.written)).toBe(33_000);
  expect(allocateAll(unwritten, 0, 33_000, State.unwritten)).toBe(33_000);
  must(convert(unwritten, 0, 33_000));
  for (const file of [written, unwritten]) {
    expect(treeOf(file).reduce((sum, { length }) => sum + length, 0)).toBe(33_000);
    expect(Math.max(...treeOf(file).map(({ length }) => length))).toBeLessThanOrEqual(32_768);
    coverAll(file);
  }
  expect(faults(imageNow(sb))).toBe("");
});

test("twenty thousand extents: e2fsck finds nothing, debugfs reads the same, truncation leaves no block", () => {
  const { sb } = mountedMachine({ size: 128 * MIB });
  const file = fileIn(sb, "file");
  const free = freeBlockCount(sb);
  expect(allocateAll(file, 0, 20_000, State.unwritten)).toBe(20_000);
  for (let i = 0; i < 10_000; i++) must(convert(file, ((i * 7919) % 10_000) * 2, 1));
  const tree = treeOf(file);
  expect(tree.length).toBe(20_000);
  expect(depthOf(file)).toBe(2);
  const kinds = tree.map(({ start, length, state }) => `${start} ${length} ${state}`);
  expect(kinds).toEqual(kinds.map((_, i) => `${i} 1 ${i % 2 === 0 ? State.written : State.unwritten}`));
  coverAll(file);
  const image = imageNow(sb);
  expect(faults(image)).toBe("");
  const dumped = [...debugfs(image, "dump_extents -l /file").matchAll(/ (\d+) - +(\d+) +(\d+) - .*/g)];
  expect(
    dumped.map(([line, from, to, media]) => `${from} ${to} ${media} ${line.includes("Uninit")}`),
  ).toEqual(
    tree.map(
      ({ start, length, media, state }) =>
        `${start} ${start + length - 1} ${media} ${state === State.unwritten}`,
    ),
  );
  must(remove(file, 5_000, 15_000));
  expect(treeOf(file)).toEqual([...tree.slice(0, 5_000), ...tree.slice(15_000)]);
  coverAll(file);
  expect(faults(imageNow(sb))).toBe("");
  must(truncateBlocks(file, 3 * BLOCK_SIZE));
  expect(treeOf(file)).toEqual(tree.slice(0, 3));
  expect(depthOf(file)).toBe(0);
  must(truncateBlocks(file, 0));
  coverAll(file);
  expect(freeBlockCount(sb)).toBe(free);
  expect(faults(imageNow(sb))).toBe("");
});

test("without space for a new node a split fails whole: -ENOSPC, the same tree, a clean file system", () => {
  const { sb } = mountedMachine({ size: 4 * MIB });
  const [file, filler] = [fileIn(sb, "file"), fileIn(sb, "filler")];
  expect(allocateAll(file, 0, 40, State.unwritten)).toBe(40);
  allocateAll(filler, 0, 100_000, State.written);
  expect(freeBlockCount(sb)).toBe(0);
  // The root holds four extents: U W U, then one more piece does not fit.
  must(convert(file, 10, 1));
  const before = treeOf(file);
  expect(before.length).toBe(3);
  expect(convert(file, 20, 1)).toBe(-Errno.ENOSPC);
  expect(treeOf(file)).toEqual(before);
  expect(remove(file, 15, 16)).toBe(0);
  expect(treeOf(file).length).toBe(4);
  must(allocate(filler, 100_001, 1, State.written));
  expect(freeBlockCount(sb)).toBe(0);
  expect(remove(file, 25, 26)).toBe(-Errno.ENOSPC);
  expect(treeOf(file).length).toBe(4);
  expect(allocate(file, 1000, 1, State.unwritten)).toBe(-Errno.ENOSPC);
  for (const each of [file, filler]) coverAll(each);
  expect(faults(imageNow(sb))).toBe("");
  // With space again the same calls succeed.
  must(remove(filler, 0, 10));
  must(convert(file, 20, 1));
  must(remove(file, 25, 26));
  expect(faults(imageNow(sb))).toBe("");
});

test("a block that goes to a node and leaves nothing for the data is given back", () => {
  const { sb } = mountedMachine({ size: 4 * MIB });
  const [file, filler] = [fileIn(sb, "file"), fileIn(sb, "filler")];
  for (let i = 0; i < 4; i++) must(allocate(file, i * 10, 1, State.written));
  allocateAll(filler, 0, 100_000, State.written);
  must(remove(filler, treeOf(filler).reduce((sum, { length }) => sum + length, 0) - 1, 100_000));
  expect(freeBlockCount(sb)).toBe(1);
  expect(allocate(file, 100, 1, State.written)).toBe(-Errno.ENOSPC);
  expect(freeBlockCount(sb)).toBe(1);
  for (const each of [file, filler]) coverAll(each);
  expect(faults(imageNow(sb))).toBe("");
});

test("extent_max_zeroout_kb: a short unwritten extent is zeroed and written whole, a long one split", () => {
  const { mem, sb } = mountedMachine({ extent_max_zeroout_kb: 32 });
  const file = fileIn(sb, "file");
  const { media } = must(allocate(file, 0, 7, State.unwritten));
  coverAll(file);
  const byteOf = (block: number): number => mem.u8[mediaAddress(sb, media + block)] as number;
  expect(byteOf(0)).toBe(STALE);
  must(convert(file, 3, 1));
  expect(treeOf(file)).toEqual([{ start: 0, length: 7, media, state: State.written }]);
  expect([0, 1, 2, 3, 4, 6].map(byteOf)).toEqual([0, 0, 0, STALE, 0, 0]);
  const long = must(allocate(file, 100, 50, State.unwritten));
  coverAll(file);
  must(convert(file, 125, 1));
  expect(
    treeOf(file)
      .slice(1)
      .map(({ length, state }) => [length, state]),
  ).toEqual([
    [25, State.unwritten],
    [1, State.written],
    [24, State.unwritten],
  ]);
  // Less than eight blocks from either end: the end is taken along.
  must(convert(file, 146, 1));
  must(convert(file, 103, 1));
  expect(
    treeOf(file)
      .slice(1)
      .map(({ start, length, state }) => [start, length, state]),
  ).toEqual([
    [100, 4, State.written],
    [104, 21, State.unwritten],
    [125, 1, State.written],
    [126, 20, State.unwritten],
    [146, 4, State.written],
  ]);
  expect(mem.u8[mediaAddress(sb, long.media + 47)]).toBe(0);
  expect(mem.u8[mediaAddress(sb, long.media + 46)]).toBe(STALE);
  coverAll(file);
  expect(faults(imageNow(sb))).toBe("");
});
