// Recovery: what a mount does first, and `fsck --replay` on a file.

import { errnoName } from "../../../machine/errors.ts";
import type { Extent } from "../../extents/extent.ts";
import { Incompat } from "../../media/features.ts";
import type { RawSuperBlock } from "../../media/superblock.ts";
import type { SuperBlock } from "../../super.ts";
import { openLog, type Log } from "./log.ts";
import { chooseCopies, finishRecovery, writeCopies } from "./replay.ts";
import { scanLog } from "./scan.ts";

/** What was done. */
export interface Recovery {
  /** The block with the journal's superblock, which says by now that the log is empty. */
  readonly journalBlock: number;
  readonly transactions: number;
  /** Blocks that were written to their places. */
  readonly blocks: number;
}

/**
 * Brings the media to the end of the last complete transaction in the journal, or says why that cannot be; then
 * nothing was written.  `sb` holds what the superblock at `raw` says, unmounted.  Undefined: there was nothing to do.
 * Otherwise everything that was read before may have changed, the superblock included.
 *
 * kernel: ext4_load_and_init_journal
 */
export function recoverJournal(sb: SuperBlock, raw: RawSuperBlock): Recovery | string | undefined {
  const needed = (raw.s_feature_incompat & Incompat.needs_recovery) !== 0;
  const log = openLog(sb, raw);
  if (typeof log === "string") return log;
  if (log === undefined)
    return needed ? "the image needs recovery (needs_recovery) and has no journal" : undefined;
  if (log.start === 0) return needed || log.error !== 0 ? finish(log, log.sequence, 0, 0) : undefined;
  const scan = scanLog(log);
  if (typeof scan === "string") return scan;
  // The number that was not found is not used either: blocks of a transaction with it may lie in the log.
  const sequence = (scan.end + 1) >>> 0;
  // Without the mark the file system is younger than the log.  kernel: jbd2_journal_wipe
  if (!needed) return finish(log, sequence, 0, 0);
  const copies = chooseCopies(log, scan);
  if (typeof copies === "string") return copies;
  writeCopies(log, copies);
  return finish(log, sequence, scan.transactions, copies.length);
}

function finish(log: Log, sequence: number, transactions: number, blocks: number): Recovery | string {
  const result = finishRecovery(log, sequence);
  if (result < 0) return `the journal cannot be emptied (${errnoName(result)})`;
  return { journalBlock: (log.places[0] as Extent).media, transactions, blocks };
}
