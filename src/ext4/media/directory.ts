// Directories as they lie on the media: every block is a chain of entries that fills it exactly.  With
// metadata checksums the last twelve bytes of a block look like an unused entry and hold the checksum.
//
// An indexed directory hides its hash tree in blocks that read as almost empty linear ones: behind ".."
// in the first block, and behind one unused entry in the blocks of the tree's inner nodes.

import type { Memory } from "../../machine/memory.ts";
import { struct, u16, u32, u8 } from "../../machine/struct.ts";

/** An entry without its name, which follows. */
export const DirectoryEntry = struct(
  "ext4_dir_entry_2",
  {
    inode: u32, // 0: unused
    rec_len: u16, // bytes to the next entry
    name_len: u8,
    file_type: u8,
  },
  { size: 8 },
);

export const DirectoryTail = struct(
  "ext4_dir_entry_tail",
  {
    det_reserved_zero1: u32,
    det_rec_len: u16, // 12
    det_reserved_zero2: u8,
    det_reserved_ft: u8, // TAIL_TYPE
    det_checksum: u32,
  },
  { size: 12 },
);

/** Behind the entries "." and ".." of an indexed directory's first block. */
export const HashRootInfo = struct(
  "dx_root_info",
  { reserved_zero: u32, hash_version: u8, info_length: u8, indirect_levels: u8, unused_flags: u8 },
  { size: 8 },
);
/** Where it lies in the block. */
export const HASH_ROOT_INFO_AT = 24;
/** What the entry "." needs, and ".." as well. */
export const DOT_LENGTH = 12;

/** At the place of a hash node's first entry's hash. */
export const HashCountLimit = struct("dx_countlimit", { limit: u16, count: u16 }, { size: 4 });

export const HashEntry = struct("dx_entry", { hash: u32, block: u32 }, { size: 8 });

/** Behind the last entry that a node can have. */
export const HashTail = struct("dx_tail", { dt_reserved: u32, dt_checksum: u32 }, { size: 8 });

/** The address of the entries of the hash node at an address.  Only a root begins with ".". */
export function hashEntriesAt(mem: Memory, at: number): number {
  const isRoot = DirectoryEntry.of(mem, at).rec_len === DOT_LENGTH;
  return at + (isRoot ? HASH_ROOT_INFO_AT + HashRootInfo.size : DirectoryEntry.size);
}

export const TAIL_TYPE = 0xde;

export const FileType = {
  unknown: 0,
  file: 1,
  directory: 2,
  characterDevice: 3,
  blockDevice: 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
} as const;
export type FileType = (typeof FileType)[keyof typeof FileType];

/** Bytes that an entry with such a name needs. */
export function entrySize(nameLength: number): number {
  return (DirectoryEntry.size + nameLength + 3) & ~3;
}

/** By the type bits of a mode, shifted down: what an entry says of its inode. */
const typesByMode: Readonly<Record<number, FileType>> = {
  1: FileType.fifo,
  2: FileType.characterDevice,
  4: FileType.directory,
  6: FileType.blockDevice,
  8: FileType.file,
  10: FileType.symlink,
  12: FileType.socket,
};

/** What an entry says of an inode with such a mode. */
export function fileTypeOf(mode: number): FileType {
  return typesByMode[mode >>> 12] ?? FileType.unknown;
}
