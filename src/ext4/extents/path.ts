// The way from an inode's root down to a leaf, with the buffers on it held.
//
// Level 0 is the root, level `depth` the leaf.  Positions are the entries taken: on an index level the
// last one that starts at or before the block that was asked for (or the first), in the leaf the same, or
// -1 when every extent there starts behind the block.
//
// Whoever makes a path holds the inode's dataSem, and releases the path before giving that up.

import type { Memory } from "../../machine/memory.ts";
import { Errno } from "../../machine/errors.ts";
import { bufferData, releaseBuffer, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { beginInodeChange, hasBlockMap, markInodeDirty, treeRoot, type Inode } from "../inode.ts";
import { forgetExtent } from "../extent-status.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import {
  ENTRY_SIZE,
  entryAt,
  entryBlock,
  entryCount,
  MAX_FILE_BLOCKS,
  nodeDepth,
  setEntryBlock,
} from "../media/extent.ts";
import { readChild, rootIsGood } from "./check.ts";

/** Where every extent of a leaf starts behind the block. */
const NO_ENTRY = -1;

export class Path {
  readonly inode: Inode;
  readonly mem: Memory;
  depth = 0;
  // Most trees are a root alone: arrays that start empty would get room for many levels at once.  What they start with is
  // no literal, for the engine shares literals until the first write, and that copies them.
  /** The address of each level's node. */
  readonly nodes: number[];
  readonly positions: number[] = [NO_ENTRY];
  /** The first file block behind what each level's node covers. */
  readonly ends: number[] = [MAX_FILE_BLOCKS];
  /** Of the levels below the root. */
  readonly buffers: (Buffer | undefined)[] = [undefined];

  /** Whether new nodes may take the blocks that are kept.  kernel: EXT4_GET_BLOCKS_METADATA_NOFAIL */
  mustNotFail = false;

  constructor(inode: Inode) {
    this.inode = inode;
    this.mem = inode.mem;
    this.nodes = [treeRoot(inode)];
  }

  get leaf(): number {
    return this.nodes[this.depth] as number;
  }

  get position(): number {
    return this.positions[this.depth] as number;
  }

  /** The first file block behind what the leaf covers. */
  get end(): number {
    return this.ends[this.depth] as number;
  }
}

/** The last entry of a node that starts at or before a block, -1 when none does. */
export function search(mem: Memory, node: number, block: number): number {
  const { u32 } = mem;
  const first = entryAt(node, 0) >>> 2;
  let low = 0;
  let high = entryCount(mem, node);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((u32[first + middle * ENTRY_WORDS] as number) <= block) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const ENTRY_WORDS = ENTRY_SIZE / 4;

/** Leads a path to a file block, giving up what it held.  On an error it holds nothing.  -EOPNOTSUPP where there is no tree. */
export function descend(path: Path, block: number): number {
  releasePath(path);
  const { mem, inode } = path;
  let node = treeRoot(inode);
  if (hasBlockMap(inode)) return -Errno.EOPNOTSUPP;
  if (!rootIsGood(inode)) return damaged(mem, "extentRoot", inode.number);
  const depth = nodeDepth(mem, node);
  let end = MAX_FILE_BLOCKS;
  for (let level = 0; level < depth; level++) {
    const position = Math.max(0, search(mem, node, block));
    path.nodes[level] = node;
    path.positions[level] = position;
    path.ends[level] = end;
    if (position + 1 < entryCount(mem, node)) end = entryBlock(mem, node, position + 1);
    const buffer = readChild(inode, node, position, end);
    if (typeof buffer === "number") {
      releasePath(path);
      return buffer;
    }
    path.depth = level + 1;
    path.buffers[level + 1] = buffer;
    node = bufferData(buffer);
  }
  path.nodes[depth] = node;
  path.positions[depth] = search(mem, node, block);
  path.ends[depth] = end;
  return 0;
}

/** Gives up the buffers of a path. */
export function releasePath(path: Path): void {
  for (let level = 1; level <= path.depth; level++) {
    const buffer = path.buffers[level];
    if (buffer !== undefined) releaseBuffer(buffer);
    path.buffers[level] = undefined;
  }
  path.depth = 0;
}

/** Asks for the right to change the node of a level.  Before every change; dataSem is held alone. */
export function openNode(handle: Handle, path: Path, level: number): number {
  forgetExtent(path.inode.status);
  if (level === 0) return beginInodeChange(handle, path.inode);
  return getWriteAccess(handle, path.buffers[level] as Buffer);
}

/** Says that the node of a level has changed. */
export function closeNode(handle: Handle, path: Path, level: number): number {
  if (level === 0) return markInodeDirty(handle, path.inode);
  return dirtyMetadata(handle, path.buffers[level] as Buffer);
}

/** The first entry of a level's node starts elsewhere now: makes the indexes above say so. */
export function correctIndexes(handle: Handle, path: Path, level = path.depth): number {
  const first = entryBlock(path.mem, path.nodes[level] as number, 0);
  for (let above = level - 1; above >= 0; above--) {
    const opened = openNode(handle, path, above);
    if (opened < 0) return opened;
    const position = path.positions[above] as number;
    setEntryBlock(path.mem, path.nodes[above] as number, position, first);
    const closed = closeNode(handle, path, above);
    if (closed < 0 || position > 0) return closed;
  }
  return 0;
}
