// Trees of four levels and more.  With nodes of 340 entries files that fit a machine reach them only with more
// than 115,000 extents, so here levels are put in between by hand: nodes with one entry each, which the format
// allows.  Witnesses: an array of blocks, e2fsck, and debugfs.

import { expect, test } from "vitest";
import { allocateBlocks } from "../../src/ext4/alloc/blocks.ts";
import { bufferData, getBuffer, releaseBuffer } from "../../src/ext4/buffer.ts";
import { markNode } from "../../src/ext4/extents/check.ts";
import { State } from "../../src/ext4/extents/extent.ts";
import {
  addBlocks,
  beginInodeChange,
  markInodeDirty,
  setDiskSize,
  treeRoot,
  writeSize,
  type Inode,
} from "../../src/ext4/inode.ts";
import { iget, iput } from "../../src/ext4/inodes/cache.ts";
import { dirtyMetadata, getCreateAccess, getWriteAccess } from "../../src/ext4/journal/handle.ts";
import type { Handle } from "../../src/ext4/journal/state.ts";
import { lookUp } from "../../src/ext4/map.ts";
import {
  blockEntries,
  entryBlock,
  entryCount,
  indexChild,
  initNode,
  nodeDepth,
  setEntryCount,
  setIndex,
} from "../../src/ext4/media/extent.ts";
import { create } from "../../src/ext4/names/create.ts";
import { superBlock, type SuperBlock } from "../../src/ext4/super.ts";
import { MIB } from "../../src/machine/limits.ts";
import { debugfs, e2fsck } from "../support/e2fsprogs.ts";
import { mountedMachine } from "../support/machine.ts";
import { allocate, blocksOf, changing, convert, depthOf, imageNow, must, remove, treeOf } from "./model.ts";

/** Single blocks at every other place: leaves that are half full, more of them than a root can name. */
const EXTENTS = 1600;

function makeFile(sb: SuperBlock): Inode {
  const root = must(iget(sb, 2));
  const file = must(create(root, new TextEncoder().encode("deep"), 0o644));
  must(iput(root));
  for (let block = 2 * (EXTENTS - 1); block >= 0; block -= 2) must(allocate(file, block, 1, State.unwritten));
  const size = 2 * EXTENTS * 4096;
  writeSize(file, size);
  must(changing(file, (handle) => setDiskSize(handle, file, size)));
  return file;
}

/** Puts a level between the root's first child and that one's children: a node with one entry for each of them. */
function insertLevel(file: Inode): void {
  changing(file, (handle) => {
    const { mem } = file;
    const sb = superBlock(mem);
    const root = treeRoot(file);
    expect(entryCount(mem, root)).toBe(1);
    const buffer = must(getBuffer(sb, indexChild(mem, root, 0)));
    must(getWriteAccess(handle, buffer));
    must(beginInodeChange(handle, file));
    const upper = bufferData(buffer);
    const depth = nodeDepth(mem, upper);
    for (let index = 0; index < entryCount(mem, upper); index++) {
      const between = addNode(
        handle,
        file,
        depth,
        entryBlock(mem, upper, index),
        indexChild(mem, upper, index),
      );
      setIndex(mem, upper, index, entryBlock(mem, upper, index), between);
    }
    mem.u16[(upper + 6) >>> 1] = depth + 1;
    mem.u16[(root + 6) >>> 1] = depth + 2;
    must(dirtyMetadata(handle, buffer));
    must(markInodeDirty(handle, file));
    releaseBuffer(buffer);
  });
}

/** A node with one index.  Returns its block. */
function addNode(handle: Handle, file: Inode, depth: number, first: number, child: number): number {
  const { mem } = file;
  const run = must(allocateBlocks(handle, superBlock(mem), 0, 1));
  const buffer = must(getCreateAccess(handle, run.start));
  const node = bufferData(buffer);
  initNode(mem, node, blockEntries(4096), depth);
  setIndex(mem, node, 0, first, child);
  setEntryCount(mem, node, 1);
  markNode(file, buffer);
  must(dirtyMetadata(handle, buffer));
  releaseBuffer(buffer);
  addBlocks(file, 1);
  return run.start;
}

/** What e2fsck says but for its advice that the tree could have fewer nodes or levels. */
const faults = (image: Uint8Array): string =>
  e2fsck(image)
    .replaceAll(/^.* extent tree \(at level \d\) could be (narrower|shorter)\. +Optimize\? no$/gm, "")
    .trim();

test.each([4, 5])("a tree of %d levels is read, changed, grown and emptied as any other", (levels) => {
  const { sb } = mountedMachine({ size: 16 * MIB });
  const file = makeFile(sb);
  const before = blocksOf(treeOf(file));
  while (depthOf(file) + 1 < levels) insertLevel(file);
  expect(faults(imageNow(sb))).toBe("");
  expect(debugfs(imageNow(sb), "dump_extents -n /deep")).toMatch(new RegExp(`^ ?0/ ?${levels - 1}`, "m"));
  // Read: whole, and place by place.
  expect(blocksOf(treeOf(file))).toEqual(before);
  for (let block = 0; block < 2 * EXTENTS; block += 37) {
    const found = must(lookUp(file, block));
    expect(found.state).toBe(block % 2 === 0 ? State.unwritten : State.hole);
    if (block % 2 === 0) expect(found.media).toBe(before.get(block)?.media);
  }
  // Changed and grown: converted here and there, and the gaps of one stretch filled until leaves split.
  const model = new Map(before);
  for (let block = 0; block < 2 * EXTENTS; block += 14) {
    must(convert(file, block, 1));
    model.set(block, { ...(model.get(block) as { media: number }), state: State.written });
  }
  for (let block = 801; block < 1601; block += 2) {
    const made = must(allocate(file, block, 1, State.written));
    model.set(block, { state: State.written, media: made.media + block - made.start });
  }
  expect(depthOf(file) + 1).toBe(levels);
  expect(blocksOf(treeOf(file))).toEqual(model);
  expect(faults(imageNow(sb))).toBe("");
  // Emptied: from the middle, then from the front, then all.
  for (const [first, end] of [
    [1000, 1300],
    [0, 900],
    [1500, 1501],
    [1301, 2 * EXTENTS],
  ] as const) {
    must(remove(file, first, end));
    for (let block = first; block < end; block++) model.delete(block);
    expect(blocksOf(treeOf(file))).toEqual(model);
    expect(faults(imageNow(sb))).toBe("");
  }
  must(remove(file, 0, 2 ** 32 - 1));
  expect(treeOf(file)).toEqual([]);
  expect(depthOf(file)).toBe(0);
  expect(faults(imageNow(sb))).toBe("");
});
