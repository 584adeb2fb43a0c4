// Directory blocks: the chain of entries, checksums, the hash tree of indexed ones.
//
// Not verified: that a name lies in the leaf its hash belongs to, and that hashes are sorted.

import { crc32cNumber } from "../media/checksum.ts";
import { BLOCK, type Facts, type Image } from "./image.ts";
import { inodeSeed, type InodeFacts, type Piece } from "./inode.ts";

export interface Entry {
  readonly inode: number;
  readonly type: number;
  readonly name: string; // a letter for each byte, so that any bytes are told apart
}

const INDEXED = 0x1000;

/** The entries of a directory, "." and ".." first. */
export function readDirectory(
  image: Image,
  facts: Facts,
  inode: InodeFacts,
  pieces: readonly Piece[],
): Entry[] {
  const blocks = new Map<number, number>();
  if (pieces.reduce((sum, piece) => sum + piece.length, 0) > facts.blocks) {
    image.report(inode.place, "a directory with more blocks than there are");
    return [];
  }
  for (const piece of pieces) {
    for (let index = 0; index < piece.length; index++)
      blocks.set(piece.logical + index, piece.physical + index);
  }
  const count = inode.size / BLOCK;
  if (!Number.isInteger(count) || count !== blocks.size || count === 0) {
    image.report(inode.place, `a directory of ${inode.size} bytes with ${blocks.size} blocks`);
  }
  const inner = (inode.flags & INDEXED) === 0 ? new Set<number>() : readHashTree(image, facts, inode, blocks);
  const entries: Entry[] = [];
  for (const logical of [...blocks.keys()].toSorted((a, b) => a - b)) {
    const at = (blocks.get(logical) as number) * BLOCK;
    readBlock(image, facts, inode, at, inner.has(logical), entries);
  }
  return entries;
}

function readBlock(
  image: Image,
  facts: Facts,
  inode: InodeFacts,
  at: number,
  inner: boolean,
  entries: Entry[],
): void {
  const hasTail = facts.checksums && !inner;
  if (hasTail) {
    const tail = at + BLOCK - 12;
    const isTail = image.u32(tail) === 0 && image.u16(tail + 4) === 12 && image.u16(tail + 6) === 0xde00;
    if (!isTail) image.report(inode.place, "a directory block has no place for its checksum");
    else if (image.crc(inodeSeed(facts, inode), at, BLOCK - 12) !== image.u32(tail + 8)) {
      image.report(inode.place, "the checksum of a directory block is wrong");
    }
  }
  const end = hasTail ? at + BLOCK - 12 : at + BLOCK;
  let here = at;
  while (here < end) {
    const length = image.u16(here + 4);
    const name = image.u8(here + 6);
    if (length < 12 || length % 4 !== 0 || here + length > end || 8 + name > length) {
      image.report(inode.place, `a directory entry has ${length} bytes for a name of ${name}`);
      return;
    }
    const target = image.u32(here);
    if (target !== 0) {
      const bytes = image.bytes(here + 8, name);
      entries.push({ inode: target, type: image.u8(here + 7), name: String.fromCharCode(...bytes) });
    }
    here += length;
  }
}

/** The directory's blocks that are nodes of its hash tree, root included. */
function readHashTree(
  image: Image,
  facts: Facts,
  inode: InodeFacts,
  blocks: ReadonlyMap<number, number>,
): Set<number> {
  const inner = new Set<number>();
  const leaves = new Set<number>();
  const root = blocks.get(0);
  if (root === undefined) return inner;
  const levels = image.u8(root * BLOCK + 0x1e);
  const wrong = (message: string): void => image.report(inode.place, `its hash tree: ${message}`);
  if (levels > 1 || image.u8(root * BLOCK + 0x1d) !== 8) {
    wrong(`the root claims ${levels} levels below it`);
    return inner;
  }
  const visit = (logical: number, level: number): void => {
    const block = blocks.get(logical);
    if (block === undefined) return wrong(`block ${logical} is not in the directory`);
    if (level < 0) {
      if (leaves.has(logical)) wrong(`block ${logical} is a leaf twice`);
      leaves.add(logical);
      return undefined;
    }
    if (inner.has(logical)) return wrong(`block ${logical} is a node twice`);
    inner.add(logical);
    const at = block * BLOCK;
    const table = at + (logical === 0 ? 0x20 : 8);
    const room = Math.floor((at + BLOCK - table - (facts.checksums ? 8 : 0)) / 8);
    const [limit, count] = [image.u16(table), image.u16(table + 2)];
    if (limit !== room || count > limit || count === 0)
      return wrong(`a node has ${count} entries of ${limit}`);
    if (
      facts.checksums &&
      nodeSum(image, facts, inode, at, table, limit, count) !== image.u32(table + limit * 8 + 4)
    ) {
      wrong(`the checksum of block ${logical} is wrong`);
    }
    for (let index = 0; index < count; index++)
      visit(image.u32(table + index * 8 + 4) & 0x0fff_ffff, level - 1);
    return undefined;
  };
  visit(0, levels);
  if (inner.size + leaves.size !== blocks.size) wrong("not every block of the directory is in it");
  return inner;
}

function nodeSum(
  image: Image,
  facts: Facts,
  inode: InodeFacts,
  at: number,
  table: number,
  limit: number,
  count: number,
): number {
  const crc = image.crc(inodeSeed(facts, inode), at, table + count * 8 - at);
  return crc32cNumber(image.crc(crc, table + limit * 8, 4), 0);
}
