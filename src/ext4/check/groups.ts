// Group descriptors and bitmaps: checksums, places, and whether the bitmaps say what is really used.

import { crc16, crc16Number, crc32cNumber, crc32cTwoZeros } from "../media/checksum.ts";
import { BLOCK, type Facts, type Image } from "./image.ts";

export interface Group {
  readonly number: number;
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly directories: number;
  readonly blocksUninit: boolean;
  readonly inodesUninit: boolean;
  readonly unused: number; // inodes at the table's end that were never used
  readonly blockSum: number; // as many bits as the descriptor has room for
  readonly inodeSum: number;
}

/** Who owns each block: 0 nobody, METADATA the file system, else an inode. */
export const METADATA = 0xffff_ffff;

const wideBits = (facts: Facts): boolean => facts.descriptorSize >= 64;

/** All descriptors; undefined, with a problem, when one of them points out of the file system. */
export function readGroups(image: Image, facts: Facts): Group[] | undefined {
  const groups: Group[] = [];
  for (let number = 0; number < facts.groups; number++) {
    const at = BLOCK + number * facts.descriptorSize;
    const place = `group ${number}`;
    if (facts.groupChecksums && image.u16(at + 0x1e) !== sumOf(image, facts, number, at)) {
      image.report(place, "its descriptor's checksum is wrong");
    }
    const wide = wideBits(facts);
    const flags = facts.groupChecksums ? image.u16(at + 0x12) : 0;
    const group: Group = {
      number,
      blockBitmap: image.u32(at),
      inodeBitmap: image.u32(at + 4),
      inodeTable: image.u32(at + 8),
      freeBlocks: image.u16(at + 0xc),
      freeInodes: image.u16(at + 0xe),
      directories: image.u16(at + 0x10),
      inodesUninit: (flags & 1) !== 0,
      blocksUninit: (flags & 2) !== 0,
      unused: facts.groupChecksums ? image.u16(at + 0x1c) : 0,
      blockSum: image.u16(at + 0x18) + (wide ? image.u16(at + 0x38) * 0x10000 : 0),
      inodeSum: image.u16(at + 0x1a) + (wide ? image.u16(at + 0x3a) * 0x10000 : 0),
    };
    const last = facts.blocks - 1;
    const end = group.inodeTable + tableBlocks(facts) - 1;
    if (group.blockBitmap > last || group.inodeBitmap > last || end > last) {
      image.report(place, "its descriptor points beyond the file system's end");
      return undefined;
    }
    if (group.unused > facts.inodesPerGroup) {
      image.report(place, `it counts ${group.unused} unused inodes of ${facts.inodesPerGroup}`);
      return undefined;
    }
    groups.push(group);
  }
  return groups;
}

function sumOf(image: Image, facts: Facts, number: number, at: number): number {
  if (facts.checksums) {
    const crc = crc32cTwoZeros(image.crc(crc32cNumber(facts.seed, number), at, 0x1e));
    return image.crc(crc, at + 0x20, facts.descriptorSize - 0x20) & 0xffff;
  }
  const seed = crc16Number(crc16(image.mem, 0xffff, image.start + 1024 + 0x68, 16), number);
  const crc = crc16(image.mem, seed, image.start + at, 0x1e);
  return crc16(image.mem, crc, image.start + at + 0x20, facts.descriptorSize - 0x20);
}

function tableBlocks(facts: Facts): number {
  return Math.ceil((facts.inodesPerGroup * facts.inodeSize) / BLOCK);
}

/** Blocks at a group's start that hold copies of superblock and descriptors. */
function baseBlocks(facts: Facts, group: number): number {
  const whole = 1 + facts.descriptorBlocks + facts.reservedBlocks;
  if (group === 0) return whole;
  if ((facts.compat & 0x200) !== 0) return facts.backups.includes(group) ? whole : 0;
  if ((facts.readOnly & 1) === 0) return whole;
  return [3, 5, 7].some((base) => isPower(group, base)) ? whole : 0;
}

function isPower(value: number, base: number): boolean {
  let power = 1;
  while (power < value) power *= base;
  return power === value;
}

/** Claims the file system's own structures. */
export function claimMetadata(
  image: Image,
  facts: Facts,
  groups: readonly Group[],
  owners: Uint32Array,
): void {
  const claim = (start: number, length: number, what: string): void => {
    for (let block = start; block < start + length && block < facts.blocks; block++) {
      if (owners[block] !== 0) image.report(what, `block ${block} is another structure's as well`);
      owners[block] = METADATA;
    }
  };
  for (const group of groups) {
    const place = `group ${group.number}`;
    claim(group.number * facts.blocksPerGroup, baseBlocks(facts, group.number), place);
    claim(group.blockBitmap, 1, `${place}, block bitmap`);
    claim(group.inodeBitmap, 1, `${place}, inode bitmap`);
    claim(group.inodeTable, tableBlocks(facts), `${place}, inode table`);
  }
}

/** Whether bit `index` of the bitmap in a block is set. */
export function bitOf(image: Image, block: number, index: number): boolean {
  return ((image.u8(block * BLOCK + (index >>> 3)) >>> (index & 7)) & 1) === 1;
}

/** Compares a bitmap with what is used: `used(index)`, up to `count`; the rest of the block must be ones. */
function compare(
  image: Image,
  block: number,
  count: number,
  place: string,
  what: string,
  used: (index: number) => boolean,
): void {
  const wrong: string[] = [];
  let total = 0;
  for (let index = 0; index < count; index++) {
    const set = bitOf(image, block, index);
    if (set === used(index)) continue;
    total += 1;
    if (wrong.length < 8)
      wrong.push(`${index} is ${set ? "marked used but free" : "in use but marked free"}`);
  }
  if (total > 0) image.report(place, `its ${what} bitmap differs in ${total} bits: ${wrong.join(", ")}`);
  const end = firstClear(image, block, count);
  if (end < BLOCK * 8) image.report(place, `its ${what} bitmap's unused end is not all ones, at bit ${end}`);
}

/** The first bit from one on that is not set; of a small group's bitmap nearly all is its end, of ones. */
function firstClear(image: Image, block: number, from: number): number {
  for (let index = from; index < BLOCK * 8; index++) {
    if (index % 32 === 0 && image.u32(block * BLOCK + (index >>> 3)) === 0xffff_ffff) index += 31;
    else if (!bitOf(image, block, index)) return index;
  }
  return BLOCK * 8;
}

/** Bitmaps, their checksums and the counts of blocks, against the owners that were found. */
export function checkBlockBitmaps(
  image: Image,
  facts: Facts,
  groups: readonly Group[],
  owners: Uint32Array,
): void {
  let free = 0;
  for (const group of groups) {
    const place = `group ${group.number}`;
    const first = group.number * facts.blocksPerGroup;
    const count = Math.min(facts.blocksPerGroup, facts.blocks - first);
    let unowned = 0;
    for (let block = first; block < first + count; block++) if (owners[block] === 0) unowned += 1;
    free += unowned;
    if (unowned !== group.freeBlocks) {
      image.report(place, `its descriptor counts ${group.freeBlocks} free blocks, ${unowned} are free`);
    }
    if (group.blocksUninit) {
      const stray = owners.subarray(first, first + count).find((owner) => owner !== 0 && owner !== METADATA);
      if (stray !== undefined)
        image.report(place, `inode ${stray} has blocks in it, and its bitmap is not initialised`);
      continue;
    }
    const sum = image.crc(facts.seed, group.blockBitmap * BLOCK, facts.blocksPerGroup >>> 3);
    if (facts.checksums && truncated(facts, sum) !== group.blockSum) {
      image.report(place, "its block bitmap's checksum is wrong");
    }
    compare(image, group.blockBitmap, count, place, "block", (index) => owners[first + index] !== 0);
  }
  if (free !== facts.freeBlocks) {
    image.report("superblock", `it counts ${facts.freeBlocks} free blocks, ${free} are free`);
  }
}

const truncated = (facts: Facts, sum: number): number => (wideBits(facts) ? sum : sum & 0xffff);

/** The same for inodes; `used` are those in use, `directories` those of them that are directories. */
export function checkInodeBitmaps(
  image: Image,
  facts: Facts,
  groups: readonly Group[],
  used: ReadonlySet<number>,
  directories: ReadonlySet<number>,
): void {
  const inUse = Array.from({ length: facts.groups }, () => 0);
  const inDirectories = Array.from({ length: facts.groups }, () => 0);
  const groupOf = (inode: number): number => Math.floor((inode - 1) / facts.inodesPerGroup);
  for (const inode of used) (inUse[groupOf(inode)] as number) += 1;
  for (const inode of directories) (inDirectories[groupOf(inode)] as number) += 1;
  for (const group of groups) {
    const place = `group ${group.number}`;
    const free = facts.inodesPerGroup - (inUse[group.number] as number);
    if (free !== group.freeInodes) {
      image.report(place, `its descriptor counts ${group.freeInodes} free inodes, ${free} are free`);
    }
    if (inDirectories[group.number] !== group.directories) {
      image.report(
        place,
        `its descriptor counts ${group.directories} directories, it has ${inDirectories[group.number]}`,
      );
    }
    if (group.inodesUninit) continue;
    const sum = image.crc(facts.seed, group.inodeBitmap * BLOCK, facts.inodesPerGroup >>> 3);
    if (facts.checksums && truncated(facts, sum) !== group.inodeSum) {
      image.report(place, "its inode bitmap's checksum is wrong");
    }
    const first = group.number * facts.inodesPerGroup + 1;
    compare(image, group.inodeBitmap, facts.inodesPerGroup, place, "inode", (index) =>
      used.has(first + index),
    );
  }
  const free = facts.groups * facts.inodesPerGroup - used.size;
  if (free !== facts.freeInodes) {
    image.report("superblock", `it counts ${facts.freeInodes} free inodes, ${free} are free`);
  }
}
