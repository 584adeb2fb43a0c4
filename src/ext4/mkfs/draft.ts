// How the blocks of a new file system are drawn up before they go to the media: in a small piece of memory, so
// that making a large file system takes no memory of that size.

import type { Memory } from "../../machine/memory.ts";
import { setBits } from "../alloc/bits.ts";
import { crc32c } from "../media/checksum.ts";
import {
  blockEntries,
  ENTRY_SIZE,
  ExtentHeader,
  ExtentTail,
  initNode,
  ROOT_ENTRIES,
  setEntryBlock,
  setEntryCount,
  setExtentLength,
  setExtentMedia,
  setIndex,
} from "../media/extent.ts";
import { DirectoryEntry, DirectoryTail, entrySize, FileType, TAIL_TYPE } from "../media/directory.ts";
import { EXTRA_SIZE, InodeFlag, OLD_INODE_SIZE, RawInode } from "../media/inode.ts";
import { inodeSum, ownedSum } from "../media/sums.ts";
import type { Entry, NewFile, PointerBlock, TreeNode } from "./files.ts";
import type { Range } from "./layout.ts";

/** Bytes that go to the media, or zeros; the bytes are good until the next piece is asked for. */
export interface Piece {
  /** Offset on the media. */
  readonly at: number;
  readonly length: number;
  /** Without them: zeros. */
  readonly bytes?: Uint8Array;
}

/** What every block is drawn up with. */
export class Draft {
  readonly mem: Memory;
  readonly blockSize: number;
  /** Whether metadata carries crc32c checksums, and what they start from. */
  readonly sums: boolean;
  seed = 0;
  readonly #block: number;

  /** Blocks are drawn up at `at`, one after another in the same place. */
  constructor(mem: Memory, at: number, blockSize: number, sums: boolean) {
    this.mem = mem;
    this.blockSize = blockSize;
    this.sums = sums;
    this.#block = at;
  }

  /** The place for the next block, zeroed. */
  block(): number {
    this.mem.fill(this.#block, 0, this.blockSize);
    return this.#block;
  }

  /** The bytes drawn up at a place, for the media from a block on. */
  piece(block: number, place: number, length = this.blockSize): Piece {
    return { at: block * this.blockSize, length, bytes: this.mem.u8.subarray(place, place + length) };
  }
}

/** A bitmap of `size` bits with these runs set; the bits behind them are set as well. */
export function drawBitmap(draft: Draft, runs: readonly Range[], size: number): number {
  const bitmap = draft.block();
  for (const { start, length } of runs) setBits(draft.mem, bitmap, 1, start, start + length);
  setBits(draft.mem, bitmap, 1, size, draft.blockSize * 8);
  return bitmap;
}

export function bitmapSum(draft: Draft, bitmap: number, bits: number): number {
  return draft.sums ? crc32c(draft.mem, draft.seed, bitmap, bits >>> 3) : 0;
}

function putEntry(mem: Memory, node: number, index: number, depth: number, entry: Entry): void {
  if (depth > 0) return setIndex(mem, node, index, entry.logical, entry.physical);
  setEntryBlock(mem, node, index, entry.logical);
  setExtentLength(mem, node, index, entry.length, false);
  return setExtentMedia(mem, node, index, entry.physical);
}

export function drawTreeNode(draft: Draft, owner: number, { block, depth, entries }: TreeNode): Piece {
  const { mem, blockSize } = draft;
  const node = draft.block();
  const room = blockEntries(blockSize);
  initNode(mem, node, room, depth);
  setEntryCount(mem, node, entries.length);
  for (const [index, entry] of entries.entries()) putEntry(mem, node, index, depth, entry);
  const tail = ExtentHeader.size + room * ENTRY_SIZE;
  if (draft.sums)
    mem.u32[(node + tail + ExtentTail.offset("et_checksum")) >>> 2] = ownedSum(
      mem,
      draft.seed,
      owner,
      0,
      node,
      tail,
    );
  return draft.piece(block, node);
}

export function drawPointers(draft: Draft, { block, pointers }: PointerBlock): Piece {
  const place = draft.block();
  for (const [index, value] of pointers) draft.mem.u32[(place >>> 2) + index] = value;
  return draft.piece(block, place);
}

function drawMap(mem: Memory, raw: RawInode, { map }: NewFile): void {
  if (map.kind === "lists") {
    for (const [index, value] of map.root) mem.u32[(raw.i_block >>> 2) + index] = value;
    return;
  }
  raw.i_flags = InodeFlag.extents;
  initNode(mem, raw.i_block, ROOT_ENTRIES, map.depth);
  setEntryCount(mem, raw.i_block, map.root.length);
  for (const [index, entry] of map.root.entries()) putEntry(mem, raw.i_block, index, map.depth, entry);
}

/** An inode at a place of zeros; without a file, a reserved one that is not in use. */
export function drawInode(
  draft: Draft,
  at: number,
  inodeSize: number,
  number: number,
  time: number,
  file?: NewFile,
): void {
  const { mem } = draft;
  const raw = RawInode.of(mem, at);
  if (file !== undefined) {
    const [user, group] = file.owner;
    raw.i_mode = file.mode;
    raw.i_uid = user & 0xffff;
    raw.i_uid_high = user >>> 16;
    raw.i_gid = group & 0xffff;
    raw.i_gid_high = group >>> 16;
    raw.i_size_lo = file.size;
    raw.i_size_high = Math.floor(file.size / 2 ** 32);
    raw.i_atime = time;
    raw.i_ctime = time;
    raw.i_mtime = time;
    raw.i_links_count = file.links;
    raw.i_blocks_lo = file.blocks * (draft.blockSize / 512);
    drawMap(mem, raw, file);
    if (inodeSize > OLD_INODE_SIZE) {
      raw.i_extra_isize = EXTRA_SIZE;
      raw.i_crtime = time;
    }
  }
  if (!draft.sums) return;
  const sum = inodeSum(mem, draft.seed, number, at, inodeSize);
  raw.i_checksum_lo = sum & 0xffff;
  if (inodeSize > OLD_INODE_SIZE && raw.i_extra_isize !== 0) raw.i_checksum_hi = sum >>> 16;
}

/** A name of a directory, and the inode of the directory it names; 0: an entry that is free. */
export type Name = readonly [name: string, inode: number];

/** One block of a directory: the names, the last one up to the end or the checksum. */
export function drawDirectory(
  draft: Draft,
  owner: number,
  block: number,
  typed: boolean,
  names: readonly Name[],
): Piece {
  const { mem, blockSize } = draft;
  const start = draft.block();
  const end = start + blockSize - (draft.sums ? DirectoryTail.size : 0);
  let at = start;
  for (const [index, [name, inode]] of names.entries()) {
    const entry = DirectoryEntry.of(mem, at);
    const length = index === names.length - 1 ? end - at : entrySize(name.length);
    entry.inode = inode;
    entry.rec_len = length;
    entry.name_len = name.length;
    entry.file_type = inode === 0 || !typed ? FileType.unknown : FileType.directory;
    for (let i = 0; i < name.length; i++) mem.u8[at + DirectoryEntry.size + i] = name.charCodeAt(i);
    at += length;
  }
  if (draft.sums) {
    const tail = DirectoryTail.of(mem, end);
    tail.det_rec_len = DirectoryTail.size;
    tail.det_reserved_ft = TAIL_TYPE;
    tail.det_checksum = ownedSum(mem, draft.seed, owner, 0, start, end - start);
  }
  return draft.piece(block, start);
}

/** The first block of an empty journal: a jbd2 superblock of version 2, whose numbers are big-endian. */
export function drawJournal(draft: Draft, block: number, blocks: number, uuid: Uint8Array): Piece {
  const { mem } = draft;
  const start = draft.block();
  const words: [offset: number, value: number][] = [
    [0x00, 0xc03b3998], // h_magic
    [0x04, 4], // h_blocktype: superblock, version 2
    [0x0c, draft.blockSize], // s_blocksize
    [0x10, blocks], // s_maxlen
    [0x14, 1], // s_first: the log starts behind this block
    [0x18, 1], // s_sequence: the first transaction to expect
    [0x40, 1], // s_nr_users
  ];
  for (const [offset, value] of words) {
    for (let byte = 0; byte < 4; byte++) mem.u8[start + offset + byte] = value >>> (24 - 8 * byte);
  }
  mem.write(start + 0x30, uuid); // s_uuid
  return draft.piece(block, start);
}
