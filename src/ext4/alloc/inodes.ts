// The inode allocator: the first free inode of the parent's group, else of the next group that has one.  Directories in
// the root go to one group after the other, and what is made in them follows: tasks that work in different ones do not
// meet.  (With mballoc all is as in Linux, where that is so only beyond the first 16 groups.)
// What the inode's bytes are is the caller's business: they hold whatever an older inode left.
//
// Lock: each group's in turn, taken here; inside a handle.   kernel: ext4_new_inode, ext4_free_inode

import { Errno } from "../../machine/errors.ts";
import { damaged } from "../damage.ts";
import { groupFlag } from "../group.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { GROUP_BLOCK_UNINIT, GROUP_INODE_UNINIT } from "../media/group.ts";
import { ROOT_INODE } from "../media/inode.ts";
import { hasGroupChecksums, type SuperBlock } from "../super.ts";
import { getBlockBitmap, getInodeBitmap } from "./bitmaps.ts";
import { allBits, nextBit, setBits } from "./bits.ts";
import {
  addFreeInodes,
  closeGroup,
  freeBlockCount,
  freeInodeCount,
  openGroup,
  type OpenGroup,
} from "./open-group.ts";

/** Credits of one `allocateInode`: both bitmaps and the descriptor.  `freeInode` needs no more. */
export const INODE_CREDITS = 3;

const groupOf = (sb: SuperBlock, inode: number): number => Math.floor((inode - 1) / sb.inodesPerGroup);

/** The group in which to look first. */
function homeOf(sb: SuperBlock, parent: number, isDirectory: boolean): number {
  const near = groupOf(sb, parent);
  return isDirectory && parent === ROOT_INODE && sb.mballoc === 0 ? nextRoomy(sb, near) : near;
}

/** The next group behind the one that the last directory in the root got, if it has room; else `near`. */
function nextRoomy(sb: SuperBlock, near: number): number {
  for (let turn = 1; turn < sb.groupCount; turn++) {
    const number = (sb.directoryGroup + turn) % sb.groupCount;
    if (!isRoomy(sb, number)) continue;
    sb.directoryGroup = number;
    return number;
  }
  return near;
}

/** Whether a group has three quarters of what a group has free on average, or more.  kernel: find_group_orlov */
function isRoomy(sb: SuperBlock, number: number): boolean {
  const group = openGroup(sb, number);
  if (typeof group === "number") return false;
  const { bg_free_blocks_count_lo: blocks, bg_free_inodes_count_lo: inodes } = group.raw;
  closeGroup(group);
  const share = 0.75 / sb.groupCount;
  return blocks >= share * freeBlockCount(sb) && inodes >= share * freeInodeCount(sb);
}

/** Allocates an inode's number, near its parent.  -ENOSPC when all are in use. */
export function allocateInode(handle: Handle, sb: SuperBlock, parent: number, isDirectory: boolean): number {
  let result: number = -Errno.ENOSPC;
  const home = homeOf(sb, parent, isDirectory);
  for (let turn = 0; turn < sb.groupCount && result === -Errno.ENOSPC; turn++) {
    const group = openGroup(sb, (home + turn) % sb.groupCount);
    if (typeof group === "number") return group;
    result = take(handle, group, isDirectory);
    closeGroup(group);
  }
  return result;
}

function take(handle: Handle, group: OpenGroup, isDirectory: boolean): number {
  const { sb, number, descriptors, raw } = group;
  if (raw.bg_free_inodes_count_lo === 0) return -Errno.ENOSPC;
  const bitmap = getInodeBitmap(group);
  if (typeof bitmap === "number") return bitmap;
  // Where a group has less than eleven inodes, those that are reserved reach into the next one.
  const reserved = Math.max(0, sb.firstInode - 1 - number * sb.inodesPerGroup);
  const first = Math.min(reserved, sb.inodesPerGroup);
  const index = nextBit(sb.mem, bitmap.data, 0, first, sb.inodesPerGroup);
  if (index === sb.inodesPerGroup) return -Errno.ENOSPC;
  const result = startBlocks(handle, group);
  if (result < 0) return result;
  getWriteAccess(handle, bitmap);
  setBits(sb.mem, bitmap.data, 1, index, index + 1);
  dirtyMetadata(handle, bitmap);
  getWriteAccess(handle, descriptors);
  if (hasGroupChecksums(sb)) {
    // An uninitialised table counts as unused to its end, whatever the descriptor says.
    const unused = groupFlag(sb, raw, GROUP_INODE_UNINIT) ? sb.inodesPerGroup : raw.bg_itable_unused_lo;
    raw.bg_itable_unused_lo = Math.min(unused, sb.inodesPerGroup - index - 1);
    raw.bg_flags &= ~(GROUP_INODE_UNINIT | GROUP_BLOCK_UNINIT);
  }
  raw.bg_free_inodes_count_lo -= 1;
  if (isDirectory) raw.bg_used_dirs_count_lo += 1;
  dirtyMetadata(handle, descriptors);
  addFreeInodes(group, -1);
  return number * sb.inodesPerGroup + index + 1;
}

/** A group with inodes in use has a block bitmap on media, as the kernel has it. */
function startBlocks(handle: Handle, group: OpenGroup): number {
  if (!groupFlag(group.sb, group.raw, GROUP_BLOCK_UNINIT)) return 0;
  const blocks = getBlockBitmap(group);
  if (typeof blocks === "number") return blocks;
  getWriteAccess(handle, blocks);
  dirtyMetadata(handle, blocks);
  return 0;
}

/** Whether a number can be of a file and is in use: 1 or 0, or the error of reading its bitmap. */
export function inodeInUse(sb: SuperBlock, inode: number): number {
  if (!(inode >= sb.firstInode && inode <= sb.inodeCount)) return 0;
  const group = openGroup(sb, groupOf(sb, inode));
  if (typeof group === "number") return group;
  const bitmap = getInodeBitmap(group);
  const index = (inode - 1) % sb.inodesPerGroup;
  const used =
    typeof bitmap === "number" ? bitmap : Number(allBits(sb.mem, bitmap.data, 1, index, index + 1));
  closeGroup(group);
  return used;
}

/** Frees an inode's number.  -EUCLEAN when it is out of range, reserved or free already. */
export function freeInode(handle: Handle, sb: SuperBlock, inode: number, isDirectory: boolean): number {
  if (!(inode >= sb.firstInode && inode <= sb.inodeCount)) {
    return damaged(sb.mem, "reservedInode", inode);
  }
  const group = openGroup(sb, groupOf(sb, inode));
  if (typeof group === "number") return group;
  const result = release(handle, group, (inode - 1) % sb.inodesPerGroup, isDirectory);
  closeGroup(group);
  return result;
}

function release(handle: Handle, group: OpenGroup, index: number, isDirectory: boolean): number {
  const { sb, number, descriptors, raw } = group;
  const bitmap = getInodeBitmap(group);
  if (typeof bitmap === "number") return bitmap;
  const wrong =
    !allBits(sb.mem, bitmap.data, 1, index, index + 1) || raw.bg_free_inodes_count_lo >= sb.inodesPerGroup;
  if (wrong) return damaged(sb.mem, "freeInodes", number);
  getWriteAccess(handle, bitmap);
  setBits(sb.mem, bitmap.data, 0, index, index + 1);
  dirtyMetadata(handle, bitmap);
  getWriteAccess(handle, descriptors);
  raw.bg_free_inodes_count_lo += 1;
  if (isDirectory && raw.bg_used_dirs_count_lo > 0) raw.bg_used_dirs_count_lo -= 1;
  dirtyMetadata(handle, descriptors);
  addFreeInodes(group, 1);
  return 0;
}
