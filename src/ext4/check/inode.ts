// One inode: its fields, its checksum, and the blocks it maps, by extent tree or by the old block map.

import { crc32cNumber, crc32cTwoZeros } from "../media/checksum.ts";
import type { Group } from "./groups.ts";
import { BLOCK, type Facts, type Image } from "./image.ts";

/** A run of blocks of a file; in blocks of 4096 bytes. */
export interface Piece {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly unwritten: boolean;
}

export interface InodeFacts {
  readonly number: number;
  readonly place: string;
  readonly offset: number; // where it lies on the media
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly blocks: number; // in units of 512 bytes
  readonly flags: number;
  readonly generation: number;
  readonly deleted: number; // i_dtime
  readonly attributes: number; // the block with extended attributes, or 0
}

export const TYPE = 0xf000;
export const DIRECTORY = 0x4000;
export const REGULAR = 0x8000;
export const SYMLINK = 0xa000;
const EXTENTS = 0x8_0000;
const HUGE = 0x4_0000;
const INLINE = 0x1000_0000;
export const RESIZE_INODE = 7;

/** An inode's fields; the number is in range. */
export function readInode(image: Image, facts: Facts, groups: readonly Group[], number: number): InodeFacts {
  const group = groups[Math.floor((number - 1) / facts.inodesPerGroup)] as Group;
  const offset = group.inodeTable * BLOCK + ((number - 1) % facts.inodesPerGroup) * facts.inodeSize;
  const flags = image.u32(offset + 0x20);
  const units = image.u32(offset + 0x1c) + image.u16(offset + 0x74) * 2 ** 32;
  return {
    number,
    place: `inode ${number}`,
    offset,
    mode: image.u16(offset),
    links: image.u16(offset + 0x1a),
    size: image.u32(offset + 0x4) + image.u32(offset + 0x6c) * 2 ** 32,
    blocks: (flags & HUGE) === 0 ? units : units * 8,
    flags,
    generation: image.u32(offset + 0x64),
    deleted: image.u32(offset + 0x14),
    attributes: image.u32(offset + 0x68),
  };
}

export function inodeSeed(facts: Facts, inode: InodeFacts): number {
  return crc32cNumber(crc32cNumber(facts.seed, inode.number), inode.generation);
}

/** Whether an inode's checksum is right. */
export function sumIsRight(image: Image, facts: Facts, inode: InodeFacts): boolean {
  const at = inode.offset;
  let crc = crc32cTwoZeros(image.crc(inodeSeed(facts, inode), at, 0x7c));
  crc = image.crc(crc, at + 0x7e, 2);
  const low = image.u16(at + 0x7c);
  if (facts.inodeSize === 128) return (crc & 0xffff) === low;
  if (image.u16(at + 0x80) < 4) {
    return (image.crc(crc, at + 0x80, facts.inodeSize - 0x80) & 0xffff) === low;
  }
  crc = crc32cTwoZeros(image.crc(crc, at + 0x80, 2));
  crc = image.crc(crc, at + 0x84, facts.inodeSize - 0x84);
  return crc === low + image.u16(at + 0x82) * 0x10000;
}

/** What the inode maps: data in order, and the blocks that the map itself takes. */
export interface BlockMap {
  readonly pieces: Piece[];
  readonly nodes: number[];
}

/** Whether the inode has a map at all: devices and short symlinks keep other things in its place. */
export function hasMap(inode: InodeFacts): boolean {
  const type = inode.mode & TYPE;
  if (type === SYMLINK) return (inode.flags & EXTENTS) !== 0 || inode.size >= 60;
  return type === DIRECTORY || type === REGULAR;
}

/** Reads the map; what is wrong with it is reported, and that part is left out. */
export function readMap(image: Image, facts: Facts, inode: InodeFacts): BlockMap {
  const map: BlockMap = { pieces: [], nodes: [] };
  if (!hasMap(inode)) return map;
  if ((inode.flags & INLINE) !== 0) image.report(inode.place, "its data is inline, which is not supported");
  else if (inode.number === RESIZE_INODE) map.nodes.push(image.u32(inode.offset + 0x28 + 13 * 4));
  else if ((inode.flags & EXTENTS) === 0) readOldMap(image, facts, inode, map);
  else {
    const walk: Walk = { image, facts, inode, map, seen: new Set(), next: 0 };
    const depth = image.u16(inode.offset + 0x28 + 6);
    if (depth > 5) image.report(inode.place, `its extent tree claims a depth of ${depth}`);
    else readNode(walk, inode.offset + 0x28, 4, depth, undefined);
  }
  return map;
}

interface Walk {
  readonly image: Image;
  readonly facts: Facts;
  readonly inode: InodeFacts;
  readonly map: BlockMap;
  readonly seen: Set<number>;
  next: number; // the first file block that a following extent may have
}

/** `first` is the file block that the parent says the node starts with. */
function readNode(walk: Walk, at: number, capacity: number, depth: number, first: number | undefined): void {
  const { image, inode } = walk;
  const [entries, max] = [image.u16(at + 2), image.u16(at + 4)];
  const wrong = (message: string): void => image.report(inode.place, `its extent tree: ${message}`);
  if (image.u16(at) !== 0xf30a) return wrong(`a node at depth ${depth} has no magic number`);
  if (max > capacity || max === 0) return wrong(`a node at depth ${depth} claims room for ${max} entries`);
  if (entries > max) return wrong(`a node at depth ${depth} has ${entries} entries of ${max}`);
  if (image.u16(at + 6) !== depth) return wrong(`a node says depth ${image.u16(at + 6)} at depth ${depth}`);
  if (entries === 0 && first !== undefined) return wrong("a node below the root is empty");
  if (first !== undefined && image.u32(at + 12) !== first) {
    wrong(`a node starts at block ${image.u32(at + 12)}, its parent says ${first}`);
  }
  for (let index = 0; index < entries; index++) {
    const entry = at + 12 + index * 12;
    if (depth === 0) readExtent(walk, entry, wrong);
    else readIndex(walk, entry, depth, wrong);
  }
}

function readExtent(walk: Walk, entry: number, wrong: (message: string) => void): void {
  const { image, facts, map } = walk;
  const logical = image.u32(entry);
  const raw = image.u16(entry + 4);
  const unwritten = raw > 32_768;
  const length = unwritten ? raw - 32_768 : raw;
  const physical = image.u32(entry + 8);
  const high = image.u16(entry + 6);
  if (length === 0) return wrong(`the extent at block ${logical} is empty`);
  if (logical < walk.next) return wrong(`the extent at block ${logical} overlaps one before it`);
  if (logical + length > 0xffff_ffff)
    return wrong(`the extent at block ${logical} ends beyond the largest file`);
  if (high !== 0 || physical === 0 || physical + length > facts.blocks) {
    return wrong(`the extent at block ${logical} lies outside the file system, at ${physical}`);
  }
  walk.next = logical + length;
  map.pieces.push({ logical, physical, length, unwritten });
}

function readIndex(walk: Walk, entry: number, depth: number, wrong: (message: string) => void): void {
  const { image, facts, inode, map } = walk;
  const first = image.u32(entry);
  const child = image.u32(entry + 4);
  if (image.u16(entry + 8) !== 0 || child === 0 || child >= facts.blocks) {
    return wrong(`the node for block ${first} lies outside the file system, at ${child}`);
  }
  if (first < walk.next) wrong(`the node for block ${first} overlaps one before it`);
  if (walk.seen.has(child)) return wrong(`block ${child} is a node twice`);
  walk.seen.add(child);
  map.nodes.push(child);
  const at = child * BLOCK;
  const max = image.u16(at + 4);
  if (facts.checksums && max <= 340) {
    const length = 12 + max * 12;
    if (image.crc(inodeSeed(facts, inode), at, length) !== image.u32(at + length)) {
      wrong(`the checksum of the node in block ${child} is wrong`);
    }
  }
  return readNode(walk, at, 340, depth - 1, first);
}

/** kernel: the map of ext2, with one, two and three levels of indirection. */
function readOldMap(image: Image, facts: Facts, inode: InodeFacts, map: BlockMap): void {
  const seen = new Set<number>();
  let logical = 0;
  const add = (block: number, level: number): void => {
    const covers = 1024 ** level;
    if (block === 0) logical += covers;
    else if (block >= facts.blocks) {
      image.report(inode.place, `its block map points to block ${block}, outside the file system`);
      logical += covers;
    } else if (level === 0) {
      map.pieces.push({ logical, physical: block, length: 1, unwritten: false });
      logical += 1;
    } else if (seen.has(block)) image.report(inode.place, `its block map has block ${block} twice`);
    else {
      seen.add(block);
      map.nodes.push(block);
      for (let index = 0; index < 1024; index++) add(image.u32(block * BLOCK + index * 4), level - 1);
    }
  };
  for (let index = 0; index < 15; index++)
    add(image.u32(inode.offset + 0x28 + index * 4), Math.max(0, index - 11));
}

/** Whether an inode's number lies in the part of a table that counts as never used. */
export function neverUsed(facts: Facts, groups: readonly Group[], number: number): boolean {
  const group = groups[Math.floor((number - 1) / facts.inodesPerGroup)] as Group;
  return group.inodesUninit || (number - 1) % facts.inodesPerGroup >= facts.inodesPerGroup - group.unused;
}
