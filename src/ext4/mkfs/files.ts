// The first files of a file system: the root directory, lost+found, the journal, and the reserved inodes.

import type { Memory } from "../../machine/memory.ts";
import { header } from "../../machine/layout.ts";
import { mediaAt } from "../../machine/pmem.ts";
import { DirectoryEntry, DirectoryTail, entrySize, FileType, TAIL_TYPE } from "../media/directory.ts";
import {
  initNode,
  ROOT_ENTRIES,
  setEntryBlock,
  setEntryCount,
  setExtentLength,
  setExtentMedia,
} from "../media/extent.ts";
import { EXTRA_SIZE, InodeFlag, Mode, RawInode, ROOT_INODE } from "../media/inode.ts";
import { inodeSum, ownedSum } from "../media/sums.ts";
import { BLOCK_SIZE } from "../super.ts";
import { FIRST_INODE, INODE_SIZE, LOST_FOUND_BLOCKS, type Geometry } from "./geometry.ts";

export const JOURNAL_INODE = 8;

const blockAt = (mem: Memory, block: number): number => mediaAt(mem, block * BLOCK_SIZE);

/** Where an inode of group 0 lies. */
export function inodeAt(mem: Memory, geometry: Geometry, inode: number): number {
  return blockAt(mem, geometry.inodeTables) + (inode - 1) * INODE_SIZE;
}

interface NewFile {
  readonly mode: number;
  readonly links: number;
  readonly start: number; // its first media block
  readonly blocks: number;
}

function writeInode(mem: Memory, at: number, file: NewFile): void {
  const raw = RawInode.of(mem, at);
  const now = header(mem).seconds;
  raw.i_mode = file.mode;
  raw.i_size_lo = file.blocks * BLOCK_SIZE;
  raw.i_atime = now;
  raw.i_ctime = now;
  raw.i_mtime = now;
  raw.i_crtime = now;
  raw.i_links_count = file.links;
  raw.i_blocks_lo = file.blocks * (BLOCK_SIZE / 512);
  raw.i_flags = InodeFlag.extents;
  raw.i_extra_isize = EXTRA_SIZE;
  initNode(mem, raw.i_block, ROOT_ENTRIES, 0);
  setEntryCount(mem, raw.i_block, 1);
  setEntryBlock(mem, raw.i_block, 0, 0);
  setExtentLength(mem, raw.i_block, 0, file.blocks, false);
  setExtentMedia(mem, raw.i_block, 0, file.start);
}

/** Inodes 1 to 11 with their checksums; the table is zeroed already. */
export function writeInodes(mem: Memory, geometry: Geometry, seed: number): void {
  const directory = Mode.directory;
  writeInode(mem, inodeAt(mem, geometry, ROOT_INODE), {
    mode: directory | 0o755,
    links: 3,
    start: geometry.rootDirectory,
    blocks: 1,
  });
  writeInode(mem, inodeAt(mem, geometry, FIRST_INODE), {
    mode: directory | 0o700,
    links: 2,
    start: geometry.lostFound,
    blocks: LOST_FOUND_BLOCKS,
  });
  if (geometry.journalBlocks > 0) {
    writeInode(mem, inodeAt(mem, geometry, JOURNAL_INODE), {
      mode: Mode.file | 0o600,
      links: 1,
      start: geometry.journal,
      blocks: geometry.journalBlocks,
    });
  }
  for (let inode = 1; inode <= FIRST_INODE; inode++) {
    const at = inodeAt(mem, geometry, inode);
    const sum = inodeSum(mem, seed, inode, at, INODE_SIZE);
    const raw = RawInode.of(mem, at);
    raw.i_checksum_lo = sum & 0xffff;
    if (raw.i_extra_isize !== 0) raw.i_checksum_hi = sum >>> 16;
  }
}

interface Name {
  readonly name: string;
  readonly inode: number;
}

/** One block of a directory: the names, the last one up to the checksum. */
function writeDirectoryBlock(
  mem: Memory,
  seed: number,
  owner: number,
  block: number,
  names: readonly Name[],
): void {
  const start = blockAt(mem, block);
  const tailAt = start + BLOCK_SIZE - DirectoryTail.size;
  mem.fill(start, 0, BLOCK_SIZE);
  let at = start;
  for (const [index, { name, inode }] of names.entries()) {
    const entry = DirectoryEntry.of(mem, at);
    const length = index === names.length - 1 ? tailAt - at : entrySize(name.length);
    entry.inode = inode;
    entry.rec_len = length;
    entry.name_len = name.length;
    entry.file_type = inode === 0 ? FileType.unknown : FileType.directory;
    for (let i = 0; i < name.length; i++) mem.u8[at + DirectoryEntry.size + i] = name.charCodeAt(i);
    at += length;
  }
  const tail = DirectoryTail.of(mem, tailAt);
  tail.det_rec_len = DirectoryTail.size;
  tail.det_reserved_ft = TAIL_TYPE;
  tail.det_checksum = ownedSum(mem, seed, owner, 0, start, BLOCK_SIZE - DirectoryTail.size);
}

/** The blocks of the root directory and of lost+found, which keeps room so that e2fsck need not allocate any. */
export function writeDirectories(mem: Memory, geometry: Geometry, seed: number): void {
  writeDirectoryBlock(mem, seed, ROOT_INODE, geometry.rootDirectory, [
    { name: ".", inode: ROOT_INODE },
    { name: "..", inode: ROOT_INODE },
    { name: "lost+found", inode: FIRST_INODE },
  ]);
  writeDirectoryBlock(mem, seed, FIRST_INODE, geometry.lostFound, [
    { name: ".", inode: FIRST_INODE },
    { name: "..", inode: ROOT_INODE },
  ]);
  for (let block = 1; block < LOST_FOUND_BLOCKS; block++) {
    writeDirectoryBlock(mem, seed, FIRST_INODE, geometry.lostFound + block, [{ name: "", inode: 0 }]);
  }
}

/** An empty journal: a jbd2 superblock of version 2, whose numbers are big-endian, and zeros. */
export function writeJournal(mem: Memory, geometry: Geometry, uuid: Uint8Array): void {
  const start = blockAt(mem, geometry.journal);
  mem.fill(start, 0, geometry.journalBlocks * BLOCK_SIZE);
  const words: [offset: number, value: number][] = [
    [0x00, 0xc03b3998], // h_magic
    [0x04, 4], // h_blocktype: superblock, version 2
    [0x0c, BLOCK_SIZE], // s_blocksize
    [0x10, geometry.journalBlocks], // s_maxlen
    [0x14, 1], // s_first: the log starts behind this block
    [0x18, 1], // s_sequence: the first transaction to expect
    [0x40, 1], // s_nr_users
  ];
  for (const [offset, value] of words) {
    for (let byte = 0; byte < 4; byte++) mem.u8[start + offset + byte] = value >>> (24 - 8 * byte);
  }
  mem.write(start + 0x30, uuid); // s_uuid
}
