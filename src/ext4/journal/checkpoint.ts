// Checkpoint: committed blocks go to their places, and then the log may be used again.
//
// It is done for all of them at once, and at the end of a commit that leaves little room: the log, and buffers that
// cannot be evicted.  Handles wait meanwhile, so no buffer holds more than what was committed.
//
// kernel: jbd2_log_do_checkpoint, jbd2_update_log_tail

import { fence } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { bufferCache, loggedBuffers, setClean } from "../buffer.ts";
import type { SuperBlock } from "../super.ts";
import type { Journal } from "./state.ts";
import { writeHome, writeLogStart } from "./superblock.ts";

/** Whether a checkpoint is due before handles go on. */
export function isCheckpointDue(journal: Journal): boolean {
  const cache = bufferCache(journal.mem);
  // A transaction can take half of the ring at most: maxTransaction blocks, and what revokes them.
  return journal.free < (journal.length - journal.first) >>> 1 || cache.loggedCount > cache.capacity >>> 2;
}

/** Writes all committed blocks to their places.  commitMutex and sem are held alone, and no buffer is dirty. */
export function checkpoint(sb: SuperBlock): void {
  const { mem } = sb;
  const buffers = loggedBuffers(mem);
  for (const buffer of buffers) {
    writeHome(sb, buffer.block, buffer.data, Writer.checkpoint);
    setClean(buffer);
  }
  if (buffers.length > 0) fence(mem);
}

/** Says that nothing in the ring is needed any more, after a checkpoint; `empty` for a journal that rests. */
export function advanceTail(sb: SuperBlock, journal: Journal, empty: boolean): void {
  writeLogStart(sb, journal, empty ? 0 : journal.head, journal.running);
  fence(sb.mem);
  journal.free = journal.length - journal.first;
}
