// How many blocks of metadata the operations on a tree change at most: what `journalStart` is asked for.  It depends
// on the file system's sizes alone, and is computed when they become known.

import { struct, u32, type ViewOf } from "../../machine/struct.ts";
import type { SuperBlock } from "../super.ts";
import { blockEntries, MAX_DEPTH } from "../media/extent.ts";

/** What a handle asks for, in blocks of metadata, by what it does. */
export const Credits = struct("credits", {
  allocate: u32, // one allocateExtent
  convert: u32, // one convertExtent of a range that lies in at most CONVERTED_LEAVES leaves: thousands of extents
  remove: u32, // one removeExtents, of any size
  inode: u32, // fields of one inode: size, times
  orphan: u32, // onto the orphan list, or off it
  newInode: u32, // an inode taken from its group, and filled
  addName: u32, // a name added: the leaf of an indexed directory and its node may both be halved
  freeInode: u32, // an inode given back
});
export type Credits = ViewOf<typeof Credits>;

const CONVERTED_LEAVES = 16;

/** Credits of one operation each; a handle for several asks for their sum. */
export function creditsFor(sb: SuperBlock): Credits {
  return sb.credits;
}

/** At mount: the superblock has been read. */
export function countCredits(sb: SuperBlock): void {
  Object.assign(sb.credits, creditsOf(sb));
}

type Sizes = Pick<SuperBlock, "blockSize" | "blockCount" | "groupCount" | "descriptorBlocks">;

/** What `creditsFor` says of a file system of such sizes. */
export function creditsOf(sb: Sizes): Omit<Credits, "mem" | "at"> {
  // The bitmaps and descriptors of all groups that an operation can take from or give to, and the superblock.
  const space = (groups: number): number =>
    Math.min(groups, sb.groupCount) + Math.min(groups, sb.descriptorBlocks) + 1;
  // A leaf that must grow: on each level the node and its new neighbour, and the new root's child.
  const grow = 2 * MAX_DEPTH + 1;
  const allocate = grow + space(grow + 1) + 1;
  return {
    allocate,
    // Both ends of the range may split an extent; what lies between only changes its kind.
    convert: 2 * grow + CONVERTED_LEAVES + space(2 * grow) + 1,
    // Growing for the cut; two leaves that keep something, with the indexes above them; and index nodes that
    // lose entry after entry.  Emptied leaves cost nothing: they are freed, not written.
    remove: grow + 2 * MAX_DEPTH + fullIndexes(sb) + space(sb.groupCount) + 1,
    inode: 1,
    orphan: 3,
    newInode: space(1) + 1,
    addName: 2 * allocate + 6,
    freeInode: space(1) + 1,
  };
}

/** Index nodes that a file of single blocks has, half full as splits leave them. */
function fullIndexes(sb: Sizes): number {
  return Math.ceil(sb.blockCount / (blockEntries(sb.blockSize) / 2) ** 2);
}
