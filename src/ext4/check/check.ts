// A check of the file system as it lies on the media, for the promise that it stays consistent.
//
// Verified: the superblock, descriptors and their checksums; every inode in use with its checksum and block
// map; that no block has two owners; i_blocks; sizes; directories with their checksums and hash trees; link
// counts; bitmaps and free counts; the orphan list and the orphan file.
// Not verified: backups of the superblock, the journal's contents, extended attributes, quotas, times, the
// order of names in hash trees.  e2fsck is the second witness.

import type { Memory } from "../../machine/memory.ts";
import { readDirectory, type Entry } from "./directory.ts";
import {
  bitOf,
  checkBlockBitmaps,
  checkInodeBitmaps,
  claimMetadata,
  METADATA,
  readGroups,
  type Group,
} from "./groups.ts";
import { BLOCK, Image, readFacts, type Facts, type Problem } from "./image.ts";
import { readOrphans } from "./orphans.ts";
import {
  DIRECTORY,
  readInode,
  readMap,
  REGULAR,
  RESIZE_INODE,
  sumIsRight,
  SYMLINK,
  TYPE,
  type InodeFacts,
  type Piece,
} from "./inode.ts";

export type { Problem };

const ROOT = 2;
/** The link count of a directory with too many subdirectories to count (dir_nlink). */
const UNCOUNTED = 1;
const MAX_LINKS = 65_000;

interface Check {
  readonly image: Image;
  readonly facts: Facts;
  readonly groups: readonly Group[];
  readonly owners: Uint32Array;
  readonly used: Map<number, InodeFacts>; // inodes in use, reserved ones included
  readonly orphans: Set<number>;
  readonly directories: Map<number, Entry[]>;
  readonly sharedAttributes: Set<number>;
}

/** What is wrong with the file system on the media; nothing, when it is consistent. */
export function check(mem: Memory): Problem[] {
  const image = new Image(mem);
  const facts = readFacts(image);
  const groups = facts === undefined ? undefined : readGroups(image, facts);
  if (facts === undefined || groups === undefined) return image.problems;
  const owners = new Uint32Array(facts.blocks);
  claimMetadata(image, facts, groups, owners);
  const all: Check = {
    image,
    facts,
    groups,
    owners,
    used: new Map(),
    orphans: readOrphans(image, facts, groups),
    directories: new Map(),
    sharedAttributes: new Set(),
  };
  for (const group of groups) checkTable(all, group);
  checkLinks(all);
  checkBlockBitmaps(image, facts, groups, owners);
  checkInodeBitmaps(image, facts, groups, new Set(all.used.keys()), new Set(all.directories.keys()));
  return image.problems;
}

function checkTable(all: Check, group: Group): void {
  const { image, facts, groups } = all;
  if (group.inodesUninit) return;
  const first = group.number * facts.inodesPerGroup + 1;
  for (let index = 0; index < facts.inodesPerGroup; index++) {
    const number = first + index;
    const marked = bitOf(image, group.inodeBitmap, index);
    if (index >= facts.inodesPerGroup - group.unused) {
      if (marked)
        image.report(`inode ${number}`, "it is marked used in the part of the table that counts as unused");
      continue;
    }
    const inode = readInode(image, facts, groups, number);
    const reserved = number < facts.firstInode;
    if (!marked && inode.links === 0) continue;
    if (facts.checksums && !sumIsRight(image, facts, inode))
      image.report(inode.place, "its checksum is wrong");
    if (inode.links === 0 && !reserved && !all.orphans.has(number)) {
      image.report(inode.place, "it is marked used, has no links, and is not on the orphan list");
      continue;
    }
    all.used.set(number, inode);
    if (inode.mode !== 0) checkInode(all, inode);
    else if (!reserved) image.report(inode.place, "it is in use and has no type");
  }
}

function claim(all: Check, inode: InodeFacts, start: number, length: number): void {
  const { image, owners } = all;
  for (let block = start; block < start + length; block++) {
    const owner = owners[block];
    owners[block] = owner === 0 ? inode.number : (owner as number);
    if (owner === 0) continue;
    if (owner === METADATA) image.report(inode.place, `its block ${block} is the file system's own`);
    else if (owner === inode.number) image.report(inode.place, `it has block ${block} twice`);
    else image.report(inode.place, `its block ${block} is inode ${owner}'s as well`);
    return; // once for a run: a damaged tree could claim the whole media, over and over
  }
}

function checkInode(all: Check, inode: InodeFacts): void {
  const { image, facts } = all;
  const map = readMap(image, facts, inode);
  let blocks = 0;
  for (const node of map.nodes) {
    if (node === 0 || node >= facts.blocks) continue;
    claim(all, inode, node, 1);
    blocks += 1;
  }
  for (const piece of map.pieces) {
    claim(all, inode, piece.physical, piece.length);
    blocks += piece.length;
  }
  blocks += claimAttributes(all, inode);
  if (inode.number !== RESIZE_INODE && inode.blocks !== blocks * (BLOCK / 512)) {
    image.report(inode.place, `its i_blocks is ${inode.blocks}, its blocks are ${blocks * (BLOCK / 512)}`);
  }
  const type = inode.mode & TYPE;
  if (type === REGULAR && inode.number !== RESIZE_INODE) checkSize(image, inode, map.pieces);
  // A directory that was removed has names still, "." and "..", but they count no more.
  if (type === DIRECTORY) {
    const removed = inode.links === 0 && all.orphans.has(inode.number);
    all.directories.set(inode.number, removed ? [] : readDirectory(image, facts, inode, map.pieces));
  }
  if (![DIRECTORY, REGULAR, SYMLINK, 0x1000, 0x2000, 0x6000, 0xc000].includes(type)) {
    image.report(inode.place, `it has an unknown type: mode 0${inode.mode.toString(8)}`);
  }
}

/** Blocks that the inode's extended attributes count for: files may share one, and each counts it. */
function claimAttributes(all: Check, inode: InodeFacts): number {
  const block = inode.attributes;
  if (block === 0) return 0;
  if (block >= all.facts.blocks) {
    all.image.report(inode.place, `its extended attributes lie outside the file system, at ${block}`);
    return 0;
  }
  if (!all.sharedAttributes.has(block)) claim(all, inode, block, 1);
  all.sharedAttributes.add(block);
  return 1;
}

/** Unwritten blocks may lie behind the end of a file; written ones may not. */
function checkSize(image: Image, inode: InodeFacts, pieces: readonly Piece[]): void {
  const last = pieces.findLast((piece) => !piece.unwritten);
  if (last !== undefined && inode.size < (last.logical + last.length - 1) * BLOCK) {
    image.report(
      inode.place,
      `its size is ${inode.size}, its last written block ${last.logical + last.length - 1}`,
    );
  }
}

/** By file type, what a directory entry says of its inode. */
const entryTypes: Record<number, number> = {
  0x8000: 1,
  0x4000: 2,
  0x2000: 3,
  0x6000: 4,
  0x1000: 5,
  0xc000: 6,
  0xa000: 7,
};

function checkLinks(all: Check): void {
  const { image, facts, used, directories } = all;
  const links = new Map<number, number>();
  const parents = new Map<number, number>();
  for (const [directory, entries] of directories) {
    const names = new Set<string>();
    for (const [index, entry] of entries.entries()) {
      const place = `inode ${directory}, entry "${entry.name}"`;
      const target = used.get(entry.inode);
      links.set(entry.inode, (links.get(entry.inode) ?? 0) + 1);
      if (names.has(entry.name)) image.report(place, "the name is there twice");
      names.add(entry.name);
      if (entry.name === "" || entry.name.includes("/") || entry.name.includes("\0")) {
        image.report(place, "the name cannot be");
      }
      if (index < 2 && entry.name !== [".", ".."][index]) {
        image.report(place, `the first entries are not "." and ".."`);
      }
      if (target === undefined) {
        image.report(place, `it names inode ${entry.inode}, which is not in use`);
        continue;
      }
      if ((facts.incompat & 2) !== 0 && entry.type !== entryTypes[target.mode & TYPE]) {
        image.report(place, `it says type ${entry.type}, the inode's mode is 0${target.mode.toString(8)}`);
      }
      if (index < 2 || !directories.has(entry.inode)) continue;
      if (parents.has(entry.inode)) image.report(place, `directory ${entry.inode} has two names`);
      parents.set(entry.inode, directory);
    }
  }
  checkParents(all, parents);
  for (const [number, inode] of used) {
    if (number < facts.firstInode && number !== ROOT) continue;
    // The orphan file counts the superblock's word as a link.
    const found = (links.get(number) ?? 0) + (number === facts.orphanFile ? 1 : 0);
    const uncounted = inode.links === UNCOUNTED && found > MAX_LINKS;
    if (found !== inode.links && !uncounted) {
      image.report(inode.place, `its link count is ${inode.links}, it has ${found} names`);
    }
  }
}

function checkParents(all: Check, parents: ReadonlyMap<number, number>): void {
  for (const [directory, entries] of all.directories) {
    const parent = directory === ROOT ? ROOT : parents.get(directory);
    const place = `inode ${directory}`;
    if (parent === undefined && all.orphans.has(directory)) continue;
    if (parent === undefined) all.image.report(place, "a directory without a name");
    else if (entries[1]?.inode !== parent) {
      all.image.report(place, `its ".." is inode ${entries[1]?.inode ?? 0}, its parent ${parent}`);
    }
    if (entries[0]?.inode !== directory) all.image.report(place, `its "." is another inode`);
  }
}
