// The journal of a file system that is being mounted, taken into use after recovery.

import { strideOf } from "../../machine/layout.ts";
import { LockClass } from "../../locks/classes.ts";
import { initGroupMutex } from "../../locks/group.ts";
import { claimOwnBlocks } from "../group.ts";
import { Incompat } from "../media/features.ts";
import { JournalIncompat } from "../media/journal.ts";
import type { RawSuperBlock } from "../media/superblock.ts";
import { hasChecksums, type SuperBlock } from "../super.ts";
import { openLog } from "./recovery/log.ts";
import { journalOf, MAX_PLACES, Place } from "./state.ts";

/**
 * Takes the journal of a file system that is being mounted, recovered already, into use; what is wrong with it in
 * a sentence.  kernel: ext4_load_and_init_journal
 */
export function openJournal(sb: SuperBlock, raw: RawSuperBlock): string | undefined {
  const { mem } = sb;
  const journal = journalOf(mem);
  journal.length = 0;
  const log = openLog(sb, raw);
  if (log === undefined || typeof log === "string") return log;
  if (log.places.length > MAX_PLACES) return `the journal lies in more than ${MAX_PLACES} pieces`;
  // From here on no file has these blocks, whatever its tree says.  kernel: ext4_protect_reserved_inode
  if (!log.places.every(({ media, length }) => claimOwnBlocks(sb, media, length)))
    return "the journal has a block twice";
  sb.journalInode = raw.s_journal_inum;
  for (const [index, { length, media }] of log.places.entries()) {
    const place = Place.of(mem, journal.placesAt + index * strideOf(Place));
    place.length = length;
    place.media = media;
  }
  journal.placeCount = log.places.length;
  journal.first = log.first;
  journal.seed = log.seed;
  journal.incompat = featuresOf(sb, log.incompat);
  journal.running = log.sequence;
  initGroupMutex(journal.commitMutex, LockClass["journal.commitMutex"], log.sequence - 1);
  journal.head = log.first;
  journal.free = log.length - log.first;
  journal.empty = 1;
  journal.error = 0;
  journal.length = log.length;
  return undefined;
}

/** The features that the kernel gives a journal with this file system.  kernel: set_journal_csum_feature_set */
function featuresOf(sb: SuperBlock, before: number): number {
  const sums = JournalIncompat.csum_v2 | JournalIncompat.csum_v3 | JournalIncompat.async_commit;
  const wide = (sb.featureIncompat & Incompat["64bit"]) === 0 ? 0 : JournalIncompat["64bit"];
  const sum = hasChecksums(sb) ? JournalIncompat.csum_v3 : 0;
  return (before & ~sums) | wide | sum | JournalIncompat.revoke;
}
