// Group descriptors: where they lie, and their fields.  Mount has checked every block number in them.

import { assert } from "../machine/errors.ts";
import { allocate, Root, rootView, setRoot } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { bytes, struct, u32, type ViewOf } from "../machine/struct.ts";
import { allBits, setBits } from "./alloc/bits.ts";
import { bufferAt, bufferData, getBuffer, Kind, releaseBuffer, setKind, type Buffer } from "./buffer.ts";
import { BLOCK_SHIFT, BLOCK_SIZE, hasGroupChecksums, type SuperBlock } from "./super.ts";
import { Compat, ReadOnlyCompat } from "./media/features.ts";
import { isSparse, RawGroup } from "./media/group.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "./media/superblock.ts";

/** So many blocks of descriptors there are at most: with more, they would not fit a group of so small ones. */
const MAX_DESCRIPTOR_BLOCKS = 512;

const HeldGroups = struct("held_groups", {
  held: u32, // 1: the table is filled in, and each buffer has a reference
  buffers: bytes(4 * MAX_DESCRIPTOR_BLOCKS, 4),
});

/** At boot. */
export function initGroups(mem: Memory): void {
  setRoot(mem, Root.groups, allocate(mem, HeldGroups));
}

const heldGroups = (mem: Memory): ViewOf<typeof HeldGroups> => rootView(mem, Root.groups, HeldGroups);

/** Keeps all descriptors in memory, while the file system is mounted.  Returns 0.  kernel: s_group_desc */
export function holdGroups(sb: SuperBlock): number {
  const groups = heldGroups(sb.mem);
  assert(sb.descriptorBlocks <= MAX_DESCRIPTOR_BLOCKS, "a group has room for all descriptors");
  for (let index = 0; index < sb.descriptorBlocks; index++) {
    const buffer = getBuffer(sb, sb.firstDataBlock + 1 + index);
    if (typeof buffer === "number") {
      releaseGroups(sb, index);
      return buffer;
    }
    setKind(buffer, Kind.groupDescriptors);
    sb.mem.u32[(groups.buffers >>> 2) + index] = buffer.at;
  }
  groups.held = 1;
  return 0;
}

/** Lets go of them. */
export function dropGroups(sb: SuperBlock): void {
  const groups = heldGroups(sb.mem);
  if (groups.held === 0) return;
  groups.held = 0;
  releaseGroups(sb, sb.descriptorBlocks);
}

function releaseGroups({ mem }: SuperBlock, count: number): void {
  const { buffers } = heldGroups(mem);
  for (let index = 0; index < count; index++) {
    releaseBuffer(bufferAt(mem, mem.u32[(buffers >>> 2) + index] as number));
    mem.u32[(buffers >>> 2) + index] = 0;
  }
}

/** The buffer with a group's descriptor; give it back with `releaseGroup`. */
export function getGroup(sb: SuperBlock, group: number): Buffer | number {
  const { mem } = sb;
  const index = (group * sb.descriptorSize) >>> BLOCK_SHIFT; // descriptors have a power of two of bytes
  const { held, buffers } = heldGroups(mem);
  if (held !== 0) return bufferAt(mem, mem.u32[(buffers >>> 2) + index] as number);
  const buffer = getBuffer(sb, sb.firstDataBlock + 1 + index);
  if (typeof buffer !== "number") setKind(buffer, Kind.groupDescriptors);
  return buffer;
}

export function releaseGroup(buffer: Buffer): void {
  if (heldGroups(buffer.mem).held === 0) releaseBuffer(buffer);
}

/** The descriptor in the buffer that `getGroup` gave.  Its wide half is there only with 64 bytes and more. */
export function rawGroup(sb: SuperBlock, buffer: Buffer, group: number): RawGroup {
  return RawGroup.of(sb.mem, bufferData(buffer) + ((group * sb.descriptorSize) & (BLOCK_SIZE - 1)));
}

export function firstBlockOf(sb: SuperBlock, group: number): number {
  return sb.firstDataBlock + group * sb.blocksPerGroup;
}

/** The group that a block lies in. */
export const groupAt = (sb: SuperBlock, block: number): number =>
  Math.floor((block - sb.firstDataBlock) / sb.blocksPerGroup);

/** Blocks of a group; the last one may be short. */
export function blocksOf(sb: SuperBlock, group: number): number {
  return Math.min(sb.blocksPerGroup, sb.blockCount - firstBlockOf(sb, group));
}

/** Blocks that an inode table takes. */
export function tableBlocks(sb: SuperBlock): number {
  return Math.ceil((sb.inodesPerGroup * sb.inodeSize) / sb.blockSize);
}

/** Whether a group starts with a copy of the superblock and the descriptors. */
function hasSuperBlock(sb: SuperBlock, group: number): boolean {
  if (group === 0) return true;
  if ((sb.featureCompat & Compat.sparse_super2) !== 0) {
    const raw =
      bufferAt(sb.mem, sb.superBuffer).data + SUPERBLOCK_OFFSET + RawSuperBlock.offset("s_backup_bgs");
    return sb.mem.u32[raw >>> 2] === group || sb.mem.u32[(raw >>> 2) + 1] === group;
  }
  return (sb.featureReadOnly & ReadOnlyCompat.sparse_super) === 0 || isSparse(group);
}

/** Blocks at the start of a group that superblock, descriptors and their reserve take. */
export function baseBlocks(sb: SuperBlock, group: number): number {
  return hasSuperBlock(sb, group) ? 1 + sb.descriptorBlocks + sb.reservedDescriptorBlocks : 0;
}

/** Whether a group's flag counts: without checksums the flags mean nothing. */
export function groupFlag(sb: SuperBlock, raw: RawGroup, flag: number): boolean {
  return hasGroupChecksums(sb) && (raw.bg_flags & flag) !== 0;
}

/** Whether any of the blocks holds a structure of the file system's own.  kernel: ext4_sb_block_valid */
export function overlapsMetadata(sb: SuperBlock, start: number, count: number): boolean {
  return !allBits(sb.mem, sb.ownBlocksAt, 0, start, start + count);
}

/** Says that blocks hold a structure of the file system's own: false when another one lies there.  At mount. */
export function claimOwnBlocks(sb: SuperBlock, start: number, count: number): boolean {
  const free = !overlapsMetadata(sb, start, count);
  setBits(sb.mem, sb.ownBlocksAt, 1, start, start + count);
  return free;
}
