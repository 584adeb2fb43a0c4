// Commit: what handles have changed becomes durable, all of it or nothing of it being seen half done by them.
//
// There is no log yet: the blocks are written to their places, and a crash in between leaves some old and
// some new.  The cost grows with the blocks that changed, not with the cache.
//
// kernel: jbd2_journal_commit_transaction

import { assert } from "../../machine/errors.ts";
import { fence, streamCopy } from "../../machine/pmem.ts";
import { Writer } from "../../machine/pmem/log.ts";
import { touch } from "../../machine/snapshot.ts";
import { note, Note } from "../../machine/trace.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { releaseFreed } from "../alloc/free-map.ts";
import { bufferAt, bufferCache, dirtyBuffers, setClean, setDirty } from "../buffer.ts";
import { SUPERBLOCK_OFFSET, RawSuperBlock, STATE_ERROR } from "../media/superblock.ts";
import { BLOCK_SIZE, mediaAddress, type SuperBlock } from "../super.ts";
import { seal, sealsElsewhere } from "./seal.ts";
import { currentHandle, journalSem } from "./state.ts";

/** Writes every changed block of metadata to media and waits until it is durable. */
export function commit(sb: SuperBlock): number {
  const { mem } = sb;
  assert(currentHandle(mem).depth === 0, "a task does not commit inside a handle: it would wait for itself");
  const sem = journalSem(mem);
  downWrite(sem);
  writeCounts(sb);
  const buffers = dirtyBuffers(mem);
  for (const buffer of buffers) if (sealsElsewhere(buffer)) seal(sb, buffer);
  for (const buffer of buffers) if (!sealsElsewhere(buffer)) seal(sb, buffer);
  for (const buffer of buffers) {
    const to = mediaAddress(sb, buffer.block);
    streamCopy(mem, to, buffer.data, BLOCK_SIZE, Writer.checkpoint);
    setClean(buffer);
  }
  if (buffers.length > 0) {
    fence(mem);
    note(mem, Note.commit, buffers.length);
  }
  releaseFreed(sb);
  upWrite(sem);
  return 0;
}

/**
 * The superblock's counts follow the groups' at commit: no operation pays a block for them.  Where nothing else
 * changed it stays as it is, even if damage was found: who only reads changes nothing.
 */
function writeCounts(sb: SuperBlock): void {
  const { damaged, countsChanged, mem } = sb;
  if ((damaged | countsChanged) === 0 || bufferCache(mem).dirtyCount === 0) return;
  const buffer = bufferAt(sb.mem, sb.superBuffer);
  const raw = RawSuperBlock.of(sb.mem, buffer.data + SUPERBLOCK_OFFSET);
  touch(sb.mem, buffer.data, BLOCK_SIZE);
  setDirty(buffer);
  raw.s_free_blocks_count_lo = sb.freeBlocks;
  raw.s_free_inodes_count = sb.freeInodes;
  if (damaged !== 0) raw.s_state |= STATE_ERROR;
  sb.countsChanged = 0;
}
