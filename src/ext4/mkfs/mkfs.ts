// Makes an empty ext4 over the media, as `mke2fs -b 4096 -O ^resize_inode` would: the same features, counts and defaults.
//
// The same arguments make the same bytes.  Blocks that belong to nobody afterwards keep what they hold.

import { header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { mediaAt } from "../../machine/pmem.ts";
import { touch } from "../../machine/snapshot.ts";
import { setBits } from "../alloc/bits.ts";
import { crc32c } from "../media/checksum.ts";
import { Compat, Incompat, ReadOnlyCompat } from "../media/features.ts";
import { GROUP_BLOCK_UNINIT, GROUP_INODE_UNINIT, GROUP_INODE_ZEROED, RawGroup } from "../media/group.ts";
import { EXTRA_SIZE, RawInode } from "../media/inode.ts";
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
import { groupSum, seedOf, superBlockSum } from "../media/sums.ts";
import type { MountError } from "../mount/mount.ts";
import { BLOCK_SIZE } from "../super.ts";
import { inodeAt, JOURNAL_INODE, writeDirectories, writeInodes, writeJournal } from "./files.ts";
import {
  BLOCKS_PER_GROUP,
  FIRST_INODE,
  geometryOf,
  hasBackup,
  INODE_SIZE,
  type Geometry,
} from "./geometry.ts";

export interface MakeOptions {
  /** Up to 16 bytes. */
  readonly label?: string;
  /** 32 hexadecimal digits, hyphens allowed.  Made from the seed otherwise. */
  readonly uuid?: string;
  /** What the UUID and the seed of directory hashes are made from. */
  readonly seed?: number;
}

const FEATURES = {
  compat: Compat.has_journal | Compat.ext_attr | Compat.dir_index,
  incompat: Incompat.filetype | Incompat.extent | Incompat["64bit"] | Incompat.flex_bg,
  readOnly:
    ReadOnlyCompat.sparse_super |
    ReadOnlyCompat.large_file |
    ReadOnlyCompat.huge_file |
    ReadOnlyCompat.dir_nlink |
    ReadOnlyCompat.extra_isize |
    ReadOnlyCompat.metadata_csum,
} as const;

/** Makes the file system; what is wrong with the options comes back as a sentence. */
export function makeFileSystem(mem: Memory, options: MakeOptions = {}): MountError | undefined {
  const label = new TextEncoder().encode(options.label ?? "");
  if (label.length > 16) return { message: `the label "${options.label}" is longer than 16 bytes` };
  const random = idsFrom(options.seed ?? 0);
  const uuid = options.uuid === undefined ? versionFour(random.slice(0, 16)) : parseUuid(options.uuid);
  if (uuid === undefined) return { message: `"${options.uuid}" is no UUID` };
  const geometry = geometryOf(Math.floor(header(mem).media.length / BLOCK_SIZE));
  touchAll(mem, geometry);
  mem.fill(mediaAt(mem, 0), 0, geometry.journal * BLOCK_SIZE);
  writeSuperBlock(mem, geometry, { uuid, label, hashSeed: versionFour(random.slice(16)) });
  const seed = seedOf(mem, mediaAt(mem, SUPERBLOCK_OFFSET) + RawSuperBlock.offset("s_uuid"));
  writeDirectories(mem, geometry, seed);
  if (geometry.journalBlocks > 0) writeJournal(mem, geometry, uuid);
  writeInodes(mem, geometry, seed);
  writeBitmaps(mem, geometry);
  writeGroups(mem, geometry, seed);
  finishSuperBlock(mem, geometry);
  writeBackups(mem, geometry);
  return undefined;
}

/** 32 bytes that follow from the seed (splitmix32). */
function idsFrom(seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32);
  let state = seed >>> 0;
  for (let at = 0; at < bytes.length; at++) {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    bytes[at] = mixed >>> 24;
  }
  return bytes;
}

/** Marks 16 bytes as a random UUID. */
function versionFour(bytes: Uint8Array): Uint8Array {
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes;
}

function parseUuid(text: string): Uint8Array | undefined {
  const digits = text.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

function touchAll(mem: Memory, geometry: Geometry): void {
  touch(mem, mediaAt(mem, 0), geometry.end * BLOCK_SIZE);
  for (let group = 1; group < geometry.groups; group++) {
    const blocks = hasBackup(group) ? 1 + geometry.descriptorBlocks : 0;
    if (blocks > 0) touch(mem, mediaAt(mem, group * BLOCKS_PER_GROUP * BLOCK_SIZE), blocks * BLOCK_SIZE);
  }
}

interface Identity {
  readonly uuid: Uint8Array;
  readonly label: Uint8Array;
  readonly hashSeed: Uint8Array;
}

function writeSuperBlock(mem: Memory, geometry: Geometry, identity: Identity): void {
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  const now = header(mem).seconds;
  raw.s_inodes_count = geometry.inodesPerGroup * geometry.groups;
  raw.s_blocks_count_lo = geometry.blocks;
  raw.s_r_blocks_count_lo = Math.floor((geometry.blocks * 5) / 100);
  raw.s_log_block_size = 2;
  raw.s_log_cluster_size = 2;
  raw.s_blocks_per_group = BLOCKS_PER_GROUP;
  raw.s_clusters_per_group = BLOCKS_PER_GROUP;
  raw.s_inodes_per_group = geometry.inodesPerGroup;
  raw.s_wtime = now;
  raw.s_max_mnt_count = 0xffff; // -1: no check for that reason
  raw.s_magic = SUPERBLOCK_MAGIC;
  raw.s_state = STATE_VALID;
  raw.s_errors = 1; // continue
  raw.s_lastcheck = now;
  raw.s_rev_level = 1;
  raw.s_first_ino = FIRST_INODE;
  raw.s_inode_size = INODE_SIZE;
  raw.s_feature_compat = FEATURES.compat & ~(geometry.journalBlocks > 0 ? 0 : Compat.has_journal);
  raw.s_feature_incompat = FEATURES.incompat;
  raw.s_feature_ro_compat = FEATURES.readOnly;
  mem.write(raw.s_uuid, identity.uuid);
  mem.write(raw.s_volume_name, identity.label);
  mem.write(raw.s_hash_seed, identity.hashSeed);
  raw.s_journal_inum = geometry.journalBlocks > 0 ? JOURNAL_INODE : 0;
  raw.s_def_hash_version = HASH_HALF_MD4;
  raw.s_desc_size = RawGroup.size;
  raw.s_default_mount_opts = DEFAULT_USER_XATTR_AND_ACL;
  raw.s_mkfs_time = now;
  raw.s_min_extra_isize = EXTRA_SIZE;
  raw.s_want_extra_isize = EXTRA_SIZE;
  raw.s_flags = SIGNED_HASH;
  raw.s_log_groups_per_flex = 4;
  raw.s_checksum_type = CHECKSUM_CRC32C;
}

/** Blocks of a group that are in use in an empty file system. */
function usedBlocks(geometry: Geometry, group: number): number {
  if (group === 0) return geometry.end;
  return hasBackup(group) ? 1 + geometry.descriptorBlocks : 0;
}

const blocksOf = (geometry: Geometry, group: number): number =>
  Math.min(BLOCKS_PER_GROUP, geometry.blocks - group * BLOCKS_PER_GROUP);

/** Only the first and the last group's: those between follow from the layout and stay unwritten. */
function writeBitmaps(mem: Memory, geometry: Geometry): void {
  const bits = BLOCK_SIZE * 8;
  for (const group of new Set([0, geometry.groups - 1])) {
    const bitmap = mediaAt(mem, (geometry.blockBitmaps + group) * BLOCK_SIZE);
    setBits(mem, bitmap, 1, 0, usedBlocks(geometry, group));
    setBits(mem, bitmap, 1, blocksOf(geometry, group), bits);
  }
  const inodes = mediaAt(mem, geometry.inodeBitmaps * BLOCK_SIZE);
  setBits(mem, inodes, 1, 0, FIRST_INODE);
  setBits(mem, inodes, 1, geometry.inodesPerGroup, bits);
}

function writeGroups(mem: Memory, geometry: Geometry, seed: number): void {
  for (let group = 0; group < geometry.groups; group++) {
    const raw = RawGroup.of(mem, mediaAt(mem, BLOCK_SIZE) + group * RawGroup.size);
    const usedInodes = group === 0 ? FIRST_INODE : 0;
    raw.bg_block_bitmap_lo = geometry.blockBitmaps + group;
    raw.bg_inode_bitmap_lo = geometry.inodeBitmaps + group;
    raw.bg_inode_table_lo = geometry.inodeTables + group * geometry.tableBlocks;
    raw.bg_free_blocks_count_lo = blocksOf(geometry, group) - usedBlocks(geometry, group);
    raw.bg_free_inodes_count_lo = geometry.inodesPerGroup - usedInodes;
    raw.bg_itable_unused_lo = geometry.inodesPerGroup - usedInodes;
    raw.bg_used_dirs_count_lo = group === 0 ? 2 : 0;
    raw.bg_flags = GROUP_INODE_ZEROED;
    if (group === 0) {
      const inodes = crc32c(
        mem,
        seed,
        mediaAt(mem, geometry.inodeBitmaps * BLOCK_SIZE),
        geometry.inodesPerGroup >>> 3,
      );
      raw.bg_inode_bitmap_csum_lo = inodes & 0xffff;
      raw.bg_inode_bitmap_csum_hi = inodes >>> 16;
    } else raw.bg_flags |= GROUP_INODE_UNINIT;
    if (group === 0 || group === geometry.groups - 1) {
      const bitmap = mediaAt(mem, (geometry.blockBitmaps + group) * BLOCK_SIZE);
      const blocks = crc32c(mem, seed, bitmap, BLOCKS_PER_GROUP >>> 3);
      raw.bg_block_bitmap_csum_lo = blocks & 0xffff;
      raw.bg_block_bitmap_csum_hi = blocks >>> 16;
    } else raw.bg_flags |= GROUP_BLOCK_UNINIT;
    raw.bg_checksum = groupSum(mem, seed, group, raw.at, RawGroup.size);
  }
}

/** What follows from the rest: free counts, the blocks that hold no files, the journal's inode once more. */
function finishSuperBlock(mem: Memory, geometry: Geometry): void {
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  let used = 0;
  for (let group = 0; group < geometry.groups; group++) used += usedBlocks(geometry, group);
  raw.s_free_blocks_count_lo = geometry.blocks - used;
  raw.s_free_inodes_count = raw.s_inodes_count - FIRST_INODE;
  raw.s_overhead_clusters = used - (geometry.journal - geometry.rootDirectory);
  if (geometry.journalBlocks > 0) {
    const journal = RawInode.of(mem, inodeAt(mem, geometry, JOURNAL_INODE));
    raw.s_jnl_backup_type = 1;
    mem.copy(raw.s_jnl_blocks, journal.i_block, 60);
    mem.u32[(raw.s_jnl_blocks + 64) >>> 2] = journal.i_size_lo; // the word before it is the size's upper half
  }
  raw.s_checksum = superBlockSum(mem, raw.at);
}

function writeBackups(mem: Memory, geometry: Geometry): void {
  for (let group = 1; group < geometry.groups; group++) {
    if (!hasBackup(group)) continue;
    const start = mediaAt(mem, group * BLOCKS_PER_GROUP * BLOCK_SIZE);
    mem.fill(start, 0, BLOCK_SIZE);
    mem.copy(start, mediaAt(mem, SUPERBLOCK_OFFSET), RawSuperBlock.size);
    const raw = RawSuperBlock.of(mem, start);
    raw.s_block_group_nr = group;
    raw.s_checksum = superBlockSum(mem, start);
    mem.copy(start + BLOCK_SIZE, mediaAt(mem, BLOCK_SIZE), geometry.descriptorBlocks * BLOCK_SIZE);
  }
}
