// Nodes of an indexed directory's hash tree, as far as reading needs them.

import type { Memory } from "../../machine/memory.ts";
import type { Inode } from "../inode.ts";
import { crc32cNumber } from "../media/checksum.ts";
import {
  DirectoryEntry,
  HASH_ROOT_INFO_AT,
  HashCountLimit,
  HashEntry,
  HashRootInfo,
  HashTail,
} from "../media/directory.ts";
import { InodeFlag } from "../media/inode.ts";
import { ownedSum } from "../media/sums.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";

export function isIndexed(directory: Inode): boolean {
  return (directory.flags & InodeFlag.index) !== 0;
}

/** Whether a block of a directory is a node of its hash tree: the first one is the root. */
export function isHashNode(directory: Inode, at: number, block: number): boolean {
  if (!isIndexed(directory)) return false;
  const first = DirectoryEntry.of(directory.mem, at);
  return block === 0 || (first.inode === 0 && first.rec_len === BLOCK_SIZE);
}

/** The address of a node's entries. */
export function hashEntriesAt(at: number, isRoot: boolean): number {
  return at + (isRoot ? HASH_ROOT_INFO_AT + HashRootInfo.size : DirectoryEntry.size);
}

/** How many entries a node has; -1 when it cannot be a node. */
export function hashCount(mem: Memory, entriesAt: number): number {
  const { limit, count } = HashCountLimit.of(mem, entriesAt);
  const room = Math.floor((BLOCK_SIZE - (entriesAt % BLOCK_SIZE)) / HashEntry.size);
  return count >= 1 && count <= limit && limit <= room ? count : -1;
}

/** kernel: ext4_dx_csum_verify */
export function hashChecksumIsGood(directory: Inode, at: number): boolean {
  const { mem, number, generation } = directory;
  const entriesAt = hashEntriesAt(at, DirectoryEntry.of(mem, at).rec_len !== BLOCK_SIZE);
  const count = hashCount(mem, entriesAt);
  const { limit } = HashCountLimit.of(mem, entriesAt);
  const tailAt = entriesAt + limit * HashEntry.size;
  if (count < 0 || tailAt + HashTail.size > at + BLOCK_SIZE) return false;
  const length = entriesAt + count * HashEntry.size - at;
  const { dt_reserved, dt_checksum } = HashTail.of(mem, tailAt);
  const entries = ownedSum(mem, superBlock(mem).csumSeed, number, generation, at, length);
  return crc32cNumber(crc32cNumber(entries, dt_reserved), 0) === dt_checksum;
}
