// The written extent that was found last in a file, kept beside its inode: who looks for a block of it need not ask the
// tree, and takes no lock.
//
//   put in      under dataSem shared, by whoever has just found an extent: the tree stands still.  Two who come
//               at once are kept apart by the sequence; the second one gives up
//   taken out   under dataSem alone, before the tree changes (openNode): nobody puts in meanwhile
//   read        without a lock.  The words belong together when the sequence is the same before and after; then
//               the reader is as one who held dataSem shared at the second look, when the tree had not changed
//
// What is read is true at that moment, as with the lock, and it is the caller's affair what keeps it so.  The
// words of an inode in memory only: there is one extent, not a tree of them as in the kernel.
//
// lockdep wants to see every lock taken, so while it checks nobody looks here.  That is the case in explorations,
// unless their machine says lockdep=0.
//
// kernel: struct extent_status

import {
  initSeqCount,
  readSeqRange,
  readSeqRetry,
  readSeqTry,
  readSeqWord,
  SeqCount,
  writeSeqBegin,
  writeSeqEnd,
  writeSeqTry,
} from "../locks/seqcount.ts";
import { isLockdepOn } from "../machine/layout.ts";
import { embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { State, type Extent } from "./extents/extent.ts";

export const ExtentStatus = struct("extent_status", {
  seq: embed(SeqCount),
  // A range as readSeqRange takes it:
  start: u32, // file blocks
  length: u32, // 0: nothing is known
  media: u32,
});
export type ExtentStatus = ViewOf<typeof ExtentStatus>;

const START = ExtentStatus.offset("start");
const LENGTH = ExtentStatus.offset("length");
const MEDIA = ExtentStatus.offset("media");

/** For an inode that nobody has yet. */
export function initExtentStatus(status: ExtentStatus): void {
  initSeqCount(status.seq);
  status.length = 0;
}

/** The extent that covers a block, if that is the one that is known.  kernel: ext4_es_lookup_extent */
export function knownExtent(status: ExtentStatus, block: number): Extent | undefined {
  const { mem, at, seq } = status;
  if (isLockdepOn(mem)) return undefined;
  const sequence = readSeqTry(seq);
  if (sequence < 0) return undefined;
  const start = readSeqWord(mem, at + START);
  const length = readSeqWord(mem, at + LENGTH);
  if (block < start || block >= start + length) return undefined;
  const media = readSeqWord(mem, at + MEDIA);
  return readSeqRetry(seq, sequence) ? undefined : { start, length, media, state: State.written };
}

/** The media block of a file's block, if the extent that is known covers it; 0 if not.  Costs a tenth of the extent. */
export function knownMedia(status: ExtentStatus, block: number): number {
  return isLockdepOn(status.mem) ? 0 : readSeqRange(status.seq, status.at + START, block);
}

/**
 * Remembers an extent, if it is written: one that is not is about to change.  dataSem is held shared.
 * kernel: ext4_es_cache_extent
 */
export function rememberExtent(status: ExtentStatus, extent: Extent): void {
  if (isLockdepOn(status.mem) || extent.state !== State.written) return;
  if (!writeSeqTry(status.seq)) return;
  status.start = extent.start;
  status.length = extent.length;
  status.media = extent.media;
  writeSeqEnd(status.seq);
}

/** Nothing is known any more.  dataSem is held alone.  kernel: ext4_es_remove_extent */
export function forgetExtent(status: ExtentStatus): void {
  if (status.length === 0) return;
  writeSeqBegin(status.seq);
  status.length = 0;
  writeSeqEnd(status.seq);
}
