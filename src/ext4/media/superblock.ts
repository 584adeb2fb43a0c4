// The superblock as it lies on media, 1024 bytes into the file system.  Field names are the kernel's.

import { bytes, struct, u16, u32, u8, type ViewOf } from "../../machine/struct.ts";

export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_MAGIC = 0xef53;
/** s_state: unmounted cleanly. */
export const STATE_VALID = 1;
/** s_state: the kernel found errors. */
export const STATE_ERROR = 2;
/** s_checksum_type: the only one there is. */
export const CHECKSUM_CRC32C = 1;
/** s_default_mount_opts: extended attributes for users, and access control lists. */
export const DEFAULT_USER_XATTR_AND_ACL = 0xc;
/** s_def_hash_version: how names are hashed in indexed directories. */
export const HASH_HALF_MD4 = 1;
/** s_flags: names are hashed as signed characters. */
export const SIGNED_HASH = 1;
/** s_flags: names are hashed as unsigned characters. */
export const UNSIGNED_HASH = 2;

export const RawSuperBlock = struct(
  "ext4_super_block",
  {
    s_inodes_count: u32,
    s_blocks_count_lo: u32,
    s_r_blocks_count_lo: u32, // reserved for root
    s_free_blocks_count_lo: u32,
    s_free_inodes_count: u32,
    s_first_data_block: u32,
    s_log_block_size: u32, // 0 means 1024
    s_log_cluster_size: u32,
    s_blocks_per_group: u32,
    s_clusters_per_group: u32,
    s_inodes_per_group: u32,
    s_mtime: u32,
    s_wtime: u32,
    s_mnt_count: u16,
    s_max_mnt_count: u16,
    s_magic: u16,
    s_state: u16,
    s_errors: u16,
    s_minor_rev_level: u16,
    s_lastcheck: u32,
    s_checkinterval: u32,
    s_creator_os: u32,
    s_rev_level: u32,
    s_def_resuid: u16,
    s_def_resgid: u16,
    s_first_ino: u32,
    s_inode_size: u16,
    s_block_group_nr: u16,
    s_feature_compat: u32,
    s_feature_incompat: u32,
    s_feature_ro_compat: u32,
    s_uuid: bytes(16),
    s_volume_name: bytes(16),
    s_last_mounted: bytes(64),
    s_algorithm_usage_bitmap: u32,
    s_prealloc_blocks: u8,
    s_prealloc_dir_blocks: u8,
    s_reserved_gdt_blocks: u16,
    s_journal_uuid: bytes(16),
    s_journal_inum: u32,
    s_journal_dev: u32,
    s_last_orphan: u32,
    s_hash_seed: bytes(16),
    s_def_hash_version: u8,
    s_jnl_backup_type: u8,
    s_desc_size: u16,
    s_default_mount_opts: u32,
    s_first_meta_bg: u32,
    s_mkfs_time: u32,
    s_jnl_blocks: bytes(68), // the journal inode's i_block, and its size
    s_blocks_count_hi: u32,
    s_r_blocks_count_hi: u32,
    s_free_blocks_count_hi: u32,
    s_min_extra_isize: u16,
    s_want_extra_isize: u16,
    s_flags: u32,
    s_raid_stride: u16,
    s_mmp_update_interval: u16,
    s_mmp_block: bytes(8),
    s_raid_stripe_width: u32,
    s_log_groups_per_flex: u8,
    s_checksum_type: u8,
    s_encryption_level: u8,
    s_reserved_pad: u8,
    s_kbytes_written: bytes(8),
    s_snapshots_and_errors: bytes(200), // s_snapshot_inum … s_grp_quota_inum
    s_overhead_clusters: u32, // blocks that hold no files
    s_backup_bgs: bytes(8), // the two groups with backups under sparse_super2
    s_encryption: bytes(20),
    s_lpf_ino: u32,
    s_prj_quota_inum: u32,
    s_checksum_seed: u32,
    s_time_high_bytes: bytes(8), // s_wtime_hi … s_last_error_errcode
    s_encoding: u16,
    s_encoding_flags: u16,
    s_orphan_file_inum: u32,
    s_reserved: bytes(376),
    s_checksum: u32,
  },
  { size: 1024 },
);
export type RawSuperBlock = ViewOf<typeof RawSuperBlock>;
