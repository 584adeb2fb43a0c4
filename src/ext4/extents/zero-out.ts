// The kernel's rule for small pieces: rather than split off a few unwritten blocks, write zeros into them
// and convert them too (mount option extent_max_zeroout_kb; 0 turns it off, which is the default here).
//
// Only blocks outside the piece that is being converted are zeroed: what lies in the piece may be good
// already.  Whoever holds dataSem for writing sees these blocks unwritten, so nobody was handed them
// by a design that hands out written blocks alone.

import { Op, step } from "../../machine/cpu.ts";
import { streamFill } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { note, Note } from "../../machine/trace.ts";
import type { Inode } from "../inode.ts";
import { mediaAddress, superBlock } from "../super.ts";
import { State, type Extent } from "./extent.ts";

/**
 * The piece of an unwritten extent to convert when `piece` is asked for; what it adds holds zeros.  Nothing
 * is added at the extent's end alone, and nothing where the extent reaches behind the end of the file.
 * kernel: ext4_ext_convert_to_initialized
 */
export function withZeroOut(inode: Inode, extent: Extent, piece: Extent): Extent {
  const sb = superBlock(inode.mem);
  const limit = (sb.zerooutKb * 1024) / sb.blockSize;
  const before = piece.start - extent.start;
  const behind = extent.length - before - piece.length;
  const fileEnd = Math.max(Math.ceil(inode.diskSize / sb.blockSize), piece.start + piece.length);
  if (limit === 0 || behind === 0 || extent.start + extent.length > fileEnd) return piece;
  const right = piece.length + behind <= limit ? behind : 0;
  const left = before + piece.length + right < limit ? before : 0;
  zeroBlocks(inode, piece.media - left, left);
  zeroBlocks(inode, piece.media + piece.length, right);
  return {
    start: piece.start - left,
    length: left + piece.length + right,
    media: piece.media - left,
    state: State.written,
  };
}

/** Writes zeros into blocks that nobody was handed, past the caches.  kernel: ext4_issue_zeroout */
export function zeroBlocks(inode: Inode, media: number, count: number): void {
  const { mem } = inode;
  const { blockSize } = superBlock(mem);
  for (let block = media; block < media + count; block++) {
    const at = mediaAddress(superBlock(mem), block);
    step(Op.zero, at);
    streamFill(mem, at, 0, blockSize, Writer.zero);
    note(mem, Note.zero, block, 0, blockSize);
  }
}
