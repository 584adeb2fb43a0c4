// Where the parts of a new file system lie.
//
// With flex_bg the block bitmaps of several groups come first in the first of them, then their inode bitmaps,
// then their inode tables; without it, or where that does not fit, each group has its own.  The first files
// take the lowest blocks that are left.
//
//   superblock, descriptors | block bitmaps | inode bitmaps | inode tables | root directory | lost+found | journal

import { baseBlocks, type Geometry } from "./geometry.ts";

/** Consecutive blocks. */
export interface Range {
  readonly start: number;
  readonly length: number;
}

export interface Layout {
  readonly geometry: Geometry;
  /** By group: the block of each. */
  readonly blockBitmaps: readonly number[];
  readonly inodeBitmaps: readonly number[];
  readonly inodeTables: readonly number[];
  /** Everything in use, in order of blocks; neighbours may touch. */
  readonly used: Range[];
}

export const firstBlockOf = ({ firstDataBlock, blocksPerGroup }: Geometry, group: number): number =>
  firstDataBlock + group * blocksPerGroup;

export function blocksOf(geometry: Geometry, group: number): number {
  return Math.min(geometry.blocksPerGroup, geometry.blocks - firstBlockOf(geometry, group));
}

/** The first `length` consecutive blocks from `start` on that hold no copy of the superblock. */
function dodge(geometry: Geometry, start: number, length: number): number {
  const { firstDataBlock, blocksPerGroup, groups } = geometry;
  let at = start;
  for (let group = Math.floor((at - firstDataBlock) / blocksPerGroup); group < groups; group++) {
    const first = firstBlockOf(geometry, group);
    if (first >= at + length) break;
    const end = first + baseBlocks(geometry, group);
    if (at < end && end > first) at = end;
  }
  return at;
}

type Places = Record<"blockBitmaps" | "inodeBitmaps" | "inodeTables", number[]>;

/** The structures of the groups from `from` to `to`, one kind after another; undefined where they do not fit. */
function together(geometry: Geometry, from: number, to: number): Places | undefined {
  let next = firstBlockOf(geometry, from);
  const place = (length: number): number => {
    const start = dodge(geometry, next, length);
    next = start + length;
    return start;
  };
  const each = (length: number): number[] => Array.from({ length: to - from }, () => place(length));
  const places = {
    blockBitmaps: each(1),
    inodeBitmaps: each(1),
    inodeTables: each(geometry.tableBlocks),
  };
  return next <= firstBlockOf(geometry, to - 1) + blocksOf(geometry, to - 1) ? places : undefined;
}

/** Gives every group its place.  `geometryOf` has seen to it that each fits into itself. */
export function layOut(geometry: Geometry): Layout {
  const { groups, flexGroups, tableBlocks } = geometry;
  const all: Places = { blockBitmaps: [], inodeBitmaps: [], inodeTables: [] };
  const used: Range[] = [];
  const add = (from: number, to: number): boolean => {
    const places = together(geometry, from, to);
    if (places === undefined) return false;
    for (const kind of Object.keys(all) as (keyof Places)[]) {
      const length = kind === "inodeTables" ? tableBlocks : 1;
      all[kind].push(...places[kind]);
      for (const start of places[kind]) used.push({ start, length });
    }
    return true;
  };
  for (let from = 0; from < groups; from += flexGroups) {
    const to = Math.min(groups, from + flexGroups);
    if (!add(from, to)) for (let group = from; group < to; group++) add(group, group + 1);
  }
  for (let group = 0; group < groups; group++) {
    const length = baseBlocks(geometry, group);
    if (length > 0) used.push({ start: firstBlockOf(geometry, group), length });
  }
  return { geometry, ...all, used: used.toSorted((a, b) => a.start - b.start) };
}

/** Takes the lowest free blocks; undefined where there are not as many. */
export function takeBlocks({ geometry, used }: Layout, count: number): Range[] | undefined {
  const taken: Range[] = [];
  let left = count;
  let next = geometry.firstDataBlock;
  for (let index = 0; left > 0; index++) {
    const end = used[index]?.start ?? geometry.blocks;
    const length = Math.min(left, end - next);
    if (length > 0) {
      taken.push({ start: next, length });
      used.splice(index, 0, { start: next, length });
      left -= length;
      index += 1;
    }
    const range = used[index];
    if (range === undefined) break;
    next = range.start + range.length;
  }
  return left === 0 ? taken : undefined;
}
