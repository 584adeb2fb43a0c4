// Checksums at commit: each is computed once for a block, however often the block changed before.
//
// In a block of many (inodes, group descriptors) only those count that differ from media: a damaged
// neighbour must not become valid by our writing next to it.

import { assert, bug } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import { touch } from "../../machine/snapshot.ts";
import { bufferAt, Kind, type Buffer } from "../buffer.ts";
import { getGroup, rawGroup, releaseGroup } from "../group.ts";
import { AttributeHeader } from "../media/attributes.ts";
import { crc32c } from "../media/checksum.ts";
import {
  DirectoryTail,
  HashCountLimit,
  hashEntriesAt,
  HashEntry,
  HashTail,
  TAIL_TYPE,
} from "../media/directory.ts";
import { blockEntries, ENTRY_SIZE, ExtentHeader, ExtentTail, maxEntries } from "../media/extent.ts";
import { RawGroup } from "../media/group.ts";
import { OLD_INODE_SIZE, RawInode } from "../media/inode.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import {
  attributeSum,
  groupSum,
  groupSum16,
  hashNodeSum,
  hasWideSum,
  inodeSum,
  ownedSum,
  superBlockSum,
} from "../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, hasGroupChecksums, mediaAddress, type SuperBlock } from "../super.ts";

/** Whether a block's checksum lies in another block, which must be sealed after it. */
export function sealsElsewhere(buffer: Buffer): boolean {
  return buffer.kind === Kind.blockBitmap || buffer.kind === Kind.inodeBitmap;
}

/** Puts the right checksums into a dirty buffer (a bitmap's: into its group's descriptor, dirty as well). */
export function seal(sb: SuperBlock, buffer: Buffer): void {
  touch(sb.mem, buffer.data, BLOCK_SIZE);
  if (buffer.kind === Kind.groupDescriptors) return sealGroups(sb, buffer);
  if (!hasChecksums(sb)) return undefined;
  switch (buffer.kind) {
    case Kind.superblock:
      return sealSuperBlock(sb.mem, buffer);
    case Kind.blockBitmap:
      return sealBitmap(sb, buffer, "block");
    case Kind.inodeBitmap:
      return sealBitmap(sb, buffer, "inode");
    case Kind.inodeTable:
      return sealInodes(sb, buffer);
    case Kind.extentNode:
      return sealExtentNode(sb, buffer);
    case Kind.directory:
      return sealDirectory(sb, buffer);
    case Kind.hashNode:
      return sealHashNode(sb, buffer);
    case Kind.attributes:
      return sealAttributes(sb, buffer);
    default:
      return undefined;
  }
}

function sealSuperBlock(mem: Memory, buffer: Buffer): void {
  const at = buffer.data + SUPERBLOCK_OFFSET;
  mem.u32[(at + RawSuperBlock.offset("s_checksum")) >>> 2] = superBlockSum(mem, at);
}

function sealBitmap(sb: SuperBlock, bitmap: Buffer, of: "block" | "inode"): void {
  const bits = of === "block" ? sb.blocksPerGroup : sb.inodesPerGroup;
  const sum = crc32c(sb.mem, sb.csumSeed, bitmap.data, bits >>> 3);
  const descriptors = getGroup(sb, bitmap.owner);
  if (typeof descriptors === "number") bug(`group ${bitmap.owner} of a dirty bitmap cannot be read`);
  touch(sb.mem, descriptors.data, BLOCK_SIZE);
  const raw = rawGroup(sb, descriptors, bitmap.owner);
  const wide = sb.descriptorSize >= RawGroup.size;
  if (of === "block") {
    raw.bg_block_bitmap_csum_lo = sum & 0xffff;
    if (wide) raw.bg_block_bitmap_csum_hi = sum >>> 16;
  } else {
    raw.bg_inode_bitmap_csum_lo = sum & 0xffff;
    if (wide) raw.bg_inode_bitmap_csum_hi = sum >>> 16;
  }
  releaseGroup(descriptors);
}

/** Whether bytes of a buffer differ from media; the range is made of whole words. */
function changed(sb: SuperBlock, buffer: Buffer, offset: number, length: number): boolean {
  const { u32 } = sb.mem;
  const here = (buffer.data + offset) >>> 2;
  const there = (mediaAddress(sb, buffer.block) + offset) >>> 2;
  for (let word = 0; word < length >>> 2; word++) {
    if (u32[here + word] !== u32[there + word]) return true;
  }
  return false;
}

function sealGroups(sb: SuperBlock, buffer: Buffer): void {
  if (!hasGroupChecksums(sb)) return;
  const { mem, descriptorSize: size } = sb;
  const first = (buffer.block - sb.firstDataBlock - 1) * (BLOCK_SIZE / size);
  const uuidAt = bufferAt(mem, sb.superBuffer).data + SUPERBLOCK_OFFSET + RawSuperBlock.offset("s_uuid");
  const last = Math.min(sb.groupCount, first + BLOCK_SIZE / size) - 1;
  for (let group = first; group <= last; group++) {
    const offset = (group - first) * size;
    if (!changed(sb, buffer, offset, size)) continue;
    const at = buffer.data + offset;
    mem.u16[(at + RawGroup.offset("bg_checksum")) >>> 1] = hasChecksums(sb)
      ? groupSum(mem, sb.csumSeed, group, at, size)
      : groupSum16(mem, uuidAt, group, at, size);
  }
}

function sealInodes(sb: SuperBlock, buffer: Buffer): void {
  const { mem, inodeSize } = sb;
  for (let offset = 0; offset < BLOCK_SIZE; offset += inodeSize) {
    if (!changed(sb, buffer, offset, inodeSize)) continue;
    const at = buffer.data + offset;
    const sum = inodeSum(mem, sb.csumSeed, buffer.owner + offset / inodeSize, at, inodeSize);
    mem.u16[(at + RawInode.offset("i_checksum_lo")) >>> 1] = sum & 0xffff;
    if (inodeSize > OLD_INODE_SIZE && hasWideSum(mem, at, inodeSize)) {
      mem.u16[(at + RawInode.offset("i_checksum_hi")) >>> 1] = sum >>> 16;
    }
  }
}

function sealExtentNode(sb: SuperBlock, buffer: Buffer): void {
  const { mem } = sb;
  const entries = maxEntries(mem, buffer.data);
  assert(entries <= blockEntries(BLOCK_SIZE), "an extent node's entries fit its block");
  const length = ExtentHeader.size + entries * ENTRY_SIZE;
  const sum = ownedSum(mem, sb.csumSeed, buffer.owner, buffer.generation, buffer.data, length);
  mem.u32[(buffer.data + length + ExtentTail.offset("et_checksum")) >>> 2] = sum;
}

function sealDirectory(sb: SuperBlock, buffer: Buffer): void {
  const { mem } = sb;
  const length = BLOCK_SIZE - DirectoryTail.size;
  const tail = DirectoryTail.of(mem, buffer.data + length);
  assert(
    tail.det_reserved_zero1 === 0 &&
      tail.det_rec_len === DirectoryTail.size &&
      tail.det_reserved_ft === TAIL_TYPE,
    "a directory block ends in a place for its checksum",
  );
  tail.det_checksum = ownedSum(mem, sb.csumSeed, buffer.owner, buffer.generation, buffer.data, length);
}

function sealHashNode(sb: SuperBlock, { mem, data, owner, generation }: Buffer): void {
  const entriesAt = hashEntriesAt(mem, data);
  const tailAt = entriesAt + HashCountLimit.of(mem, entriesAt).limit * HashEntry.size;
  HashTail.of(mem, tailAt).dt_checksum = hashNodeSum(mem, sb.csumSeed, owner, generation, data);
}

function sealAttributes(sb: SuperBlock, { mem, data, block }: Buffer): void {
  AttributeHeader.of(mem, data).h_checksum = attributeSum(mem, sb.csumSeed, block, data);
}
