// Where raw inodes lie on the media, and whether they can be trusted.

import { bufferData, getBuffer, Kind, setKind, type Buffer } from "../buffer.ts";
import { badChecksum, damaged } from "../damage.ts";
import { getGroup, rawGroup, releaseGroup } from "../group.ts";
import { MAX_FILE_BLOCKS } from "../media/extent.ts";
import { Mode, OLD_INODE_SIZE, RawInode } from "../media/inode.ts";
import { hasWideSum, inodeSum } from "../media/sums.ts";
import { attributeBlockOf, canHoldAttributes } from "./attribute-block.ts";
import { BLOCK_SIZE, hasChecksums, mediaAddress, type SuperBlock } from "../super.ts";

/** The buffer with a raw inode, to be released; the number is one that the file system has. */
export function getInodeBlock(sb: SuperBlock, number: number): Buffer | number {
  const group = Math.floor((number - 1) / sb.inodesPerGroup);
  const descriptors = getGroup(sb, group);
  if (typeof descriptors === "number") return descriptors;
  const table = rawGroup(sb, descriptors, group).bg_inode_table_lo;
  releaseGroup(descriptors);
  const index = (number - 1) % sb.inodesPerGroup;
  const perBlock = sb.blockSize / sb.inodeSize;
  const buffer = getBuffer(sb, table + Math.floor(index / perBlock));
  if (typeof buffer !== "number") setKind(buffer, Kind.inodeTable, number - (index % perBlock));
  return buffer;
}

/** Where in that block the raw inode lies. */
export function inodeOffset(sb: SuperBlock, number: number): number {
  const index = (number - 1) % sb.inodesPerGroup;
  return (index % (sb.blockSize / sb.inodeSize)) * sb.inodeSize;
}

/** Checks a raw inode that has a name or is an orphan, in its block's buffer: 0, -EFSBADCRC or -EUCLEAN. */
export function checkRawInode(sb: SuperBlock, number: number, buffer: Buffer, orphan: boolean): number {
  const { mem } = sb;
  const raw = RawInode.of(mem, bufferData(buffer) + inodeOffset(sb, number));
  if (sb.inodeSize > OLD_INODE_SIZE && !extraSizeIsGood(sb, raw.i_extra_isize)) {
    return damaged(mem, "inodeExtra", number, raw.i_extra_isize);
  }
  // Bytes that differ from the media are ours, and get their checksum at commit.
  if (hasChecksums(sb) && isFromMedia(sb, buffer, raw) && !checksumIsGood(sb, number, raw)) {
    return badChecksum(mem, "inodeSum", number);
  }
  // The i_dtime of an orphan is the number of the next one.
  if (orphan && (raw.i_dtime > sb.inodeCount || raw.i_mode === 0)) return damaged(mem, "orphan", number);
  if (!orphan && (raw.i_links_count === 0 || raw.i_mode === 0)) return damaged(mem, "freedInode", number);
  const attributes = attributeBlockOf(raw);
  if (attributes !== 0 && !canHoldAttributes(sb, attributes)) {
    return damaged(mem, "attributes", number, attributes);
  }
  const size = raw.i_size_high * 2 ** 32 + raw.i_size_lo;
  return size <= largestSize(sb, raw.i_mode) ? 0 : damaged(mem, "inodeSize", number, size);
}

/** Directories are looked through block by block, and have no holes: they are no larger than the media. */
function largestSize(sb: SuperBlock, mode: number): number {
  return ((mode & Mode.type) === Mode.directory ? sb.blockCount : MAX_FILE_BLOCKS) * BLOCK_SIZE;
}

function extraSizeIsGood(sb: SuperBlock, size: number): boolean {
  return size <= sb.inodeSize - OLD_INODE_SIZE && (size & 3) === 0;
}

function isFromMedia(sb: SuperBlock, buffer: Buffer, raw: RawInode): boolean {
  const { u32 } = sb.mem;
  const here = raw.at >>> 2;
  const there = (mediaAddress(sb, buffer.block) + raw.at - bufferData(buffer)) >>> 2;
  for (let word = 0; word < sb.inodeSize >>> 2; word++) {
    if (u32[here + word] !== u32[there + word]) return false;
  }
  return true;
}

function checksumIsGood(sb: SuperBlock, number: number, raw: RawInode): boolean {
  const sum = inodeSum(sb.mem, sb.csumSeed, number, raw.at, sb.inodeSize);
  if (raw.i_checksum_lo !== (sum & 0xffff)) return false;
  return !hasWideSum(sb.mem, raw.at, sb.inodeSize) || raw.i_checksum_hi === sum >>> 16;
}
