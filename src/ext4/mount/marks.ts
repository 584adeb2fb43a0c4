// What the superblock on the media says of the state of the file system, for who writes an image's file.  Nothing is
// mounted.

import { header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { Incompat, ReadOnlyCompat } from "../media/features.ts";
import { RawSuperBlock, STATE_VALID, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import { superBlockSum } from "../media/sums.ts";
import { BLOCK_SIZE } from "../super.ts";

const rawOf = (mem: Memory): RawSuperBlock =>
  RawSuperBlock.of(mem, header(mem).media.start + SUPERBLOCK_OFFSET);

/** Whether the file system needs its journal before it can be used. */
export function needsRecovery(mem: Memory): boolean {
  return (rawOf(mem).s_feature_incompat & Incompat.needs_recovery) !== 0;
}

/** Whether a mount has orphans to look for. */
export function mayHaveOrphans(mem: Memory): boolean {
  const { s_last_orphan, s_feature_ro_compat } = rawOf(mem);
  return s_last_orphan !== 0 || (s_feature_ro_compat & ReadOnlyCompat.orphan_present) !== 0;
}

/** Block 0 as it would be with a mark, and its checksum; the media stays as it is. */
export function markedBlock(mem: Memory, mark: "needs recovery" | "not unmounted"): Uint8Array<ArrayBuffer> {
  const { start } = header(mem).media;
  const raw = rawOf(mem);
  const before = mem.read(start, BLOCK_SIZE);
  if (mark === "needs recovery") raw.s_feature_incompat |= Incompat.needs_recovery;
  else raw.s_state &= ~STATE_VALID;
  const summed = (raw.s_feature_ro_compat & ReadOnlyCompat.metadata_csum) !== 0;
  if (summed) raw.s_checksum = superBlockSum(mem, raw.at);
  const marked = mem.read(start, BLOCK_SIZE);
  mem.write(start, before);
  return marked;
}
