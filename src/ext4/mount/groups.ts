// The group descriptors, checked at mount: where their bitmaps and tables lie, what they count.

import { clearFreeCounts, countGroup, freeBlockCount, freeInodeCount } from "../alloc/open-group.ts";
import {
  getGroup,
  baseBlocks,
  blocksOf,
  claimOwnBlocks,
  firstBlockOf,
  rawGroup,
  releaseGroup,
  tableBlocks,
} from "../group.ts";
import { Incompat } from "../media/features.ts";
import type { RawGroup } from "../media/group.ts";
import { RawGroup as Group } from "../media/group.ts";
import type { RawSuperBlock } from "../media/superblock.ts";
import { groupSum, groupSum16 } from "../media/sums.ts";
import { hasChecksums, hasGroupChecksums, type SuperBlock } from "../super.ts";

/** What is wrong with a descriptor, in a sentence; otherwise the free counts are summed up. */
export function checkGroups(sb: SuperBlock, raw: RawSuperBlock): string | undefined {
  claimAllBases(sb);
  clearFreeCounts(sb);
  for (let number = 0; number < sb.groupCount; number++) {
    const buffer = getGroup(sb, number);
    if (typeof buffer === "number") return `the descriptor of group ${number} cannot be read`;
    const group = rawGroup(sb, buffer, number);
    const wrong =
      wrongSum(sb, raw, group, number) ?? wrongPlaces(sb, group, number) ?? wrongCounts(sb, group, number);
    countGroup(sb, number, group);
    releaseGroup(buffer);
    if (wrong !== undefined) return wrong;
  }
  const same =
    raw.s_free_blocks_count_lo === freeBlockCount(sb) && raw.s_free_inodes_count === freeInodeCount(sb);
  sb.countsChanged = same ? 0 : 1;
  return undefined;
}

function wrongSum(sb: SuperBlock, raw: RawSuperBlock, group: RawGroup, number: number): string | undefined {
  if (!hasGroupChecksums(sb)) return undefined;
  const sum = hasChecksums(sb)
    ? groupSum(sb.mem, sb.csumSeed, number, group.at, sb.descriptorSize)
    : groupSum16(sb.mem, raw.s_uuid, number, group.at, sb.descriptorSize);
  return sum === group.bg_checksum ? undefined : `the checksum of group ${number}'s descriptor is wrong`;
}

function wrongPlaces(sb: SuperBlock, group: RawGroup, number: number): string | undefined {
  const anywhere = (sb.featureIncompat & Incompat.flex_bg) !== 0;
  const low = anywhere ? baseBlocks(sb, 0) : firstBlockOf(sb, number) + baseBlocks(sb, number);
  const high = anywhere ? sb.blockCount : firstBlockOf(sb, number) + blocksOf(sb, number);
  const places = [
    ["block bitmap", group.bg_block_bitmap_lo, 1],
    ["inode bitmap", group.bg_inode_bitmap_lo, 1],
    ["inode table", group.bg_inode_table_lo, tableBlocks(sb)],
  ] as const;
  for (const [what, start, length] of places) {
    if (start < low || start + length > high) {
      return `the descriptor of group ${number} is damaged: its ${what} at block ${start} is outside blocks ${low} to ${high - 1}`;
    }
  }
  const shared = places.find(([, start, length]) => !claimOwnBlocks(sb, start, length));
  if (shared === undefined) return undefined;
  return `the descriptor of group ${number} is damaged: its ${shared[0]} at block ${shared[1]} overlaps another structure`;
}

/** The copies of superblock and descriptors, where no group may have anything else.  kernel: ext4_setup_system_zone */
function claimAllBases(sb: SuperBlock): void {
  for (let number = 0; number < sb.groupCount; number++) {
    claimOwnBlocks(sb, firstBlockOf(sb, number), Math.min(baseBlocks(sb, number), blocksOf(sb, number)));
  }
}

function wrongCounts(sb: SuperBlock, group: RawGroup, number: number): string | undefined {
  const rules = [
    ["free blocks", group.bg_free_blocks_count_lo, blocksOf(sb, number)],
    ["free inodes", group.bg_free_inodes_count_lo, sb.inodesPerGroup],
    ["directories", group.bg_used_dirs_count_lo, sb.inodesPerGroup],
    ["unused inodes", group.bg_itable_unused_lo, sb.inodesPerGroup],
  ] as const;
  for (const [what, count, limit] of rules) {
    if (count > limit) {
      return `the descriptor of group ${number} is damaged: it counts ${count} ${what} of ${limit}`;
    }
  }
  if (sb.descriptorSize < Group.size) return undefined;
  // No group here is large enough, and no media long enough, for the upper halves.
  const high = [
    group.bg_block_bitmap_hi,
    group.bg_inode_bitmap_hi,
    group.bg_inode_table_hi,
    group.bg_free_blocks_count_hi,
    group.bg_free_inodes_count_hi,
    group.bg_used_dirs_count_hi,
    group.bg_itable_unused_hi,
  ];
  if (high.some((value) => value !== 0)) {
    return `the descriptor of group ${number} is damaged: it has a number beyond the file system's size`;
  }
  return undefined;
}
