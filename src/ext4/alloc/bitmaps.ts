// The bitmaps of a group: read, verified once, or made when the group was never used.
//
// mke2fs leaves the bitmaps of empty groups unwritten and says so in the descriptor; such a bitmap follows from the
// layout.  It stays so on media until the first allocation in the group.
//
// Every allocation asks for one, so those of the groups used last are kept: a table has the reference to each, a word for
// each remainder of the groups' numbers.  Who asks gets a bitmap without a reference of his own: it stays while the
// group is open.
//
// Lock: the group's, which callers have.

import { allocate, Root, rootView, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { touch } from "../../machine/snapshot.ts";
import { bytes, struct, type ViewOf } from "../../machine/struct.ts";
import {
  bufferAt,
  getBuffer,
  isVerified,
  Kind,
  releaseBuffer,
  setKind,
  setVerified,
  type Buffer,
} from "../buffer.ts";
import { badChecksum, damaged } from "../damage.ts";
import { baseBlocks, blocksOf, firstBlockOf, groupFlag, tableBlocks } from "../group.ts";
import { crc32c } from "../media/checksum.ts";
import { GROUP_BLOCK_UNINIT, GROUP_INODE_UNINIT, RawGroup } from "../media/group.ts";
import { BLOCK_SIZE, hasChecksums, type SuperBlock } from "../super.ts";
import { allBits, setBits } from "./bits.ts";
import { GROUP_LOCKS, type OpenGroup } from "./open-group.ts";

const BITS = BLOCK_SIZE * 8;

/** So many groups have their bitmaps kept: a power of two. */
const KEPT = 4 * GROUP_LOCKS;

const KeptBitmaps = struct("kept_bitmaps", {
  blocks: bytes(4 * KEPT, 4), // the buffers' addresses
  inodes: bytes(4 * KEPT, 4),
});

/** At boot. */
export function initBitmaps(mem: Memory): void {
  setRoot(mem, Root.bitmaps, allocate(mem, KeptBitmaps));
}

const keptBitmaps = (mem: Memory): ViewOf<typeof KeptBitmaps> => rootView(mem, Root.bitmaps, KeptBitmaps);

/** Keeps none any more.  At unmount. */
export function dropBitmaps({ mem }: SuperBlock): void {
  const first = keptBitmaps(mem).at >>> 2;
  for (let word = first; word < first + KeptBitmaps.size / 4; word++) keep(mem, word, undefined);
}

/** The bitmap of a group that a word of the table holds. */
function kept(mem: Memory, word: number, group: number): Buffer | undefined {
  const at = mem.u32[word] as number;
  if (at === 0) return undefined;
  const bitmap = bufferAt(mem, at);
  return bitmap.owner === group ? bitmap : undefined;
}

/** Puts a held bitmap into a word of the table, in the place of what was there. */
function keep(mem: Memory, word: number, bitmap: Buffer | undefined): void {
  const before = mem.u32[word] as number;
  if (before !== 0) releaseBuffer(bufferAt(mem, before));
  mem.u32[word] = bitmap?.at ?? 0;
}

/** The block bitmap of a group; -EFSBADCRC or -EUCLEAN when it is damaged. */
export function getBlockBitmap({ sb, number, raw }: OpenGroup): Buffer | number {
  const word = (keptBitmaps(sb.mem).blocks >>> 2) + (number & (KEPT - 1));
  const known = kept(sb.mem, word, number);
  if (known !== undefined) return known;
  const bitmap = readBlockBitmap(sb, number, raw);
  if (typeof bitmap !== "number") keep(sb.mem, word, bitmap);
  return bitmap;
}

/** The inode bitmap of a group; -EFSBADCRC when it is damaged. */
export function getInodeBitmap({ sb, number, raw }: OpenGroup): Buffer | number {
  const word = (keptBitmaps(sb.mem).inodes >>> 2) + (number & (KEPT - 1));
  const known = kept(sb.mem, word, number);
  if (known !== undefined) return known;
  const bitmap = readInodeBitmap(sb, number, raw);
  if (typeof bitmap !== "number") keep(sb.mem, word, bitmap);
  return bitmap;
}

function readBlockBitmap(sb: SuperBlock, group: number, raw: RawGroup): Buffer | number {
  const bitmap = getBuffer(sb, raw.bg_block_bitmap_lo);
  if (typeof bitmap === "number" || isVerified(bitmap)) return bitmap;
  setKind(bitmap, Kind.blockBitmap, group);
  if (groupFlag(sb, raw, GROUP_BLOCK_UNINIT)) makeBlockBitmap(sb, group, raw, bitmap);
  else {
    const wrong = checkBlockBitmap(sb, group, raw, bitmap);
    if (wrong < 0) return refuse(bitmap, wrong);
  }
  setVerified(bitmap);
  return bitmap;
}

function readInodeBitmap(sb: SuperBlock, group: number, raw: RawGroup): Buffer | number {
  const bitmap = getBuffer(sb, raw.bg_inode_bitmap_lo);
  if (typeof bitmap === "number" || isVerified(bitmap)) return bitmap;
  setKind(bitmap, Kind.inodeBitmap, group);
  if (groupFlag(sb, raw, GROUP_INODE_UNINIT)) {
    touch(sb.mem, bitmap.data, BLOCK_SIZE);
    sb.mem.fill(bitmap.data, 0, BLOCK_SIZE);
    setBits(sb.mem, bitmap.data, 1, sb.inodesPerGroup, BITS);
  } else if (!sumFits(sb, bitmap, sb.inodesPerGroup, raw.bg_inode_bitmap_csum_lo, wideInodeSum(sb, raw))) {
    return refuse(bitmap, badChecksum(sb.mem, "inodeBitmapSum", group));
  }
  setVerified(bitmap);
  return bitmap;
}

function refuse(bitmap: Buffer, errno: number): number {
  releaseBuffer(bitmap);
  return errno;
}

const isWide = (sb: SuperBlock): boolean => sb.descriptorSize >= RawGroup.size;
const wideBlockSum = (sb: SuperBlock, raw: RawGroup): number =>
  isWide(sb) ? raw.bg_block_bitmap_csum_hi : -1;
const wideInodeSum = (sb: SuperBlock, raw: RawGroup): number =>
  isWide(sb) ? raw.bg_inode_bitmap_csum_hi : -1;

/** `high` is -1 where a descriptor has no room for it. */
function sumFits(sb: SuperBlock, bitmap: Buffer, bits: number, low: number, high: number): boolean {
  if (!hasChecksums(sb)) return true;
  const sum = crc32c(sb.mem, sb.csumSeed, bitmap.data, bits >>> 3);
  return (sum & 0xffff) === low && (high === -1 || sum >>> 16 === high);
}

interface Range {
  from: number;
  to: number;
}

/** The bits of the group's own structures, as far as they lie in it. */
function ownRanges(sb: SuperBlock, group: number, raw: RawGroup): Range[] {
  const first = firstBlockOf(sb, group);
  const size = blocksOf(sb, group);
  const places = [
    { start: first, length: baseBlocks(sb, group) },
    { start: raw.bg_block_bitmap_lo, length: 1 },
    { start: raw.bg_inode_bitmap_lo, length: 1 },
    { start: raw.bg_inode_table_lo, length: tableBlocks(sb) },
  ];
  return places
    .map(({ start, length }) => ({
      from: Math.max(0, start - first),
      to: Math.min(size, start + length - first),
    }))
    .filter(({ from, to }) => from < to);
}

// kernel: ext4_init_block_bitmap
function makeBlockBitmap(sb: SuperBlock, group: number, raw: RawGroup, bitmap: Buffer): void {
  touch(sb.mem, bitmap.data, BLOCK_SIZE);
  sb.mem.fill(bitmap.data, 0, BLOCK_SIZE);
  for (const { from, to } of ownRanges(sb, group, raw)) setBits(sb.mem, bitmap.data, 1, from, to);
  setBits(sb.mem, bitmap.data, 1, blocksOf(sb, group), BITS);
}

/** A bitmap that calls the group's own structures free would have them overwritten.  kernel: ext4_valid_block_bitmap */
function checkBlockBitmap(sb: SuperBlock, group: number, raw: RawGroup, bitmap: Buffer): number {
  if (!sumFits(sb, bitmap, sb.blocksPerGroup, raw.bg_block_bitmap_csum_lo, wideBlockSum(sb, raw))) {
    return badChecksum(sb.mem, "blockBitmapSum", group);
  }
  for (const { from, to } of ownRanges(sb, group, raw)) {
    if (!allBits(sb.mem, bitmap.data, 1, from, to)) return damaged(sb.mem, "blockBitmap", group);
  }
  return 0;
}
