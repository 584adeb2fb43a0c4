// The first files of a file system, and how each maps its blocks: the root directory, lost+found, the journal,
// and the inode that owns the room for more group descriptors.

import { blockEntries, MAX_WRITTEN, ROOT_ENTRIES } from "../media/extent.ts";
import { Compat, Incompat } from "../media/features.ts";
import { Mode, ROOT_INODE } from "../media/inode.ts";
import { FIRST_INODE, hasBackup } from "./geometry.ts";
import { firstBlockOf, takeBlocks, type Layout, type Range } from "./layout.ts";

export const RESIZE_INODE = 7;
export const JOURNAL_INODE = 8;

/** An extent, or at a greater depth the node whose first file block `logical` is. */
export interface Entry {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
}

/** A node of an extent tree in a block of its own. */
export interface TreeNode {
  readonly block: number;
  readonly depth: number;
  readonly entries: readonly Entry[];
}

/** A block of block numbers, by their index; those that are not named are 0. */
export interface PointerBlock {
  readonly block: number;
  readonly pointers: ReadonlyMap<number, number>;
}

/** How a file finds its blocks: a tree of extents, or the older lists of block numbers. */
export type BlockMap =
  | {
      readonly kind: "extents";
      readonly depth: number;
      readonly root: readonly Entry[];
      readonly nodes: readonly TreeNode[];
    }
  | {
      readonly kind: "lists";
      readonly root: ReadonlyMap<number, number>;
      readonly nodes: readonly PointerBlock[];
    };

export interface NewFile {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly owner: readonly [user: number, group: number];
  readonly size: number;
  /** All that it owns, blocks of its map included. */
  readonly blocks: number;
  readonly data: readonly Range[];
  readonly map: BlockMap;
}

/** The media blocks of a file in order, one by one. */
export function* blocksIn(ranges: readonly Range[]): Generator<number> {
  for (const { start, length } of ranges) for (let i = 0; i < length; i++) yield start + i;
}

/** Takes blocks for all first files; undefined where there is no room for them. */
export function placeFiles(
  layout: Layout,
  rootOwner: readonly [user: number, group: number],
): NewFile[] | undefined {
  const { blockSize, journalBlocks, features } = layout.geometry;
  const directory = Mode.directory;
  const files = [
    newFile(layout, ROOT_INODE, 1, { mode: directory | 0o755, links: 3, owner: rootOwner }),
    // Room for names that e2fsck finds without a directory: it need not allocate any.
    newFile(layout, FIRST_INODE, Math.min(12, (16 * 1024) / blockSize), {
      mode: directory | 0o700,
      links: 2,
    }),
  ];
  if ((features.compat & Compat.resize_inode) !== 0) files.push(growthFile(layout));
  if (journalBlocks > 0)
    files.push(newFile(layout, JOURNAL_INODE, journalBlocks, { mode: Mode.file | 0o600, links: 1 }));
  return files.every((file) => file !== undefined) ? files : undefined;
}

function newFile(
  layout: Layout,
  inode: number,
  count: number,
  attributes: Pick<NewFile, "mode" | "links"> & Partial<Pick<NewFile, "owner">>,
): NewFile | undefined {
  const data = takeBlocks(layout, count);
  if (data === undefined) return undefined;
  const { blockSize, features } = layout.geometry;
  const mapping = (features.incompat & Incompat.extent) !== 0 ? mapByExtents : mapByLists;
  const map = mapping(layout, data);
  if (map === undefined) return undefined;
  const blocks = count + map.nodes.length;
  return { owner: [0, 0], ...attributes, inode, size: count * blockSize, blocks, data, map };
}

/** Takes `count` blocks that need not be neighbours. */
function takeEach(layout: Layout, count: number): number[] | undefined {
  const ranges = takeBlocks(layout, count);
  return ranges === undefined ? undefined : [...blocksIn(ranges)];
}

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** Extents, below as many levels of nodes as they need. */
function mapByExtents(layout: Layout, data: readonly Range[]): BlockMap | undefined {
  let root: Entry[] = [];
  let logical = 0;
  for (const { start, length } of data) {
    for (let done = 0; done < length; done += MAX_WRITTEN) {
      const here = Math.min(MAX_WRITTEN, length - done);
      root.push({ logical, physical: start + done, length: here });
      logical += here;
    }
  }
  const nodes: TreeNode[] = [];
  let depth = 0;
  for (; root.length > ROOT_ENTRIES; depth++) {
    const parts = chunks(root, blockEntries(layout.geometry.blockSize));
    const blocks = takeEach(layout, parts.length);
    if (blocks === undefined) return undefined;
    for (const [i, entries] of parts.entries()) nodes.push({ block: blocks[i] as number, depth, entries });
    root = parts.map(([first], i) => ({
      logical: (first as Entry).logical,
      physical: blocks[i] as number,
      length: 0,
    }));
  }
  return { kind: "extents", depth, root, nodes };
}

/** Block numbers that a file's inode has of its own; one, two and three levels of lists follow them. */
const DIRECT = 12;

/** Block numbers: the first twelve in the inode, the others in lists one, two and three levels deep. */
function mapByLists(layout: Layout, data: readonly Range[]): BlockMap | undefined {
  const perBlock = layout.geometry.blockSize / 4;
  const all = [...blocksIn(data)];
  const root = new Map(all.slice(0, DIRECT).entries());
  const nodes: PointerBlock[] = [];
  let done = DIRECT;
  for (let level = 1; done < all.length; level++) {
    let below = all.slice(done, done + perBlock ** level);
    done += below.length;
    for (let up = 0; up < level; up++) {
      const parts = chunks(below, perBlock);
      const blocks = takeEach(layout, parts.length);
      if (blocks === undefined) return undefined;
      for (const [i, part] of parts.entries())
        nodes.push({ block: blocks[i] as number, pointers: new Map(part.entries()) });
      below = blocks;
    }
    root.set(DIRECT + level - 1, below[0] as number);
  }
  return { kind: "lists", root, nodes };
}

/**
 * The file that owns the room for more descriptors: the double list names the blocks behind the descriptors of
 * group 0, and each of those the same block of every copy.  kernel: EXT4_RESIZE_INO
 */
function growthFile(layout: Layout): NewFile | undefined {
  const { geometry } = layout;
  const { blockSize, groups, firstDataBlock, descriptorBlocks, growthBlocks } = geometry;
  const [list] = takeEach(layout, 1) ?? [];
  if (list === undefined) return undefined;
  const perBlock = blockSize / 4;
  const copies = Array.from({ length: groups }, (_, group) => group).filter(
    (group) => group > 0 && hasBackup(geometry, group),
  );
  const offsets = Array.from({ length: growthBlocks }, (_, i) => 1 + descriptorBlocks + i);
  const named = offsets.map((offset): [number, number] => [(offset - 1) % perBlock, firstDataBlock + offset]);
  const nodes: PointerBlock[] = [{ block: list, pointers: new Map(named) }];
  for (const offset of offsets) {
    const places = copies.map((group) => firstBlockOf(geometry, group) + offset);
    nodes.push({ block: firstDataBlock + offset, pointers: new Map(places.entries()) });
  }
  return {
    inode: RESIZE_INODE,
    mode: Mode.file | 0o600,
    links: 1,
    owner: [0, 0],
    size: (perBlock * perBlock + perBlock + DIRECT) * blockSize,
    blocks: 1 + growthBlocks * (1 + copies.length),
    data: [],
    map: { kind: "lists", root: new Map([[DIRECT + 1, list]]), nodes },
  };
}
