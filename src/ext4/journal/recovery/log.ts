// The journal of an image, found and checked: where each of its blocks lies, and what its superblock says.  As with
// the file system's own superblock, nothing is believed: behind this file the log may be walked by number.

import { errnoName } from "../../../machine/errors.ts";
import { downRead, upRead } from "../../../locks/rwsem.ts";
import { takeFinding } from "../../damage.ts";
import type { Extent } from "../../extents/extent.ts";
import { State } from "../../extents/extent.ts";
import { extents } from "../../extents/find.ts";
import { isFile, type Inode } from "../../inode.ts";
import { iget, iput } from "../../inodes/cache.ts";
import { Compat, Incompat } from "../../media/features.ts";
import {
  hasBlockSums,
  JOURNAL_CRC32C,
  JOURNAL_MAGIC,
  JournalBlock,
  JournalCompat,
  JournalIncompat,
  JournalSuperBlock,
  journalSuperBlockSum,
  MIN_JOURNAL_BLOCKS,
  unsupportedJournalFeatures,
} from "../../media/journal.ts";
import type { RawSuperBlock } from "../../media/superblock.ts";
import { seedOf } from "../../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, mediaAddress, superBlock, type SuperBlock } from "../../super.ts";

/** A journal, as its superblock says it is. */
export interface Log {
  readonly sb: SuperBlock;
  /** Where its blocks lie: all of them, in order. */
  readonly places: readonly Extent[];
  /** Its blocks; the ring is those from `first` on. */
  readonly length: number;
  readonly first: number;
  readonly compat: number;
  readonly incompat: number;
  /** What checksums start from. */
  readonly seed: number;
  /** The first transaction in the log and where it begins; 0: the log is empty. */
  readonly sequence: number;
  readonly start: number;
  /** What went wrong while it was written, a negative errno; 0: nothing. */
  readonly error: number;
}

/** The journal, undefined without one, or what is wrong with it.  kernel: ext4_get_journal_inode, load_superblock */
export function openLog(sb: SuperBlock, raw: RawSuperBlock): Log | string | undefined {
  if ((raw.s_feature_compat & Compat.has_journal) === 0) return undefined;
  if (raw.s_journal_dev !== 0) return "the image's journal is on another device, which is not supported";
  const number = raw.s_journal_inum;
  if (number === 0 || number > sb.inodeCount) return `the journal is inode ${number}, which does not exist`;
  const inode = iget(sb, number);
  if (typeof inode === "number") return unreadable(sb, number, inode);
  const places = placesOf(inode);
  const blocks = Math.floor(inode.size / BLOCK_SIZE);
  iput(inode);
  if (typeof places === "string") return places;
  return checkSuperBlock(sb, places, blocks);
}

function unreadable(sb: SuperBlock, number: number, error: number): string {
  const why = takeFinding(sb.mem, error) ?? "it maps its blocks in a way that is not supported";
  return `the journal, inode ${number}, cannot be read: ${why} (${errnoName(error)})`;
}

function placesOf(inode: Inode): Extent[] | string {
  const journal = `the journal, inode ${inode.number},`;
  if (!isFile(inode)) return `${journal} is no regular file`;
  downRead(inode.dataSem);
  const places = extents(inode);
  upRead(inode.dataSem);
  if (typeof places === "number") return unreadable(superBlock(inode.mem), inode.number, places);
  let block = 0;
  for (const { start, length, state } of places) {
    if (start !== block || state !== State.written) return `${journal} has no block ${block}`;
    block += length;
  }
  const blocks = Math.floor(inode.size / BLOCK_SIZE);
  if (blocks > block) return `${journal} has a size of ${blocks} blocks, and ${block} of them`;
  if (blocks >= MIN_JOURNAL_BLOCKS) return places;
  return `${journal} has ${blocks} blocks, fewer than ${MIN_JOURNAL_BLOCKS}`;
}

/** The address on media of a block of the journal. */
export function logAddress(log: Log, block: number): number {
  for (const { start, length, media } of log.places) {
    if (block < start + length) return mediaAddress(log.sb, media + block - start);
  }
  return 0; // none: `checkSuperBlock` has seen that the places hold all blocks
}

/** Whether a block of the file system is one of the journal's. */
export function isInLog(log: Log, block: number): boolean {
  return log.places.some(({ media, length }) => block >= media && block < media + length);
}

function checkSuperBlock(sb: SuperBlock, places: readonly Extent[], blocks: number): Log | string {
  const { mem } = sb;
  const raw = JournalSuperBlock.of(mem, mediaAddress(sb, (places[0] as Extent).media));
  const wrong = refusal(raw, blocks);
  if (wrong !== undefined) return wrong;
  const old = raw.h_blocktype === JournalBlock.superblock1;
  const beyond = old ? beyondVersion1(sb) : undefined;
  if (beyond !== undefined)
    return `the journal's superblock is of version 1, which knows nothing of ${beyond}`;
  return {
    sb,
    places,
    length: raw.s_maxlen,
    first: raw.s_first,
    compat: old ? 0 : raw.s_feature_compat,
    incompat: old ? 0 : raw.s_feature_incompat,
    seed: seedOf(mem, raw.s_uuid),
    sequence: raw.s_sequence,
    start: raw.s_start,
    error: raw.s_errno | 0,
  };
}

/** What the file system asks of its journal that an old one cannot do.  kernel: jbd2_journal_set_features */
function beyondVersion1(sb: SuperBlock): string | undefined {
  if (hasChecksums(sb)) return "metadata_csum";
  return (sb.featureIncompat & Incompat["64bit"]) === 0 ? undefined : "64bit";
}

const damaged = (name: keyof JournalSuperBlock & string, value: number): string =>
  `the journal's superblock is damaged: ${name} is ${value}`;

/** What keeps the journal from being used. */
function refusal(raw: JournalSuperBlock, blocks: number): string | undefined {
  if (raw.h_magic !== JOURNAL_MAGIC) {
    return `the journal has no superblock: its magic number is 0x${raw.h_magic.toString(16)}, not 0xc03b3998`;
  }
  const { h_blocktype: type, s_maxlen: length, s_first: first, s_start: start } = raw;
  if (type !== JournalBlock.superblock1 && type !== JournalBlock.superblock2)
    return damaged("h_blocktype", type);
  const features = type === JournalBlock.superblock1 ? undefined : wrongFeatures(raw);
  if (features !== undefined) return features;
  if (raw.s_blocksize !== BLOCK_SIZE) return damaged("s_blocksize", raw.s_blocksize);
  if (length > blocks) return `the journal's superblock counts ${length} blocks, its inode has ${blocks}`;
  if (length < MIN_JOURNAL_BLOCKS) return damaged("s_maxlen", length);
  if (first === 0 || first > length - (MIN_JOURNAL_BLOCKS - 1)) return damaged("s_first", first);
  if (start !== 0 && (start < first || start >= length)) return damaged("s_start", start);
  return undefined;
}

function wrongFeatures(raw: JournalSuperBlock): string | undefined {
  const { s_feature_incompat: incompat, s_feature_compat: compat } = raw;
  const sums = [
    (compat & JournalCompat.checksum) !== 0,
    (incompat & JournalIncompat.csum_v2) !== 0,
    (incompat & JournalIncompat.csum_v3) !== 0,
  ].filter(Boolean).length;
  const wrongSum = hasBlockSums(incompat) && journalSuperBlockSum(raw.mem, raw.at) !== raw.s_checksum;
  const alsoSum = wrongSum ? " (and its superblock's checksum is wrong)" : "";
  const unsupported = unsupportedJournalFeatures(incompat, raw.s_feature_ro_compat);
  if (unsupported.length > 0) {
    return `the journal has features that are not supported: ${unsupported.join(", ")}${alsoSum}`;
  }
  if (sums > 1) return `the journal has checksums of ${sums} kinds at once${alsoSum}`;
  if (hasBlockSums(incompat) && raw.s_checksum_type !== JOURNAL_CRC32C) {
    return `the journal names an unknown kind of checksum: ${raw.s_checksum_type}${alsoSum}`;
  }
  return wrongSum ? "the checksum of the journal's superblock is wrong" : undefined;
}
