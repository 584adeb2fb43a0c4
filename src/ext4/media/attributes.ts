// The block with an inode's extended attributes that do not fit into the inode.  Inodes with the same ones may share
// one, which counts them.

import { struct, u32, type ViewOf } from "../../machine/struct.ts";

export const AttributeHeader = struct(
  "ext4_xattr_header",
  {
    h_magic: u32,
    h_refcount: u32, // inodes that have the block
    h_blocks: u32, // 1
    h_hash: u32,
    h_checksum: u32,
    h_reserved0: u32,
    h_reserved1: u32,
    h_reserved2: u32,
  },
  { size: 32 },
);
export type AttributeHeader = ViewOf<typeof AttributeHeader>;

export const ATTRIBUTES_MAGIC = 0xea02_0000;
/** Inodes that one block can have. */
export const MAX_ATTRIBUTE_USERS = 1024;
