// Extent trees as they lie on the media: a node is a header and up to eh_max entries of twelve bytes,
// sorted by their first file block.
//
//   eh_depth = 0   entries are extents: runs of media blocks
//   eh_depth > 0   entries are indexes: each names the block of a node one level down
//
// The root lies in the inode (i_block, four entries); the other nodes fill a block and end in a checksum.
// A node is known by its address.  Trees are walked millions of times a second, so entries are read and
// written by the small functions below, not through a view each.  Nothing here checks what it reads:
// extents/check.ts does, once, when a node comes from the media.

import type { Memory } from "../../machine/memory.ts";
import { struct, u16, u32 } from "../../machine/struct.ts";

export const ExtentHeader = struct(
  "ext4_extent_header",
  { eh_magic: u16, eh_entries: u16, eh_max: u16, eh_depth: u16, eh_generation: u32 },
  { size: 12 },
);

const ExtentRecord = struct(
  "ext4_extent",
  {
    ee_block: u32, // first file block
    ee_len: u16, // blocks; above 32768 the extent is unwritten and has ee_len - 32768
    ee_start_hi: u16,
    ee_start_lo: u32,
  },
  { size: 12 },
);

const ExtentIndex = struct(
  "ext4_extent_idx",
  {
    ei_block: u32, // the subtree covers file blocks from here on
    ei_leaf_lo: u32, // the block of the node below
    ei_leaf_hi: u16,
    ei_unused: u16,
  },
  { size: 12 },
);

/** In a block, after the last possible entry. */
export const ExtentTail = struct("ext4_extent_tail", { et_checksum: u32 }, { size: 4 });

export const EXTENT_MAGIC = 0xf30a;
export const ENTRY_SIZE = 12;
/** Levels below the root, at most. */
export const MAX_DEPTH = 5;
/** Entries of the root, in the inode's 60 bytes. */
export const ROOT_ENTRIES = 4;
/** Blocks of a written extent, at most. */
export const MAX_WRITTEN = 32768;
/** Blocks of an unwritten extent, at most. */
export const MAX_UNWRITTEN = 32767;
/** File blocks are numbered below this. */
export const MAX_FILE_BLOCKS = 0xffff_ffff;

/** Entries of a node that fills a block. */
export function blockEntries(blockSize: number): number {
  return Math.floor((blockSize - ExtentHeader.size) / ENTRY_SIZE);
}

const ENTRIES = ExtentHeader.offset("eh_entries");
const MAX = ExtentHeader.offset("eh_max");
const DEPTH = ExtentHeader.offset("eh_depth");
const GENERATION = ExtentHeader.offset("eh_generation");
export const EXTENT_LENGTH = ExtentRecord.offset("ee_len");
export const EXTENT_MEDIA_HIGH = ExtentRecord.offset("ee_start_hi");
export const EXTENT_MEDIA_LOW = ExtentRecord.offset("ee_start_lo");
const LEAF_LOW = ExtentIndex.offset("ei_leaf_lo");
const LEAF_HIGH = ExtentIndex.offset("ei_leaf_hi");
const UNUSED = ExtentIndex.offset("ei_unused");

const read16 = (mem: Memory, at: number): number => mem.u16[at >>> 1] as number;
const read32 = (mem: Memory, at: number): number => mem.u32[at >>> 2] as number;

/** 48 bits.  Without the upper ones it stays an integer for the compiler, which keeps doubles on the heap. */
const wide = (high: number, low: number): number => (high === 0 ? low : high * 2 ** 32 + low);

export function initNode(mem: Memory, node: number, max: number, depth: number): void {
  mem.u16[node >>> 1] = EXTENT_MAGIC;
  mem.u16[(node + ENTRIES) >>> 1] = 0;
  mem.u16[(node + MAX) >>> 1] = max;
  mem.u16[(node + DEPTH) >>> 1] = depth;
  mem.u32[(node + GENERATION) >>> 2] = 0;
}

export function nodeMagic(mem: Memory, node: number): number {
  return read16(mem, node);
}

export function entryCount(mem: Memory, node: number): number {
  return read16(mem, node + ENTRIES);
}

export function setEntryCount(mem: Memory, node: number, count: number): void {
  mem.u16[(node + ENTRIES) >>> 1] = count;
}

export function maxEntries(mem: Memory, node: number): number {
  return read16(mem, node + MAX);
}

export function nodeDepth(mem: Memory, node: number): number {
  return read16(mem, node + DEPTH);
}

/** The address of an entry. */
export function entryAt(node: number, index: number): number {
  return node + ExtentHeader.size + index * ENTRY_SIZE;
}

/** The first file block of an entry, extent or index. */
export function entryBlock(mem: Memory, node: number, index: number): number {
  return read32(mem, entryAt(node, index));
}

export function setEntryBlock(mem: Memory, node: number, index: number, block: number): void {
  mem.u32[entryAt(node, index) >>> 2] = block;
}

/** Blocks of an extent, written or not; 0 in a damaged one. */
export function extentLength(mem: Memory, node: number, index: number): number {
  const raw = read16(mem, entryAt(node, index) + EXTENT_LENGTH);
  return raw <= MAX_WRITTEN ? raw : raw - MAX_WRITTEN;
}

export function setExtentLength(
  mem: Memory,
  node: number,
  index: number,
  length: number,
  unwritten: boolean,
): void {
  mem.u16[(entryAt(node, index) + EXTENT_LENGTH) >>> 1] = unwritten ? length + MAX_WRITTEN : length;
}

/** The first media block of an extent. */
export function extentMedia(mem: Memory, node: number, index: number): number {
  const at = entryAt(node, index);
  return wide(read16(mem, at + EXTENT_MEDIA_HIGH), read32(mem, at + EXTENT_MEDIA_LOW));
}

export function setExtentMedia(mem: Memory, node: number, index: number, media: number): void {
  const at = entryAt(node, index);
  mem.u16[(at + EXTENT_MEDIA_HIGH) >>> 1] = Math.floor(media / 2 ** 32);
  mem.u32[(at + EXTENT_MEDIA_LOW) >>> 2] = media;
}

/** The media block of the node below an index. */
export function indexChild(mem: Memory, node: number, index: number): number {
  const at = entryAt(node, index);
  return wide(read16(mem, at + LEAF_HIGH), read32(mem, at + LEAF_LOW));
}

export function setIndex(mem: Memory, node: number, index: number, block: number, child: number): void {
  const at = entryAt(node, index);
  mem.u32[at >>> 2] = block;
  mem.u32[(at + LEAF_LOW) >>> 2] = child;
  mem.u16[(at + LEAF_HIGH) >>> 1] = Math.floor(child / 2 ** 32);
  mem.u16[(at + UNUSED) >>> 1] = 0;
}
