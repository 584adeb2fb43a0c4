// An inode as it lies in the inode table.

import { bytes, struct, u16, u32, type ViewOf } from "../../machine/struct.ts";

export const RawInode = struct(
  "ext4_inode",
  {
    i_mode: u16,
    i_uid: u16,
    i_size_lo: u32,
    i_atime: u32,
    i_ctime: u32,
    i_mtime: u32,
    i_dtime: u32, // when it was deleted; for an orphan, the next orphan's number
    i_gid: u16,
    i_links_count: u16,
    i_blocks_lo: u32, // in units of 512 bytes
    i_flags: u32,
    i_version: u32,
    i_block: bytes(60, 4), // the extent tree's root, or a short symlink's target
    i_generation: u32,
    i_file_acl_lo: u32,
    i_size_high: u32,
    i_obso_faddr: u32,
    i_blocks_high: u16,
    i_file_acl_high: u16,
    i_uid_high: u16,
    i_gid_high: u16,
    i_checksum_lo: u16,
    i_reserved: u16,
    i_extra_isize: u16, // bytes of the fields below that are in use
    i_checksum_hi: u16,
    i_ctime_extra: u32, // 30 bits of nanoseconds above 2 bits of epoch
    i_mtime_extra: u32,
    i_atime_extra: u32,
    i_crtime: u32,
    i_crtime_extra: u32,
    i_version_hi: u32,
    i_projid: u32,
  },
  { size: 160 },
);
export type RawInode = ViewOf<typeof RawInode>;

/** The part that every inode has; the rest counts only as far as i_extra_isize says. */
export const OLD_INODE_SIZE = 128;
/** i_extra_isize of the inodes we make: all fields above. */
export const EXTRA_SIZE = RawInode.size - OLD_INODE_SIZE;
/** Bytes of a symlink's target that fit into i_block, with the final NUL. */
export const SHORT_SYMLINK = 60;

export const ROOT_INODE = 2;

/** Names that a file can have, and subdirectories that a directory counts (dir_nlink: it may have more). */
export const MAX_LINKS = 65_000;

/** The type bits of i_mode. */
export const Mode = {
  type: 0xf000,
  socket: 0xc000,
  symlink: 0xa000,
  file: 0x8000,
  blockDevice: 0x6000,
  directory: 0x4000,
  characterDevice: 0x2000,
  fifo: 0x1000,
  permissions: 0x0fff,
  ofDirectories: 0x03ff, // what mkdir can ask for
  setUser: 0x0800,
  setGroup: 0x0400,
  groupExecutes: 0x0008,
} as const;

export const InodeFlag = {
  immutable: 0x10,
  append: 0x20,
  index: 0x1000, // the directory has a hash tree
  journalData: 0x4000,
  hugeFile: 0x4_0000, // i_blocks counts file system blocks
  extents: 0x8_0000,
  eaInode: 0x20_0000,
  inlineData: 0x1000_0000,
} as const;
