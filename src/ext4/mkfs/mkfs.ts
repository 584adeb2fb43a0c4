// Makes an empty ext4: the same features, counts and defaults as mke2fs gives one of the same options.
//
// The same options make the same bytes.  Blocks that belong to nobody afterwards keep what they hold.

import { assert } from "../../machine/errors.ts";
import { header } from "../../machine/layout.ts";
import { Memory } from "../../machine/memory.ts";
import { mediaAt, storeBytes, storeFill } from "../../machine/pmem.ts";
import { Incompat } from "../media/features.ts";
import { GROUP_BLOCK_UNINIT, GROUP_INODE_UNINIT, GROUP_INODE_ZEROED, RawGroup } from "../media/group.ts";
import { RawInode, ROOT_INODE } from "../media/inode.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import { superBlockSum } from "../media/sums.ts";
import {
  bitmapSum,
  drawBitmap,
  drawDirectory,
  drawInode,
  drawJournal,
  drawPointers,
  drawTreeNode,
  type Name,
  type Piece,
} from "./draft.ts";
import type { MkfsError } from "./features.ts";
import { blocksIn, JOURNAL_INODE, type NewFile } from "./files.ts";
import { baseBlocks, FIRST_INODE, hasBackup, type Geometry } from "./geometry.ts";
import { blocksOf, firstBlockOf, type Layout, type Range } from "./layout.ts";
import {
  draftLength,
  keepJournal,
  sealDescriptor,
  sealSuperBlock,
  startMaking,
  type Making,
} from "./making.ts";
import { planFileSystem, type MakeOptions, type Plan } from "./plan.ts";

/**
 * Makes a file system on a machine's media: for a machine, which never grows, without room for more groups.  At
 * boot, before there is a snapshot: it is drawn up where snapshots keep old pages.
 */
export function makeFileSystem(mem: Memory, options: Partial<MakeOptions> = {}): MkfsError | undefined {
  const { media, tracking, undo } = header(mem);
  const plan = planFileSystem({ size: media.length, features: "^resize_inode", ...options });
  if ("message" in plan) return plan;
  assert(tracking === 0 && draftLength(plan) <= undo.length, "there is room to draw up a file system");
  for (const { at, length, bytes } of pieces(startMaking(plan, mem, undo.start))) {
    if (bytes === undefined) storeFill(mem, mediaAt(mem, at), 0, length);
    else storeBytes(mem, mediaAt(mem, at), bytes);
  }
  return undefined;
}

/** The bytes of a file system, piece by piece; what no piece covers belongs to nobody. */
export function fileSystem(plan: Plan): Generator<Piece> {
  return pieces(startMaking(plan, Memory.create(draftLength(plan)), 0));
}

function* pieces(making: Making): Generator<Piece> {
  for (const file of making.files) yield* contents(making, file);
  yield* inodeTables(making);
  for (const use of usedByGroup(making.layout)) yield* groupOf(making, use);
  sealSuperBlock(making);
  yield* copies(making);
}

function* contents({ draft, geometry, identity }: Making, file: NewFile): Generator<Piece> {
  const { inode, map, data } = file;
  if (map.kind === "lists") for (const node of map.nodes) yield drawPointers(draft, node);
  else for (const node of map.nodes) yield drawTreeNode(draft, inode, node);
  if (inode === JOURNAL_INODE) {
    const [{ start } = { start: 0 }] = data;
    for (const range of data) yield zeros(geometry, range.start, range.length);
    yield drawJournal(draft, start, geometry.journalBlocks, identity.uuid);
    return;
  }
  const typed = (geometry.features.incompat & Incompat.filetype) !== 0;
  let names: Name[] = [
    [".", inode],
    ["..", ROOT_INODE],
    ...(inode === ROOT_INODE ? [["lost+found", FIRST_INODE] as const] : []),
  ];
  for (const block of blocksIn(data)) {
    yield drawDirectory(draft, inode, block, typed, names);
    names = [["", 0]];
  }
}

const zeros = ({ blockSize }: Geometry, block: number, count: number): Piece => ({
  at: block * blockSize,
  length: count * blockSize,
});

/** All tables zeroed, and inodes 1 to 11. */
function* inodeTables(making: Making): Generator<Piece> {
  const { draft, files, identity, geometry, layout } = making;
  const { blockSize, inodeSize, tableBlocks } = geometry;
  for (const table of layout.inodeTables) yield zeros(geometry, table, tableBlocks);
  const [first = 0] = layout.inodeTables;
  const perBlock = blockSize / inodeSize;
  for (let block = 0; block * perBlock < FIRST_INODE; block++) {
    const place = draft.block();
    for (let index = 0; index < perBlock; index++) {
      const inode = block * perBlock + index + 1;
      const at = place + index * inodeSize;
      const file = files.find((each) => each.inode === inode);
      if (inode <= FIRST_INODE) drawInode(draft, at, inodeSize, inode, identity.time, file);
      if (inode === JOURNAL_INODE && file !== undefined) keepJournal(making, RawInode.of(draft.mem, at));
    }
    yield draft.piece(first + block, place);
  }
}

/** A group with what of it is in use. */
interface GroupUse {
  readonly group: number;
  readonly used: readonly Range[];
  readonly count: number;
}

function* usedByGroup({ geometry, used }: Layout): Generator<GroupUse> {
  let next = 0;
  for (let group = 0; group < geometry.groups; group++) {
    const first = firstBlockOf(geometry, group);
    const end = first + blocksOf(geometry, group);
    const inside: Range[] = [];
    let count = 0;
    for (; next < used.length; next++) {
      const range = used[next] as Range;
      const start = Math.max(first, range.start);
      const length = Math.min(end, range.start + range.length) - start;
      if (length > 0) {
        inside.push({ start, length });
        count += length;
      }
      if (range.start + range.length > end) break; // it goes on in the next group
    }
    yield { group, used: inside, count };
  }
}

/** Whether a group's block bitmap follows from its own descriptor: nobody else's blocks lie in it. */
function followsFromLayout({ geometry, layout }: Making, { group, count }: GroupUse): boolean {
  if (group === 0 || group === geometry.groups - 1) return false;
  const first = firstBlockOf(geometry, group);
  const end = first + blocksOf(geometry, group);
  const inside = (start = 0, length = 1): number =>
    Math.max(0, Math.min(end, start + length) - Math.max(first, start));
  const own =
    baseBlocks(geometry, group) +
    inside(layout.blockBitmaps[group]) +
    inside(layout.inodeBitmaps[group]) +
    inside(layout.inodeTables[group], geometry.tableBlocks);
  return own === count;
}

/** The bitmaps of a group, and its descriptor in the draft. */
function* groupOf(making: Making, use: GroupUse): Generator<Piece> {
  const { draft, geometry, layout, groupSums } = making;
  const { group, count } = use;
  const { inodesPerGroup } = geometry;
  const raw = RawGroup.of(draft.mem, making.descriptors + group * geometry.descriptorSize);
  const free = blocksOf(geometry, group) - count;
  const inodes = group === 0 ? FIRST_INODE : 0;
  raw.bg_block_bitmap_lo = layout.blockBitmaps[group] as number;
  raw.bg_inode_bitmap_lo = layout.inodeBitmaps[group] as number;
  raw.bg_inode_table_lo = layout.inodeTables[group] as number;
  raw.bg_free_blocks_count_lo = free;
  raw.bg_free_inodes_count_lo = inodesPerGroup - inodes;
  raw.bg_used_dirs_count_lo = group === 0 ? 2 : 0;
  if (groupSums) {
    raw.bg_flags = GROUP_INODE_ZEROED;
    if (followsFromLayout(making, use)) raw.bg_flags |= GROUP_BLOCK_UNINIT;
    if (inodes === 0) raw.bg_flags |= GROUP_INODE_UNINIT;
    raw.bg_itable_unused_lo = inodesPerGroup - inodes;
  }
  making.freeBlocks += free;
  yield blockBitmap(making, use, raw);
  yield inodeBitmap(making, inodes, raw);
  sealDescriptor(making, group, raw);
}

function blockBitmap({ draft, geometry }: Making, { group, used }: GroupUse, raw: RawGroup): Piece {
  const block = raw.bg_block_bitmap_lo;
  if ((raw.bg_flags & GROUP_BLOCK_UNINIT) !== 0) return zeros(geometry, block, 1);
  const first = firstBlockOf(geometry, group);
  const runs = used.map(({ start, length }) => ({ start: start - first, length }));
  const place = drawBitmap(draft, runs, blocksOf(geometry, group));
  const sum = bitmapSum(draft, place, geometry.blocksPerGroup);
  raw.bg_block_bitmap_csum_lo = sum & 0xffff;
  if (geometry.descriptorSize >= RawGroup.size) raw.bg_block_bitmap_csum_hi = sum >>> 16;
  return draft.piece(block, place);
}

/** The first `used` inodes are in use. */
function inodeBitmap({ draft, geometry }: Making, used: number, raw: RawGroup): Piece {
  const block = raw.bg_inode_bitmap_lo;
  if ((raw.bg_flags & GROUP_INODE_UNINIT) !== 0) return zeros(geometry, block, 1);
  const place = drawBitmap(draft, [{ start: 0, length: used }], geometry.inodesPerGroup);
  const sum = bitmapSum(draft, place, geometry.inodesPerGroup);
  raw.bg_inode_bitmap_csum_lo = sum & 0xffff;
  if (geometry.descriptorSize >= RawGroup.size) raw.bg_inode_bitmap_csum_hi = sum >>> 16;
  return draft.piece(block, place);
}

/** Superblock and descriptors, first of all copies in group 0. */
function* copies({ draft, geometry, start, superBlock, descriptors: table }: Making): Generator<Piece> {
  const { mem } = draft;
  const { blockSize, descriptorBlocks, growthBlocks, groups } = geometry;
  const descriptors = (block: number): Piece => draft.piece(block, table, descriptorBlocks * blockSize);
  const end = Math.max(SUPERBLOCK_OFFSET + RawSuperBlock.size, blockSize);
  yield { at: 0, length: end, bytes: mem.u8.subarray(start, start + end) };
  yield descriptors(geometry.firstDataBlock + 1);
  for (let group = 1; group < groups; group++) {
    if (!hasBackup(geometry, group)) continue;
    const first = firstBlockOf(geometry, group);
    const place = draft.block();
    mem.copy(place, superBlock.at, RawSuperBlock.size);
    const raw = RawSuperBlock.of(mem, place);
    raw.s_block_group_nr = group;
    if (draft.sums) raw.s_checksum = superBlockSum(mem, place);
    yield draft.piece(first, place);
    yield descriptors(first + 1);
    yield zeros(geometry, first + 1 + descriptorBlocks, growthBlocks);
  }
}
