// A file's blocks as a plain array: what the extent tree must agree with, one block at a time.

import { downWrite, upWrite } from "../../src/locks/rwsem.ts";
import { allocateExtent } from "../../src/ext4/extents/allocate.ts";
import { convertExtent } from "../../src/ext4/extents/convert.ts";
import { creditsFor } from "../../src/ext4/extents/credits.ts";
import { State, type Extent } from "../../src/ext4/extents/extent.ts";
import { extents } from "../../src/ext4/extents/find.ts";
import { removeExtents } from "../../src/ext4/extents/remove.ts";
import { treeRoot, type Inode } from "../../src/ext4/inode.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../src/ext4/journal/handle.ts";
import type { Handle } from "../../src/ext4/journal/state.ts";
import { nodeDepth } from "../../src/ext4/media/extent.ts";
import { errnoName } from "../../src/machine/errors.ts";
import { superBlock, type SuperBlock } from "../../src/ext4/super.ts";
import { imageOf } from "../support/machine.ts";

/** Runs a change of a tree as its callers do: in a handle, with dataSem held for writing. */
export function changing<T>(inode: Inode, work: (handle: Handle) => T): T {
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const handle = journalStart(sb, Math.max(credits.allocate, credits.convert, credits.remove));
  if (typeof handle === "number") throw new Error(`journalStart: ${handle}`);
  downWrite(inode.dataSem);
  const result = work(handle);
  upWrite(inode.dataSem);
  journalStop(handle);
  return result;
}

type Kind = typeof State.unwritten | typeof State.written;

export function allocate(inode: Inode, block: number, count: number, state: Kind): Extent | number {
  return changing(inode, (handle) => allocateExtent(handle, inode, block, count, state));
}

export function convert(inode: Inode, block: number, count: number): number {
  return changing(inode, (handle) => convertExtent(handle, inode, block, count));
}

export function remove(inode: Inode, first: number, end: number): number {
  return changing(inode, (handle) => removeExtents(handle, inode, first, end));
}

/** All extents; throws on an error. */
export function treeOf(inode: Inode): Extent[] {
  const all = changing(inode, () => extents(inode));
  if (typeof all === "number") throw new Error(`the tree cannot be read: ${all}`);
  return all;
}

/** Allocates until `count` blocks are there; the number of blocks that were added. */
export function allocateAll(inode: Inode, block: number, count: number, state: Kind): number {
  let done = 0;
  while (done < count) {
    const extent = allocate(inode, block + done, count - done, state);
    if (typeof extent === "number") break;
    done = Math.min(count, extent.start + extent.length - block);
  }
  return done;
}

/** `block state media` of every block, as a tree tells it. */
export function blocksOf(tree: readonly Extent[]): Map<number, { state: number; media: number }> {
  const blocks = new Map<number, { state: number; media: number }>();
  for (const { start, length, media, state } of tree) {
    for (let i = 0; i < length; i++) blocks.set(start + i, { state, media: media + i });
  }
  return blocks;
}

/** The result, unless it is an error. */
export function must<T>(result: T | number): Exclude<T, number> {
  if (typeof result === "number" && result < 0) throw new Error(`the call failed: ${errnoName(result)}`);
  return result as Exclude<T, number>;
}

/** Levels of the tree below its root. */
export function depthOf(inode: Inode): number {
  return nodeDepth(inode.mem, treeRoot(inode));
}

/** The media with everything that is in memory only written to it. */
export function imageNow(sb: SuperBlock): Uint8Array {
  must(freeze(sb));
  return imageOf(sb.mem);
}
