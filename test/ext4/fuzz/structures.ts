// Where the structures of an image lie, so that each kind is damaged as often as any other, and how each gets
// its checksum right again.  Found with the checker's parser, which shares no code with the mount.

import { Image, readFacts, type Facts } from "../../../src/ext4/check/image.ts";
import { readGroups, type Group } from "../../../src/ext4/check/groups.ts";
import {
  DIRECTORY,
  hasMap,
  readInode,
  readMap,
  TYPE,
  type InodeFacts,
} from "../../../src/ext4/check/inode.ts";
import { bitOf } from "../../../src/ext4/check/groups.ts";
import { crc32cNumber } from "../../../src/ext4/media/checksum.ts";
import { Compat } from "../../../src/ext4/media/features.ts";
import { groupSum, groupSum16, inodeSum, ownedSum, superBlockSum } from "../../../src/ext4/media/sums.ts";
import type { Memory } from "../../../src/machine/memory.ts";

const BLOCK = 4096;
const JOURNAL_INODE = 8;

export interface Structure {
  readonly kind: string;
  /** "group 0", "inode 12 in block 77". */
  readonly name: string;
  /** Its offset on the media, and its bytes. */
  readonly at: number;
  readonly length: number;
  /** Computes its checksum anew, where the format has one. */
  seal(): void;
}

/** All structures of the image on a machine's media. */
export function structuresOf(mem: Memory): Structure[] {
  const image = new Image(mem);
  const facts = readFacts(image);
  const groups = facts === undefined ? undefined : readGroups(image, facts);
  if (facts === undefined || groups === undefined) throw new Error("the undamaged image cannot be read");
  const found = [superBlock(image, facts)];
  for (const group of groups) found.push(...groupStructures(image, facts, group));
  for (const group of groups) {
    if (group.inodesUninit) continue;
    for (let index = 0; index < facts.inodesPerGroup; index++) {
      if (!bitOf(image, group.inodeBitmap, index)) continue;
      const number = group.number * facts.inodesPerGroup + index + 1;
      const inode = readInode(image, facts, groups, number);
      if (inode.mode !== 0) found.push(...inodeStructures(image, facts, inode));
    }
  }
  return found;
}

/** The bytes of the image's journal on a machine's media: offset and length of each piece; none without one. */
export function journalOf(mem: Memory): { at: number; length: number }[] {
  const image = new Image(mem);
  const facts = readFacts(image);
  const groups = facts === undefined ? undefined : readGroups(image, facts);
  if (facts === undefined || groups === undefined) throw new Error("the undamaged image cannot be read");
  if ((image.u32(1024 + 0x5c) & Compat.has_journal) === 0) return [];
  const { pieces } = readMap(image, facts, readInode(image, facts, groups, JOURNAL_INODE));
  return pieces.map(({ physical, length }) => ({ at: physical * BLOCK, length: length * BLOCK }));
}

function superBlock(image: Image, facts: Facts): Structure {
  return {
    kind: "superblock",
    name: "superblock",
    at: 1024,
    length: 1024,
    seal() {
      if (facts.checksums) put32(image, 1024 + 0x3fc, superBlockSum(image.mem, image.start + 1024));
    },
  };
}

function groupStructures(image: Image, facts: Facts, group: Group): Structure[] {
  const { number, blockBitmap, inodeBitmap } = group;
  const at = BLOCK + number * facts.descriptorSize;
  const sealGroup = (): void => {
    if (!facts.groupChecksums) return;
    const here = image.start + at;
    const sum = facts.checksums
      ? groupSum(image.mem, facts.seed, number, here, facts.descriptorSize)
      : groupSum16(image.mem, image.start + 1024 + 0x68, number, here, facts.descriptorSize);
    put16(image, at + 0x1e, sum);
  };
  const bitmap = (kind: string, block: number, bits: number, low: number, high: number): Structure => ({
    kind,
    name: `${kind} of group ${number}`,
    at: block * BLOCK,
    length: bits >>> 3,
    seal() {
      if (!facts.checksums) return;
      const sum = image.crc(facts.seed, block * BLOCK, bits >>> 3);
      put16(image, at + low, sum & 0xffff);
      if (facts.descriptorSize >= 64) put16(image, at + high, sum >>> 16);
      sealGroup();
    },
  });
  return [
    {
      kind: "group descriptor",
      name: `descriptor of group ${number}`,
      at,
      length: facts.descriptorSize,
      seal: sealGroup,
    },
    ...(group.blocksUninit ? [] : [bitmap("block bitmap", blockBitmap, facts.blocksPerGroup, 0x18, 0x38)]),
    ...(group.inodesUninit ? [] : [bitmap("inode bitmap", inodeBitmap, facts.inodesPerGroup, 0x1a, 0x3a)]),
  ];
}

function inodeStructures(image: Image, facts: Facts, inode: InodeFacts): Structure[] {
  const { number, offset, generation } = inode;
  const own: Structure = {
    kind: "inode",
    name: `inode ${number}`,
    at: offset,
    length: Math.min(160, facts.inodeSize),
    seal() {
      if (!facts.checksums) return;
      const sum = inodeSum(image.mem, facts.seed, number, image.start + offset, facts.inodeSize);
      put16(image, offset + 0x7c, sum & 0xffff);
      if (facts.inodeSize > 128) put16(image, offset + 0x82, sum >>> 16);
    },
  };
  if (!hasMap(inode) || number === 7) return [own];
  const { nodes, pieces } = readMap(image, facts, inode);
  const block = (kind: string, where: number, seal: (at: number) => void): Structure => ({
    kind,
    name: `${kind} of inode ${number} in block ${where}`,
    at: where * BLOCK,
    length: BLOCK,
    seal: () => facts.checksums && seal(where * BLOCK),
  });
  const owned = (at: number, length: number): number =>
    ownedSum(image.mem, facts.seed, number, generation, image.start + at, length);
  const all = [
    own,
    ...nodes.map((where) => block("extent node", where, (at) => put32(image, at + 4092, owned(at, 4092)))),
  ];
  if ((inode.mode & TYPE) !== DIRECTORY) return all;
  for (const { logical, physical, length } of pieces) {
    for (let index = 0; index < length; index++) {
      const at = (physical + index) * BLOCK;
      const table = hashTable(image, inode, logical + index, at);
      if (table < 0)
        all.push(block("directory block", physical + index, () => put32(image, at + 4092, owned(at, 4084))));
      else all.push(block("hash node", physical + index, () => sealHash(image, at, table, owned)));
    }
  }
  return all;
}

/** Where the entries of a hash node begin, -1 in what is none. */
function hashTable(image: Image, inode: InodeFacts, logical: number, at: number): number {
  if ((inode.flags & 0x1000) === 0) return -1;
  if (logical === 0) return 0x20;
  return image.u32(at) === 0 && image.u16(at + 4) === BLOCK ? 8 : -1;
}

function sealHash(
  image: Image,
  at: number,
  table: number,
  owned: (at: number, length: number) => number,
): void {
  const [limit, count] = [image.u16(at + table), image.u16(at + table + 2)];
  const tail = at + table + limit * 8;
  if (tail + 8 > at + BLOCK || count > limit) return;
  const sum = crc32cNumber(crc32cNumber(owned(at, table + count * 8), image.u32(tail)), 0);
  put32(image, tail + 4, sum);
}

function put16(image: Image, offset: number, value: number): void {
  image.mem.u16[(image.start + offset) >>> 1] = value;
}

function put32(image: Image, offset: number, value: number): void {
  image.mem.u32[(image.start + offset) >>> 2] = value;
}
