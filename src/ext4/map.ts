// What lies at a place in a file: the door to the extent tree for those who only look.

import { downRead, upRead } from "../locks/rwsem.ts";
import { note, Note } from "../machine/trace.ts";
import type { Inode } from "./inode.ts";
import { State, type Extent } from "./extents/extent.ts";
import { findExtent } from "./extents/find.ts";
import { knownExtent, knownMedia, rememberExtent } from "./extent-status.ts";

/**
 * What covers a file block, as it is at the moment; nothing keeps it so when this returns.  A hole reaches from
 * the block to the next extent.  Takes dataSem shared, unless the extent is known.  -EUCLEAN or -EFSBADCRC in a damaged
 * tree, -ENOMEM.
 *
 * kernel: ext4_map_blocks without EXT4_GET_BLOCKS_CREATE
 */
export function lookUp(inode: Inode, block: number): Extent | number {
  let found: Extent | number | undefined = knownExtent(inode.status, block);
  if (found === undefined) found = askTree(inode, block);
  if (typeof found !== "number") note(inode.mem, Note.lookUp, inode.number, block, found.state);
  return found;
}

/**
 * The media block of a file's block that is known to be written, for those who need nothing else: true as what lookUp
 * says is, and it takes no lock.  0 where lookUp must be asked.
 */
export function knownBlock(inode: Inode, block: number): number {
  const media = knownMedia(inode.status, block);
  if (media !== 0) note(inode.mem, Note.lookUp, inode.number, block, State.written);
  return media;
}

function askTree(inode: Inode, block: number): Extent | number {
  downRead(inode.dataSem);
  const found = findExtent(inode, block);
  if (typeof found !== "number") rememberExtent(inode.status, found);
  upRead(inode.dataSem);
  return found;
}
