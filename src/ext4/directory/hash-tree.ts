// Giving up the hash tree of an indexed directory: its nodes become ordinary blocks with nothing in them, the
// flag goes, and what is left is a linear directory.  A tree that names are added to without being kept
// would make them unfindable, and keeping it is not worth its code for directories of a few files.

import { bufferData, Kind, releaseBuffer, setKind, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { beginInodeChange, markInodeDirty, rawInode, type Inode } from "../inode.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { DirectoryEntry, HASH_ROOT_INFO_AT, HashEntry, HashRootInfo } from "../media/directory.ts";
import { InodeFlag } from "../media/inode.ts";
import { hasChecksums, superBlock } from "../super.ts";
import { initTail, limitOf, readBlock } from "./block.ts";
import { hashCount, hashEntriesAt, isHashNode, isIndexed } from "./hash-node.ts";

/** Levels of nodes between root and leaves: more only with large_dir, which is not mounted. */
const MAX_LEVELS = 1;
/** "." and its entry in the first block; ".." follows. */
const DOT_LENGTH = 12;

/** The blocks of a directory that hold nodes of its hash tree; none when it has no tree. */
export function indexBlocks(directory: Inode): number[] | number {
  if (!isIndexed(directory)) return [];
  const { mem } = directory;
  const root = readBlock(directory, 0);
  if (typeof root === "number") return root < 0 ? root : damaged(mem, "hashTree", directory.number);
  const at = bufferData(root);
  const { indirect_levels } = HashRootInfo.of(mem, at + HASH_ROOT_INFO_AT);
  const entriesAt = hashEntriesAt(at, true);
  const count = hashCount(mem, entriesAt);
  const isGood = count > 0 && indirect_levels <= MAX_LEVELS && rootEntriesAreGood(directory, at);
  const children =
    indirect_levels === 0
      ? []
      : Array.from(
          { length: Math.max(0, count) },
          (_, i) => HashEntry.of(mem, entriesAt + i * HashEntry.size).block,
        );
  releaseBuffer(root);
  return isGood ? [0, ...children] : damaged(mem, "hashTree", directory.number);
}

/** The root hides behind ".", which must leave it room, and "..". */
function rootEntriesAreGood(directory: Inode, at: number): boolean {
  const { mem } = directory;
  return (
    DirectoryEntry.of(mem, at).rec_len === DOT_LENGTH &&
    DirectoryEntry.of(mem, at + DOT_LENGTH).name_len === 2
  );
}

/** Makes an indexed directory a linear one.  Inside a handle with a credit for each of `indexBlocks`, and the inode's. */
export function makeLinear(handle: Handle, directory: Inode): number {
  const blocks = indexBlocks(directory);
  if (typeof blocks === "number") return blocks;
  for (const block of blocks) {
    const buffer = readBlock(directory, block);
    if (typeof buffer === "number" && buffer < 0) return buffer;
    if (typeof buffer === "number") return damaged(directory.mem, "hashTree", directory.number);
    const result = isHashNode(directory, bufferData(buffer), block)
      ? clearNode(handle, directory, buffer, block === 0)
      : damaged(directory.mem, "hashTree", directory.number);
    releaseBuffer(buffer);
    if (result < 0) return result;
  }
  const opened = beginInodeChange(handle, directory);
  if (opened < 0) return opened;
  directory.flags &= ~InodeFlag.index;
  rawInode(directory).i_flags = directory.flags;
  return markInodeDirty(handle, directory);
}

function clearNode(handle: Handle, directory: Inode, buffer: Buffer, isRoot: boolean): number {
  const { mem } = directory;
  const sb = superBlock(mem);
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  const at = bufferData(buffer);
  const before = isRoot ? DOT_LENGTH : 0;
  DirectoryEntry.of(mem, at + before).rec_len = limitOf(sb) - before;
  if (hasChecksums(sb)) initTail(mem, at);
  setKind(buffer, Kind.directory, directory.number, directory.generation);
  return dirtyMetadata(handle, buffer);
}
