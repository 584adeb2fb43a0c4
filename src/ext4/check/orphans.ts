// Orphans, as the media notes them: the list from the superblock on, and the orphan file.

import type { Memory } from "../../machine/memory.ts";
import { crc32cNumber } from "../media/checksum.ts";
import { readGroups, type Group } from "./groups.ts";
import { BLOCK, Image, readFacts, type Facts } from "./image.ts";
import { inodeSeed, neverUsed, readInode, readMap, type InodeFacts } from "./inode.ts";

const MAGIC = 0x0b10ca04;
const ORPHAN_PRESENT = 0x10000;

/** The inodes that the media notes as orphans. */
export function orphansOn(mem: Memory): ReadonlySet<number> {
  const image = new Image(mem);
  const facts = readFacts(image);
  const groups = facts === undefined ? undefined : readGroups(image, facts);
  return facts === undefined || groups === undefined ? new Set() : readOrphans(image, facts, groups);
}

/** The same, and what is wrong with how they are noted. */
export function readOrphans(image: Image, facts: Facts, groups: readonly Group[]): Set<number> {
  const orphans = new Set(readOrphanFile(image, facts, groups));
  for (let number = facts.lastOrphan; number !== 0;) {
    if (!canBe(facts, groups, number)) {
      image.report("orphan list", `it names inode ${number}, which cannot be`);
      break;
    }
    if (orphans.has(number)) {
      image.report("orphan list", `it comes back to inode ${number}`);
      break;
    }
    orphans.add(number);
    number = readInode(image, facts, groups, number).deleted;
  }
  return orphans;
}

/** Whether an inode can be an orphan. */
function canBe(facts: Facts, groups: readonly Group[], number: number): boolean {
  const last = facts.groups * facts.inodesPerGroup;
  return number <= last && number >= facts.firstInode && !neverUsed(facts, groups, number);
}

function readOrphanFile(image: Image, facts: Facts, groups: readonly Group[]): number[] {
  if (facts.orphanFile === 0) return [];
  const place = "orphan file";
  if (!canBe(facts, groups, facts.orphanFile)) {
    image.report(place, `it is inode ${facts.orphanFile}, which cannot be`);
    return [];
  }
  const file = readInode(image, facts, groups, facts.orphanFile);
  // What is wrong with its map is said where all inodes are looked at.
  const { pieces } = readMap(new Image(image.mem), facts, file);
  const found = pieces.flatMap(({ physical, length }) =>
    Array.from({ length }, (_, index) => readBlock(image, facts, file, physical + index)).flat(),
  );
  if (found.length > 0 && (facts.readOnly & ORPHAN_PRESENT) === 0)
    image.report(place, `it names inode ${found[0]}, and the superblock says that it names none`);
  return found.filter((number) => {
    const good = number !== file.number && canBe(facts, groups, number);
    if (!good) image.report(place, `it names inode ${number}, which cannot be`);
    return good;
  });
}

/** The inodes that a block of the file names. */
function readBlock(image: Image, facts: Facts, file: InodeFacts, block: number): number[] {
  const at = block * BLOCK;
  const length = BLOCK - 8;
  if (image.u32(at + length) !== MAGIC) {
    image.report("orphan file", `its block ${block} has no magic number`);
    return [];
  }
  const seed = crc32cNumber(crc32cNumber(inodeSeed(facts, file), block), 0);
  if (facts.checksums && image.crc(seed, at, length) !== image.u32(at + length + 4))
    image.report("orphan file", `the checksum of its block ${block} is wrong`);
  const words = Array.from({ length: length / 4 }, (_, index) => image.u32(at + index * 4));
  return words.filter((number) => number !== 0);
}
