// The entries of a block taken out whole, and put into a block without gaps between them.

import type { Memory } from "../../machine/memory.ts";
import { bufferData, type Buffer } from "../buffer.ts";
import type { Inode } from "../inode.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { DirectoryEntry, entrySize } from "../media/directory.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";
import { initBlock, inodeOf, limitOf, nameLength, recordLength } from "./block.ts";

/** A name's entry. */
export interface Used {
  /** Where in its block it was. */
  readonly place: number;
  /** What it needs. */
  readonly size: number;
  /** Its bytes, the name's at the end; a copy. */
  readonly bytes: Uint8Array;
}

/** The entries with names of the block at an address, in their order. */
export function usedEntries(mem: Memory, blockAt: number): Used[] {
  const found: Used[] = [];
  for (let at = blockAt; at < blockAt + BLOCK_SIZE; at += recordLength(mem, at)) {
    if (inodeOf(mem, at) === 0) continue;
    const length = nameLength(mem, at);
    found.push({
      place: at - blockAt,
      size: entrySize(length),
      bytes: mem.read(at, DirectoryEntry.size + length),
    });
  }
  return found;
}

/** Makes a block hold these entries and nothing else; they fit, and there is one at least. */
export function packBlock(
  handle: Handle,
  directory: Inode,
  buffer: Buffer,
  entries: readonly Used[],
): number {
  const { mem } = directory;
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  mem.fill(bufferData(buffer), 0, BLOCK_SIZE);
  initBlock(directory, buffer);
  const end = bufferData(buffer) + limitOf(superBlock(mem));
  let at = bufferData(buffer);
  for (const [index, { size, bytes }] of entries.entries()) {
    mem.write(at, bytes);
    DirectoryEntry.of(mem, at).rec_len = index === entries.length - 1 ? end - at : size;
    at += size;
  }
  return dirtyMetadata(handle, buffer);
}
