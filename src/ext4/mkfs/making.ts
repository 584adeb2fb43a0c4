// A file system in the making: the superblock and the descriptors, which stay in the draft until everything
// that they count and sum up is there.

import type { Memory } from "../../machine/memory.ts";
import { Compat, Incompat, ReadOnlyCompat } from "../media/features.ts";
import { RawGroup } from "../media/group.ts";
import { EXTRA_SIZE, OLD_INODE_SIZE, type RawInode } from "../media/inode.ts";
import {
  CHECKSUM_CRC32C,
  DEFAULT_USER_XATTR_AND_ACL,
  HASH_HALF_MD4,
  RawSuperBlock,
  SIGNED_HASH,
  STATE_VALID,
  SUPERBLOCK_MAGIC,
  SUPERBLOCK_OFFSET,
} from "../media/superblock.ts";
import { groupSum, groupSum16, seedOf, superBlockSum } from "../media/sums.ts";
import { Draft } from "./draft.ts";
import { JOURNAL_INODE, RESIZE_INODE, type NewFile } from "./files.ts";
import { FIRST_INODE, type Geometry } from "./geometry.ts";
import type { Plan } from "./plan.ts";

/** Where the draft keeps the superblock: as on media, at that offset. */
const SUPER = SUPERBLOCK_OFFSET;
/** Where the draft keeps the descriptors: behind the largest block that the superblock can lie in. */
const DESCRIPTORS = 4096;

export interface Making extends Plan {
  readonly geometry: Geometry;
  readonly draft: Draft;
  /** Where the draft lies: block 0 with the superblock. */
  readonly start: number;
  readonly superBlock: RawSuperBlock;
  readonly descriptors: number;
  /** Whether groups have checksums, so that they can be uninitialised. */
  readonly groupSums: boolean;
  /** Counted while the groups are made. */
  freeBlocks: number;
}

/** Bytes of memory that making a file system takes. */
export function draftLength({ layout }: Plan): number {
  const { blockSize, descriptorBlocks } = layout.geometry;
  return DESCRIPTORS + (descriptorBlocks + 1) * blockSize;
}

/** Begins in a range of memory that nobody uses. */
export function startMaking(plan: Plan, mem: Memory, start: number): Making {
  const { geometry } = plan.layout;
  const { blockSize, descriptorBlocks, features } = geometry;
  const sums = (features.readOnly & ReadOnlyCompat.metadata_csum) !== 0;
  const descriptors = start + DESCRIPTORS;
  mem.fill(start, 0, draftLength(plan));
  const making: Making = {
    ...plan,
    geometry,
    draft: new Draft(mem, descriptors + descriptorBlocks * blockSize, blockSize, sums),
    start,
    superBlock: RawSuperBlock.of(mem, start + SUPER),
    descriptors,
    groupSums: sums || (features.readOnly & ReadOnlyCompat.uninit_bg) !== 0,
    freeBlocks: 0,
  };
  drawSuperBlock(making);
  making.draft.seed = seedOf(mem, making.superBlock.s_uuid);
  return making;
}

function drawSuperBlock({ draft, geometry, identity, superBlock: raw }: Making): void {
  const { mem } = draft;
  const { features, blockSize } = geometry;
  raw.s_inodes_count = geometry.inodesPerGroup * geometry.groups;
  raw.s_blocks_count_lo = geometry.blocks;
  raw.s_r_blocks_count_lo = geometry.rootBlocks;
  raw.s_first_data_block = geometry.firstDataBlock;
  raw.s_log_block_size = Math.log2(blockSize / 1024);
  raw.s_log_cluster_size = raw.s_log_block_size;
  raw.s_blocks_per_group = geometry.blocksPerGroup;
  raw.s_clusters_per_group = geometry.blocksPerGroup;
  raw.s_inodes_per_group = geometry.inodesPerGroup;
  raw.s_wtime = identity.time;
  raw.s_max_mnt_count = 0xffff; // -1: no check for that reason
  raw.s_magic = SUPERBLOCK_MAGIC;
  raw.s_state = STATE_VALID;
  raw.s_errors = 1; // continue
  raw.s_lastcheck = identity.time;
  raw.s_rev_level = 1;
  raw.s_first_ino = FIRST_INODE;
  raw.s_inode_size = geometry.inodeSize;
  raw.s_feature_compat = features.compat;
  raw.s_feature_incompat = features.incompat;
  raw.s_feature_ro_compat = features.readOnly;
  mem.write(raw.s_uuid, identity.uuid);
  mem.write(raw.s_volume_name, identity.label);
  mem.write(raw.s_hash_seed, identity.hashSeed);
  raw.s_reserved_gdt_blocks = geometry.growthBlocks;
  raw.s_journal_inum = geometry.journalBlocks > 0 ? JOURNAL_INODE : 0;
  raw.s_def_hash_version = HASH_HALF_MD4;
  raw.s_desc_size = (features.incompat & Incompat["64bit"]) !== 0 ? RawGroup.size : 0;
  raw.s_default_mount_opts = DEFAULT_USER_XATTR_AND_ACL;
  raw.s_mkfs_time = identity.time;
  if (geometry.inodeSize > OLD_INODE_SIZE) {
    raw.s_min_extra_isize = EXTRA_SIZE;
    raw.s_want_extra_isize = EXTRA_SIZE;
  }
  raw.s_flags = SIGNED_HASH;
  raw.s_log_groups_per_flex = Math.log2(geometry.flexGroups);
  if (draft.sums) raw.s_checksum_type = CHECKSUM_CRC32C;
  if ((features.incompat & Incompat.csum_seed) !== 0) raw.s_checksum_seed = seedOf(mem, raw.s_uuid);
  if ((features.compat & Compat.sparse_super2) !== 0) {
    const [first, second] = geometry.backups;
    mem.u32[raw.s_backup_bgs >>> 2] = first;
    mem.u32[(raw.s_backup_bgs >>> 2) + 1] = second;
  }
}

/** The superblock keeps a copy of how the journal maps its blocks. */
export function keepJournal({ superBlock: raw }: Making, journal: RawInode): void {
  const { mem } = raw;
  raw.s_jnl_backup_type = 1;
  mem.copy(raw.s_jnl_blocks, journal.i_block, 60);
  mem.u32[(raw.s_jnl_blocks + 60) >>> 2] = journal.i_size_high;
  mem.u32[(raw.s_jnl_blocks + 64) >>> 2] = journal.i_size_lo;
}

export function sealDescriptor(making: Making, group: number, raw: RawGroup): void {
  const { draft, geometry, groupSums, superBlock } = making;
  const { mem, sums, seed } = draft;
  if (!groupSums) return;
  raw.bg_checksum = sums
    ? groupSum(mem, seed, group, raw.at, geometry.descriptorSize)
    : groupSum16(mem, superBlock.s_uuid, group, raw.at, geometry.descriptorSize);
}

/** What follows from the rest: free counts, the blocks that hold no files, the checksum. */
export function sealSuperBlock({ draft, geometry, files, freeBlocks, superBlock: raw }: Making): void {
  raw.s_free_blocks_count_lo = freeBlocks;
  raw.s_free_inodes_count = raw.s_inodes_count - FIRST_INODE;
  const used = geometry.blocks - freeBlocks; // one that lies before the first data block, too
  const inFiles = files.reduce((sum, file) => sum + plainBlocks(file), 0);
  raw.s_overhead_clusters = used - inFiles;
  if (draft.sums) raw.s_checksum = superBlockSum(draft.mem, raw.at);
}

/** Blocks of a first file that are not overhead: all but the journal and the room for descriptors. */
function plainBlocks({ inode, data, map }: NewFile): number {
  if (inode === JOURNAL_INODE) return map.nodes.length;
  if (inode === RESIZE_INODE) return 1;
  return data.reduce((sum, { length }) => sum + length, 0);
}
