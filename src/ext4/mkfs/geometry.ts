// How mke2fs shares out a device: blocks, groups, inodes, the journal.  Numbers only; where the parts lie is
// layout.ts's business.

import { GIB, KIB, MIB } from "../../machine/limits.ts";
import { Compat, Incompat, ReadOnlyCompat } from "../media/features.ts";
import { isSparse, RawGroup, SHORT_DESCRIPTOR } from "../media/group.ts";
import { OLD_INODE_SIZE } from "../media/inode.ts";
import type { Features, MkfsError } from "./features.ts";

/** The first inode that is not reserved: lost+found. */
export const FIRST_INODE = 11;
const MAX_BLOCKS = 2 ** 32 - 1;
const MAX_INODES = 2 ** 32 - 1;
/** Blocks that the last group must have for files, or it is left out. */
const SHORTEST_TAIL = 50;
const MIN_JOURNAL = 1024;
const MAX_JOURNAL = 10_240_000;

/** What is asked for; numbers in the units of mke2fs's options. */
export interface Asked {
  /** Bytes. */
  readonly size: number;
  readonly blockSize: number;
  readonly inodeSize: number;
  /** Bytes of media for each inode. */
  readonly inodeRatio?: number | undefined;
  /** How many inodes; wins over the ratio. */
  readonly inodes?: number | undefined;
  readonly blocksPerGroup?: number | undefined;
  /** Groups whose bitmaps and tables lie together. */
  readonly flexGroups?: number | undefined;
  /** Percent kept for root. */
  readonly reserved: number;
  /** MiB of the journal. */
  readonly journalSize?: number | undefined;
  /** Backups of the superblock under sparse_super2: 0, 1 or 2. */
  readonly backups: number;
}

export interface Geometry {
  readonly features: Features;
  readonly blockSize: number;
  readonly blocks: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodeSize: number;
  readonly inodesPerGroup: number;
  readonly tableBlocks: number; // of one group
  readonly descriptorSize: number;
  readonly descriptorBlocks: number;
  readonly growthBlocks: number; // kept behind the descriptors, for more of them
  readonly rootBlocks: number; // kept for root
  readonly flexGroups: number;
  readonly journalBlocks: number; // 0: none
  readonly backups: readonly [number, number]; // the groups with backups under sparse_super2; 0: none
}

const isPowerOfTwo = (value: number): boolean => Number.isInteger(Math.log2(value));

const whole = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high;

/** What is wrong with a number, whatever the others are. */
function wrongNumber(asked: Asked): string | undefined {
  const { blockSize, inodeSize, inodeRatio, inodes, blocksPerGroup, flexGroups } = asked;
  if (![1024, 2048, 4096].includes(blockSize))
    return `the block size is 1024, 2048 or 4096 bytes, not ${blockSize}`;
  if (!(whole(inodeSize, OLD_INODE_SIZE, blockSize) && isPowerOfTwo(inodeSize)))
    return `the inode size is a power of two from 128 to the block size (${blockSize}), not ${inodeSize}`;
  if (inodeRatio !== undefined && !whole(inodeRatio, KIB, 64 * MIB))
    return `the inode ratio is 1024 to ${64 * MIB} bytes for each inode, not ${inodeRatio}`;
  if (inodes !== undefined && !whole(inodes, 1, MAX_INODES))
    return `the number of inodes is 1 to ${MAX_INODES}, not ${inodes}`;
  if (
    blocksPerGroup !== undefined &&
    !(whole(blocksPerGroup, 256, 8 * blockSize) && blocksPerGroup % 8 === 0)
  )
    return `a group has a multiple of 8 blocks from 256 to ${8 * blockSize}, not ${blocksPerGroup}`;
  if (flexGroups !== undefined && !(whole(flexGroups, 1, 2 ** 31) && isPowerOfTwo(flexGroups)))
    return `the number of groups in a flex group is a power of two, not ${flexGroups}`;
  if (!(asked.reserved >= 0 && asked.reserved <= 50))
    return `0 to 50 percent can be reserved for root, not ${asked.reserved}`;
  if (!whole(asked.backups, 0, 2))
    return `sparse_super2 has 0, 1 or 2 backups of the superblock, not ${asked.backups}`;
  if (!whole(asked.size, 1, Number.MAX_SAFE_INTEGER))
    return `the size is a whole number of bytes, not ${asked.size}`;
  return undefined;
}

/** Bytes of media for each inode, when nobody says. */
function defaultRatio(bytes: number, blockSize: number): number {
  if (bytes < 3 * MIB) return Math.max(8192, blockSize);
  if (bytes < 512 * MIB) return Math.max(4096, blockSize);
  if (bytes < 4096 * GIB) return 16_384;
  return bytes < 16_384 * GIB ? 32_768 : 65_536;
}

/** Blocks of the journal, by those of the file system: the row is the first whose limit is above. */
const journals = [
  [2048, 0],
  [32_768, 1024],
  [256 * 1024, 4096],
  [512 * 1024, 8192],
  [4096 * 1024, 16_384],
  [8192 * 1024, 32_768],
  [16_384 * 1024, 65_536],
  [32_768 * 1024, 131_072],
  [Infinity, 262_144],
] as const;

type Backed = Pick<Geometry, "features" | "backups">;

/** Whether a group starts with the superblock and the descriptors, or a copy of them. */
export function hasBackup({ features, backups }: Backed, group: number): boolean {
  if (group === 0) return true;
  if ((features.compat & Compat.sparse_super2) !== 0) return backups.includes(group);
  return (features.readOnly & ReadOnlyCompat.sparse_super) === 0 || isSparse(group);
}

/** Blocks at the start of a group that superblock, descriptors and the room behind them take. */
export function baseBlocks(geometry: Geometry, group: number): number {
  return hasBackup(geometry, group) ? 1 + geometry.descriptorBlocks + geometry.growthBlocks : 0;
}

/** Room for descriptors, so that the file system can grow to 1024 times its size. */
function roomForDescriptors(
  blocks: number,
  firstDataBlock: number,
  blocksPerGroup: number,
  perBlock: number,
  blockSize: number,
): number {
  const most = Math.min(MAX_BLOCKS, blocks * 1024);
  const descriptors = (upTo: number): number =>
    Math.ceil(Math.ceil((upTo - firstDataBlock) / blocksPerGroup) / perBlock);
  // Each is listed in one block of 32-bit numbers.
  return Math.max(0, Math.min(descriptors(most) - descriptors(blocks), blockSize / 4));
}

/** The numbers of a file system that has all of the size, or all but a tail too short for a group. */
export function geometryOf(asked: Asked, features: Features): Geometry | MkfsError {
  const wrong = wrongNumber(asked) ?? wrongTogether(asked, features);
  if (wrong !== undefined) return { message: wrong };
  const { size, blockSize, inodeSize } = asked;
  const blocks = Math.floor(size / blockSize);
  if (blocks > MAX_BLOCKS)
    return { message: `a file system has at most 2^32 - 1 blocks, ${size} bytes are ${blocks}` };
  const ratio = asked.inodeRatio ?? defaultRatio(size, blockSize);
  const inodes = asked.inodes ?? Math.min(MAX_INODES, Math.floor((blocks * blockSize) / ratio));
  if ((inodes * inodeSize) / blockSize >= blocks)
    return {
      message: `${inodes} inodes of ${inodeSize} bytes do not fit ${blocks} blocks: ask for fewer, or more bytes for each`,
    };
  const geometry = shareOut(asked, features, blocks, Math.max(inodes, FIRST_INODE + 1));
  if ("message" in geometry) return geometry;
  return withJournal(asked, geometry);
}

function wrongTogether(asked: Asked, features: Features): string | undefined {
  if (asked.flexGroups !== undefined && (features.incompat & Incompat.flex_bg) === 0)
    return "groups in a flex group need the feature flex_bg";
  if (asked.journalSize !== undefined && (features.compat & Compat.has_journal) === 0)
    return "a journal's size needs the feature has_journal";
  return undefined;
}

/** The division that fits: with smaller groups where there are too many inodes, without a tail too short for a group. */
function shareOut(asked: Asked, features: Features, all: number, inodes: number): Geometry | MkfsError {
  let blocksPerGroup = asked.blocksPerGroup ?? 8 * asked.blockSize;
  let blocks = all;
  for (;;) {
    const geometry = divide(asked, features, blocks, blocksPerGroup, inodes);
    const { groups, tableBlocks } = geometry;
    const own = 2 + tableBlocks;
    const tail = (blocks - geometry.firstDataBlock) % blocksPerGroup;
    const needed = own + baseBlocks(geometry, groups - 1);
    if (geometry.inodesPerGroup > 8 * asked.blockSize) {
      // Smaller groups are more groups, so that each has fewer inodes.
      blocksPerGroup -= 8;
      blocks = all;
      if (blocksPerGroup < 256) return { message: `${inodes} inodes are too many for ${all} blocks` };
    } else if (own + baseBlocks(geometry, 0) > blocksPerGroup) {
      return { message: tooFull(geometry) };
    } else if (tail === 0 || tail >= needed + SHORTEST_TAIL) return geometry;
    else if (groups > 1) blocks -= tail;
    else if (tail > needed) return geometry;
    else return { message: `${blocks} blocks of ${asked.blockSize} bytes are too few for a file system` };
  }
}

/** Why a group has no room for its own structures.  mke2fs spreads out the descriptors then, as meta_bg. */
function tooFull({ blocksPerGroup, tableBlocks, descriptorBlocks, growthBlocks, groups }: Geometry): string {
  const room = blocksPerGroup - 3 - tableBlocks;
  const advice =
    descriptorBlocks > room
      ? "take larger blocks or groups"
      : growthBlocks > 0
        ? "turn the room for growth off (^resize_inode), or take larger groups"
        : "ask for fewer inodes";
  return `the inode table and the descriptors of ${groups} groups do not fit a group of ${blocksPerGroup} blocks: ${advice}`;
}

function divide(
  asked: Asked,
  features: Features,
  blocks: number,
  blocksPerGroup: number,
  inodes: number,
): Geometry {
  const { blockSize, inodeSize } = asked;
  const firstDataBlock = blockSize === 1024 ? 1 : 0;
  const descriptorSize = (features.incompat & Incompat["64bit"]) !== 0 ? RawGroup.size : SHORT_DESCRIPTOR;
  const perBlock = blockSize / descriptorSize;
  const groups = Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
  const perTableBlock = blockSize / inodeSize;
  const wanted = Math.max(16, Math.ceil(inodes / groups)); // the reserved ones are all in group 0
  const full = Math.ceil(wanted / perTableBlock) * perTableBlock;
  const inodesPerGroup = full - (full % 8);
  const grows = (features.compat & Compat.resize_inode) !== 0;
  const backups = Math.min(asked.backups, groups - 1);
  return {
    features,
    blockSize,
    blocks,
    firstDataBlock,
    blocksPerGroup,
    groups,
    inodeSize,
    inodesPerGroup,
    tableBlocks: Math.ceil((inodesPerGroup * inodeSize) / blockSize),
    descriptorSize,
    descriptorBlocks: Math.ceil(groups / perBlock),
    growthBlocks: grows ? roomForDescriptors(blocks, firstDataBlock, blocksPerGroup, perBlock, blockSize) : 0,
    rootBlocks: Math.floor((asked.reserved * blocks) / 100),
    flexGroups: (features.incompat & Incompat.flex_bg) === 0 ? 1 : (asked.flexGroups ?? 16),
    journalBlocks: 0,
    backups: [backups >= 1 ? 1 : 0, backups === 2 ? groups - 1 : 0],
  };
}

/** Adds the journal.  A file system that is too small for the default one has none. */
function withJournal(asked: Asked, geometry: Geometry): Geometry | MkfsError {
  const { features, blocks, blockSize } = geometry;
  if ((features.compat & Compat.has_journal) === 0) return geometry;
  const asksFor = asked.journalSize === undefined ? undefined : (asked.journalSize * MIB) / blockSize;
  if (asksFor !== undefined && !(asksFor >= MIN_JOURNAL && asksFor <= MAX_JOURNAL))
    return {
      message: `a journal has ${MIN_JOURNAL} to ${MAX_JOURNAL} blocks, ${asked.journalSize} MiB are ${asksFor}`,
    };
  if (asksFor !== undefined && asksFor > blocks / 2)
    return {
      message: `a journal of ${asked.journalSize} MiB is too big for ${blocks} blocks of ${blockSize} bytes`,
    };
  const journalBlocks = asksFor ?? (journals.find(([limit]) => blocks < limit)?.[1] as number);
  const without = { ...features, compat: features.compat & ~Compat.has_journal };
  return { ...geometry, features: journalBlocks === 0 ? without : features, journalBlocks };
}
