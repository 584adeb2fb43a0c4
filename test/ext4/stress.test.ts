// Allocators, buffer cache and commit under real threads, nothing deciding who runs.

import { afterAll, expect, test } from "vitest";
import { header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { freeBlocks, type Run } from "../../src/ext4/alloc/blocks.ts";
import { freeInode } from "../../src/ext4/alloc/inodes.ts";
import { valueOf } from "../../src/locks/references.ts";
import { freeBlockCount, freeInodeCount } from "../../src/ext4/alloc/open-group.ts";
import { journalOf } from "../../src/ext4/journal/state.ts";
import { check } from "../../src/ext4/check/check.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../src/ext4/journal/handle.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { imageOf, mountedMachine } from "../support/machine.ts";
import { startThreads } from "../support/threads.ts";

const threads = startThreads(4, new URL("./stress-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

test("four threads that allocate, free and commit never share a block or an inode", async () => {
  const { mem, sb } = mountedMachine();
  const before = { blocks: freeBlockCount(sb), inodes: freeInodeCount(sb) };
  const results = await threads.run(mem, ["allocator", "allocator", "allocator", "allocator"], 0, 400);
  const owned = results as { runs: Run[]; inodes: number[] }[];
  const blocks = owned.flatMap(({ runs }) =>
    runs.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i)),
  );
  const inodes = owned.flatMap((each) => each.inodes);
  expect(new Set(blocks).size).toBe(blocks.length);
  expect(new Set(inodes).size).toBe(inodes.length);
  expect(blocks.length).toBeGreaterThan(40);
  expect({
    blocks: freeBlockCount(sb) + blocks.length,
    inodes: freeInodeCount(sb) + inodes.length,
  }).toEqual(before);
  for (const { start, count } of owned.flatMap(({ runs }) => runs)) {
    const handle = journalStart(sb, 4);
    if (typeof handle === "number") throw new Error("no handle");
    expect(freeBlocks(handle, sb, start, count)).toBe(0);
    journalStop(handle);
  }
  for (const inode of inodes) {
    const handle = journalStart(sb, 3);
    if (typeof handle === "number") throw new Error("no handle");
    expect(freeInode(handle, sb, inode, false)).toBe(0);
    journalStop(handle);
  }
  expect(freeze(sb)).toBe(0);
  expect(check(mem)).toEqual([]);
  expect(e2fsck(imageOf(mem))).toBe("");
});

test("threads that miss, evict and write buffers always find their own block's bytes", async () => {
  const { mem, sb } = mountedMachine({ size: 16 * MIB });
  header(mem).lockdep = 0;
  const first = sb.blockCount - 3000;
  for (let block = first; block < sb.blockCount; block++) {
    mem.u32[mediaAt(mem, block * 4096) >>> 2] = block;
    mem.u32[(mediaAt(mem, block * 4096) >>> 2) + 1] = 0;
  }
  await threads.run(mem, ["reader", "writer", "reader", "writer"], first, 2000);
  expect(freeze(sb)).toBe(0);
  let counted = 0;
  for (let block = first; block < sb.blockCount; block++) {
    counted += mem.u32[(mediaAt(mem, block * 4096) >>> 2) + 1] as number;
  }
  expect(counted).toBe(4000);
  expect(valueOf(journalOf(mem).promised)).toBe(0);
});
