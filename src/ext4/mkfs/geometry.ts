// How mke2fs shares out a device of 4 KiB blocks: inodes, groups, journal, and where the parts lie.
//
// With flex_bg all bitmaps and inode tables of up to sixteen groups lie in the first of them; the largest
// media has sixteen groups, so everything is in group 0, one after another:
//
//   superblock, descriptors | block bitmaps | inode bitmaps | inode tables | root directory | lost+found | journal

import { MIB } from "../../machine/limits.ts";
import { RawGroup } from "../media/group.ts";
import { BLOCK_SIZE } from "../super.ts";

export const INODE_SIZE = 256;
export const BLOCKS_PER_GROUP = BLOCK_SIZE * 8;
export const FIRST_INODE = 11;
export const LOST_FOUND_BLOCKS = 4;

export interface Geometry {
  readonly blocks: number;
  readonly groups: number;
  readonly inodesPerGroup: number;
  readonly tableBlocks: number; // of one group
  readonly descriptorBlocks: number;
  readonly blockBitmaps: number; // the first one's block, and so on
  readonly inodeBitmaps: number;
  readonly inodeTables: number;
  readonly rootDirectory: number;
  readonly lostFound: number;
  readonly journal: number;
  readonly journalBlocks: number; // 0: none
  readonly end: number; // the first free block
}

/** Bytes of media for each inode. */
function inodeRatio(bytes: number): number {
  if (bytes < 3 * MIB) return 8192;
  return bytes < 512 * MIB ? 4096 : 16_384;
}

/** Blocks of the journal, by those of the file system. */
function journalBlocks(blocks: number): number {
  if (blocks < 2048) return 0;
  if (blocks < 32_768) return 1024;
  if (blocks < 256 * 1024) return 4096;
  if (blocks < 512 * 1024) return 8192;
  return 16_384;
}

/** Whether group `number` starts with a copy of the superblock and the descriptors. */
export function hasBackup(number: number): boolean {
  return number <= 1 || [3, 5, 7, 9, 25, 27, 49].includes(number);
}

/** The parts of a file system that fills so many blocks, or all but a tail too short for a group. */
export function geometryOf(blocks: number): Geometry {
  const groups = Math.ceil(blocks / BLOCKS_PER_GROUP);
  const inodes = Math.floor((blocks * BLOCK_SIZE) / inodeRatio(blocks * BLOCK_SIZE));
  const tableBlocks = Math.ceil((Math.ceil(inodes / groups) * INODE_SIZE) / BLOCK_SIZE);
  const descriptorBlocks = Math.ceil((groups * RawGroup.size) / BLOCK_SIZE);
  const tail = blocks % BLOCKS_PER_GROUP;
  const overhead = 2 + tableBlocks + (hasBackup(groups - 1) ? 1 + descriptorBlocks : 0);
  if (groups > 1 && tail !== 0 && tail < overhead + 50) return geometryOf(blocks - tail);
  const blockBitmaps = 1 + descriptorBlocks;
  const inodeBitmaps = blockBitmaps + groups;
  const inodeTables = inodeBitmaps + groups;
  const rootDirectory = inodeTables + groups * tableBlocks;
  const lostFound = rootDirectory + 1;
  const journal = lostFound + LOST_FOUND_BLOCKS;
  return {
    blocks,
    groups,
    inodesPerGroup: (tableBlocks * BLOCK_SIZE) / INODE_SIZE,
    tableBlocks,
    descriptorBlocks,
    blockBitmaps,
    inodeBitmaps,
    inodeTables,
    rootDirectory,
    lostFound,
    journal,
    journalBlocks: journalBlocks(blocks),
    end: journal + journalBlocks(blocks),
  };
}
