// What a file will probably want around a request: a range of its blocks as long as a file of that size gets,
// less what it has already.
//
// kernel: ext4_mb_normalize_request

import type { Inode } from "../inode.ts";
import { MAX_FILE_BLOCKS } from "../media/extent.ts";
import { BLOCK_SIZE, type SuperBlock } from "../super.ts";
import { preallocationAt } from "./preallocation.ts";

/** A block of the file and where it lies. */
export interface Place {
  logical: number;
  media: number;
}

/** What something is expected of: blocks that a file asks for. */
export interface Expected {
  inode: Inode;
  /** The first file block. */
  logical: number;
  count: number;
  /** The last block that the file has before the request. */
  left: Place | undefined;
  /** The first one behind it. */
  right: Place | undefined;
}

const MIB = 2 ** 20 / BLOCK_SIZE;

/** Files of up to 1 MiB are expected to grow to the next power of two; larger ones have windows. */
const WINDOWS = [
  { upTo: 4 * MIB, blocks: 2 * MIB },
  { upTo: 8 * MIB, blocks: 4 * MIB },
  { upTo: Infinity, blocks: 8 * MIB },
];

/** The range, and the block at which it would go on from a neighbour (0: it does not touch one). */
export function expectedRange(
  sb: SuperBlock,
  request: Expected,
): { logical: number; count: number; first: number } {
  const { inode, logical, left, right } = request;
  const size = Math.max((logical + request.count) * BLOCK_SIZE, inode.size);
  let { start, end } = windowOf(logical, size);
  start = Math.max(start, logical - (logical % sb.blocksPerGroup));
  end = Math.min(end, MAX_FILE_BLOCKS);
  if (left !== undefined && start <= left.logical) start = left.logical + 1;
  if (right !== undefined && end > right.logical) end = right.logical;
  end = Math.min(end, start + sb.blocksPerGroup);
  let other = preallocationAt(inode.mem, inode.preallocations);
  for (; other !== undefined; other = preallocationAt(inode.mem, other.next)) {
    const behind = other.logical + other.length;
    if (behind <= logical) start = Math.max(start, behind);
    else if (other.logical > logical) end = Math.min(end, other.logical);
  }
  const count = end - start;
  return { logical: start, count, first: firstBlock(sb, start, count, left, right) };
}

function windowOf(logical: number, size: number): { start: number; end: number } {
  if (size <= MIB * BLOCK_SIZE) {
    const blocks = Math.ceil(size / BLOCK_SIZE);
    return { start: 0, end: Math.max(4, 2 ** Math.ceil(Math.log2(blocks))) };
  }
  const { blocks } = WINDOWS.find(({ upTo }) => size <= upTo * BLOCK_SIZE) as (typeof WINDOWS)[number];
  const start = logical - (logical % blocks);
  return { start, end: start + blocks };
}

/** The left neighbour counts more. */
function firstBlock(
  sb: SuperBlock,
  start: number,
  count: number,
  left: Place | undefined,
  right: Place | undefined,
): number {
  if (left !== undefined && left.logical + 1 === start && left.media + 1 < sb.blockCount)
    return left.media + 1;
  const touches = right !== undefined && right.logical === start + count;
  return touches && right.media - count >= Math.max(1, sb.firstDataBlock) ? right.media - count : 0;
}
