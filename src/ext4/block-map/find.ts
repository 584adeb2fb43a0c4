// The block map of an inode that has no extent tree: `chattr -e` gives a file one, and ext3 knew nothing else.
//
// Its entries are numbers of blocks: twelve of data in the inode itself, and behind them the roots of three trees, of one,
// two and three levels, whose nodes are blocks full of numbers.  A number of 0 stands for a hole as large as all that it
// could lead to.  There are no checksums and no unwritten blocks.
//
// Such a map is read, and loses blocks (remove.ts); it never gets one: what would give it one fails with -EOPNOTSUPP
// (extents/path.ts).  dataSem is held, as for a tree.
//
// kernel: fs/ext4/indirect.c

import { bufferData, getBuffer, Kind, releaseBuffer, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { canBeOf } from "../extents/check.ts";
import { State, type Extent } from "../extents/extent.ts";
import { treeRoot, type Inode } from "../inode.ts";
import { MAX_FILE_BLOCKS } from "../media/extent.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";

/** Numbers in the inode that lead to data at once. */
export const DIRECT = 12;
/** Numbers in a block. */
export const NUMBERS = BLOCK_SIZE / 4;
/** Levels of the largest tree. */
export const LEVELS = 3;

/** A run is looked for no further: whoever wants more asks again. */
const MAX_RUN = 64;

/**
 * What covers a file block, from the block on: written ones that lie side by side, or a hole, or a part of either.
 * -EUCLEAN, or the error of reading a block.
 */
export function findMapped(inode: Inode, block: number): Extent | number {
  const found = lookAt(inode, block);
  if (typeof found === "number" || found.state === State.hole) return found;
  while (found.length < MAX_RUN) {
    const next = lookAt(inode, found.start + found.length);
    if (typeof next === "number") return next;
    if (next.state === State.hole || !goesOn(found, next)) break;
    found.length += 1;
  }
  return found;
}

/** All runs of written blocks in order, as `extents` gives those of a tree.  -EUCLEAN in a damaged map. */
export function allMapped(inode: Inode): Extent[] | number {
  const all: Extent[] = [];
  let blocks = 0;
  for (let block = 0; block < MAX_FILE_BLOCKS;) {
    const found = findMapped(inode, block);
    if (typeof found === "number") return found;
    block = found.start + found.length;
    if (found.state === State.hole) continue;
    // A block of numbers may name itself, and would go on for as long as three levels can: more than there is.
    blocks += found.length;
    if (blocks > superBlock(inode.mem).blockCount)
      return damaged(inode.mem, "blockMap", inode.number, found.media);
    const last = all.at(-1);
    if (last !== undefined && goesOn(last, found)) last.length += found.length;
    else all.push(found);
  }
  return all;
}

/** Whether written blocks lie behind others, in the file and on the media. */
const goesOn = (run: Extent, next: Extent): boolean =>
  run.start + run.length === next.start && run.media + run.length === next.media;

/** One block of data, or what is left of the hole that one number stands for. */
function lookAt(inode: Inode, block: number): Extent | number {
  const root = treeRoot(inode) >>> 2;
  const { u32 } = inode.mem;
  if (block < DIRECT) return piece(inode, block, u32[root + block] as number, 1);
  let rest = block - DIRECT;
  let level = 1;
  for (; rest >= NUMBERS ** level; level++) {
    rest -= NUMBERS ** level;
    if (level === LEVELS) return piece(inode, block, 0, MAX_FILE_BLOCKS - block);
  }
  let number = u32[root + DIRECT + level - 1] as number;
  for (; level > 0 && number !== 0; level--) {
    const node = getNumbers(inode, number);
    if (typeof node === "number") return node;
    const covers = NUMBERS ** (level - 1);
    number = u32[(bufferData(node) >>> 2) + Math.floor(rest / covers)] as number;
    rest %= covers;
    releaseBuffer(node);
  }
  return piece(inode, block, number, NUMBERS ** level - rest);
}

function piece(inode: Inode, block: number, media: number, covers: number): Extent | number {
  if (media === 0) {
    const length = Math.min(covers, MAX_FILE_BLOCKS - block);
    return { start: block, length, media, state: State.hole };
  }
  const wrong = wrongNumber(inode, media);
  return wrong < 0 ? wrong : { start: block, length: 1, media, state: State.written };
}

/** The block with numbers that a number leads to; the caller releases it. */
export function getNumbers(inode: Inode, number: number): Buffer | number {
  const wrong = wrongNumber(inode, number);
  if (wrong < 0) return wrong;
  const buffer = getBuffer(superBlock(inode.mem), number);
  if (typeof buffer === "number" || buffer.kind === Kind.plain) return buffer;
  releaseBuffer(buffer);
  return damaged(inode.mem, "blockMap", inode.number, number);
}

/** 0 for a number that can be of a file's block, otherwise -EUCLEAN.  kernel: ext4_check_indirect_blockref */
export function wrongNumber(inode: Inode, number: number): number {
  const good = canBeOf(superBlock(inode.mem), inode, number, 1);
  return good ? 0 : damaged(inode.mem, "blockMap", inode.number, number);
}
