// The superblock as it lies on the media, checked at mount: every number against the others and the media's size.

import type { Memory } from "../../machine/memory.ts";
import { mediaAt } from "../../machine/pmem.ts";
import { OnErrors } from "../damage.ts";
import { countCredits } from "../extents/credits.ts";
import { ReadOnlyCompat, Compat, Incompat, missingFeatures, unsupportedFeatures } from "../media/features.ts";
import { RawGroup, SHORT_DESCRIPTOR } from "../media/group.ts";
import { OLD_INODE_SIZE } from "../media/inode.ts";
import {
  CHECKSUM_CRC32C,
  RawSuperBlock,
  STATE_ERROR,
  STATE_VALID,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
  UNSIGNED_HASH,
} from "../media/superblock.ts";
import { seedOf, superBlockSum } from "../media/sums.ts";
import { BLOCK_SHIFT, BLOCK_SIZE, SuperBlock } from "../super.ts";

/** Fills `sb` in, or says what is wrong. */
export function readSuperBlock(sb: SuperBlock, raw: RawSuperBlock, mediaLength: number): string | undefined {
  const wrong = refusal(raw) ?? wrongSizes(raw, mediaLength);
  if (wrong === undefined) fillIn(sb, raw);
  return wrong;
}

/**
 * What the superblock says of the state of the file system, where that forbids to mount it.  A journal to recover does
 * not.
 */
export function wrongState(raw: RawSuperBlock): string | undefined {
  if ((raw.s_state & STATE_ERROR) !== 0)
    return "the image is marked as having errors: run e2fsck on it first";
  if ((raw.s_state & STATE_VALID) === 0) {
    return "the image was not unmounted cleanly: run e2fsck on it first";
  }
  return undefined;
}

type Raw = RawSuperBlock;

/** Why the media is no ext4 that is understood here: nothing more can be said of it then. */
export function wrongFormat(mem: Memory): string | undefined {
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  return notExt4(raw) ?? foreignFeatures(raw) ?? otherBlocks(raw);
}

function notExt4({ s_magic }: Raw): string | undefined {
  if (s_magic === SUPERBLOCK_MAGIC) return undefined;
  return `this is no ext4 image: its magic number is 0x${s_magic.toString(16)}, not 0xef53`;
}

function otherBlocks({ s_log_block_size }: Raw): string | undefined {
  if (s_log_block_size === BLOCK_SHIFT - 10 || s_log_block_size > 6) return undefined;
  return `the image has blocks of ${1024 << s_log_block_size} bytes, a machine mounts only ${BLOCK_SIZE}: mapped data needs blocks as large as pages`;
}

/** What says that this is no file system of ours, whatever its sizes are. */
function refusal(raw: Raw): string | undefined {
  const foreign = notExt4(raw);
  if (foreign !== undefined) return foreign;
  const wrong = foreignFeatures(raw) ?? wrongSum(raw);
  if (wrong !== undefined) return wrong;
  const missing = missingFeatures(raw.s_feature_incompat);
  if (missing.length === 0) return otherBlocks(raw);
  return `the image was made without features that are needed here: ${missing.join(", ")}`;
}

function foreignFeatures(raw: Raw): string | undefined {
  const features = unsupportedFeatures(raw.s_feature_incompat, raw.s_feature_ro_compat);
  if (features.length === 0) return undefined;
  const sum = wrongSum(raw);
  return `the image has features that are not supported: ${features.join(", ")}${sum === undefined ? "" : ` (and ${sum})`}`;
}

function wrongSum(raw: Raw): string | undefined {
  if ((raw.s_feature_ro_compat & ReadOnlyCompat.metadata_csum) === 0) return undefined;
  if (raw.s_checksum_type !== CHECKSUM_CRC32C) {
    return `the superblock names an unknown kind of checksum: ${raw.s_checksum_type}`;
  }
  const sum = superBlockSum(raw.mem, raw.at);
  return raw.s_checksum === sum ? undefined : "the superblock's checksum is wrong";
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

const wrongField = (name: keyof Raw & string, value: number): string =>
  `the superblock is damaged: ${name} is ${value}`;

/** The first number of the superblock that does not fit the others or the media. */
function wrongSizes(raw: Raw, mediaLength: number): string | undefined {
  if (raw.s_rev_level !== 1)
    return `the image is of revision ${raw.s_rev_level}, only revision 1 is supported`;
  if (raw.s_log_block_size > 6) return wrongField("s_log_block_size", raw.s_log_block_size);
  const blocks = raw.s_blocks_count_lo;
  if (raw.s_blocks_count_hi !== 0) return wrongField("s_blocks_count_hi", raw.s_blocks_count_hi);
  if (blocks * BLOCK_SIZE > mediaLength) {
    return `the image is truncated: its file system has ${blocks} blocks, the image ${Math.floor(mediaLength / BLOCK_SIZE)}`;
  }
  const bits = BLOCK_SIZE * 8;
  const perGroup = raw.s_blocks_per_group;
  const inodes = raw.s_inodes_per_group;
  const inodeSize = raw.s_inode_size;
  const groups = Math.ceil(blocks / perGroup);
  const wide = (raw.s_feature_incompat & Incompat["64bit"]) !== 0;
  const descriptor = wide ? raw.s_desc_size : SHORT_DESCRIPTOR;
  const descriptorBlocks = Math.ceil(groups / (BLOCK_SIZE / descriptor));
  const orphanLimit = raw.s_inodes_count;
  const rules: [keyof Raw & string, boolean][] = [
    ["s_log_cluster_size", raw.s_log_cluster_size === raw.s_log_block_size],
    ["s_first_data_block", raw.s_first_data_block === 0],
    ["s_blocks_per_group", perGroup >= 8 && perGroup <= bits && perGroup % 8 === 0],
    ["s_clusters_per_group", raw.s_clusters_per_group === perGroup],
    ["s_inode_size", isPowerOfTwo(inodeSize) && inodeSize >= OLD_INODE_SIZE && inodeSize <= BLOCK_SIZE],
    ["s_inodes_per_group", inodes >= BLOCK_SIZE / inodeSize && inodes <= bits && inodes % 8 === 0],
    ["s_inodes_count", raw.s_inodes_count === inodes * groups],
    ["s_first_ino", raw.s_first_ino >= 11 && raw.s_first_ino <= raw.s_inodes_count],
    [
      "s_desc_size",
      isPowerOfTwo(descriptor) && descriptor >= (wide ? RawGroup.size : 32) && descriptor <= 1024,
    ],
    ["s_reserved_gdt_blocks", raw.s_reserved_gdt_blocks <= BLOCK_SIZE / 4],
    ["s_blocks_count_lo", 1 + descriptorBlocks + raw.s_reserved_gdt_blocks < Math.min(blocks, perGroup)],
    ["s_last_orphan", raw.s_last_orphan <= orphanLimit],
    ["s_journal_inum", raw.s_journal_inum <= raw.s_inodes_count],
    [
      "s_want_extra_isize",
      inodeSize === OLD_INODE_SIZE || raw.s_want_extra_isize <= inodeSize - OLD_INODE_SIZE,
    ],
  ];
  const broken = rules.find(([, holds]) => !holds);
  return broken === undefined ? undefined : wrongField(broken[0], raw[broken[0]] as number);
}

function fillIn(sb: SuperBlock, raw: Raw): void {
  const wide = (raw.s_feature_incompat & Incompat["64bit"]) !== 0;
  sb.blockSize = BLOCK_SIZE;
  sb.blockCount = raw.s_blocks_count_lo;
  sb.firstDataBlock = raw.s_first_data_block;
  sb.blocksPerGroup = raw.s_blocks_per_group;
  sb.groupCount = Math.ceil((sb.blockCount - sb.firstDataBlock) / sb.blocksPerGroup);
  sb.inodesPerGroup = raw.s_inodes_per_group;
  sb.inodeCount = raw.s_inodes_count;
  sb.inodeSize = raw.s_inode_size;
  sb.wantExtraSize = sb.inodeSize === OLD_INODE_SIZE ? 0 : raw.s_want_extra_isize;
  sb.firstInode = raw.s_first_ino;
  sb.descriptorSize = wide ? raw.s_desc_size : SHORT_DESCRIPTOR;
  sb.descriptorBlocks = Math.ceil(sb.groupCount / (BLOCK_SIZE / sb.descriptorSize));
  sb.hashVersion = raw.s_def_hash_version;
  sb.hashUnsigned = (raw.s_flags & UNSIGNED_HASH) === 0 ? 0 : 1;
  sb.mem.copy(sb.hashSeed, raw.s_hash_seed, 16);
  sb.featureCompat = raw.s_feature_compat;
  sb.featureIncompat = raw.s_feature_incompat;
  sb.featureReadOnly = raw.s_feature_ro_compat;
  const flexible = (sb.featureIncompat & Incompat.flex_bg) !== 0;
  sb.groupsPerFlex = flexible ? 2 ** Math.min(31, raw.s_log_groups_per_flex) : 1;
  const keeps = (sb.featureCompat & (Compat.resize_inode | Compat.sparse_super2)) !== 0;
  sb.reservedDescriptorBlocks = keeps ? raw.s_reserved_gdt_blocks : 0;
  // Until group descriptors are checked, no block is known as the file system's own.
  sb.mem.fill(sb.ownBlocksAt, 0, Math.ceil(sb.blockCount / 8));
  sb.journalInode = 0;
  const known = raw.s_errors === OnErrors.readOnly || raw.s_errors === OnErrors.panic;
  sb.onErrors = known ? raw.s_errors : OnErrors.continue;
  sb.damaged = 0;
  sb.readOnly = 0;
  const ownSeed = (sb.featureIncompat & Incompat.csum_seed) !== 0;
  sb.csumSeed = ownSeed ? raw.s_checksum_seed : seedOf(sb.mem, raw.s_uuid);
  countCredits(sb);
}
