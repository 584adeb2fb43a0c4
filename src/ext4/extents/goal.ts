// Where new blocks of a file should lie: beside what it has.

import { entryBlock, entryCount, extentMedia } from "../media/extent.ts";
import { ROOMY_FLEX } from "../alloc/search.ts";
import { firstBlockOf } from "../group.ts";
import { isFile, type Inode } from "../inode.ts";
import { superBlock } from "../super.ts";
import type { Path } from "./path.ts";

/** The best media block for file block `block`, which the path leads to.  kernel: ext4_ext_find_goal */
export function goalFor(path: Path, block = 0): number {
  const { mem, leaf } = path;
  const count = entryCount(mem, leaf);
  if (count === 0) return firstOfGroup(path.inode);
  const nearest = Math.max(0, path.position);
  const goal = extentMedia(mem, leaf, nearest) + block - entryBlock(mem, leaf, nearest);
  return goal > 0 && goal < superBlock(mem).blockCount ? goal : extentMedia(mem, leaf, nearest);
}

/** kernel: ext4_inode_to_goal_block */
function firstOfGroup(inode: Inode): number {
  const sb = superBlock(inode.mem);
  const group = Math.floor((inode.number - 1) / sb.inodesPerGroup);
  const { groupsPerFlex } = sb;
  if (sb.mballoc === 0 || groupsPerFlex < ROOMY_FLEX) return firstBlockOf(sb, group);
  // The first group of a flexible one is left to directories.
  return firstBlockOf(sb, group - (group % groupsPerFlex) + (isFile(inode) ? 1 : 0));
}
