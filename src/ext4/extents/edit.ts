// Changes inside one node.  None can fail: who calls has asked for the right to change the node and has
// seen to it that there is room.

import type { Memory } from "../../machine/memory.ts";
import {
  ENTRY_SIZE,
  entryAt,
  entryCount,
  EXTENT_LENGTH,
  EXTENT_MEDIA_HIGH,
  EXTENT_MEDIA_LOW,
  MAX_UNWRITTEN,
  MAX_WRITTEN,
  setEntryBlock,
  setEntryCount,
  setExtentLength,
  setExtentMedia,
  setIndex,
} from "../media/extent.ts";
import { State, type Extent } from "./extent.ts";

function openGap(mem: Memory, node: number, index: number): void {
  const count = entryCount(mem, node);
  const at = entryAt(node, index);
  mem.copy(at + ENTRY_SIZE, at, (count - index) * ENTRY_SIZE);
  setEntryCount(mem, node, count + 1);
}

/** Writes an extent into an entry. */
export function setExtent(mem: Memory, node: number, index: number, extent: Extent): void {
  setEntryBlock(mem, node, index, extent.start);
  setExtentLength(mem, node, index, extent.length, extent.state === State.unwritten);
  setExtentMedia(mem, node, index, extent.media);
}

/** Puts an extent before entry `index`. */
export function insertExtent(mem: Memory, node: number, index: number, extent: Extent): void {
  openGap(mem, node, index);
  setExtent(mem, node, index, extent);
}

/** Puts an index before entry `index`. */
export function insertIndex(mem: Memory, node: number, index: number, block: number, child: number): void {
  openGap(mem, node, index);
  setIndex(mem, node, index, block, child);
}

export function removeEntries(mem: Memory, node: number, index: number, count: number): void {
  const left = entryCount(mem, node) - count;
  mem.copy(entryAt(node, index), entryAt(node, index + count), (left - index) * ENTRY_SIZE);
  setEntryCount(mem, node, left);
}

/** An entry of a leaf, as a value. */
export function extentOf(mem: Memory, node: number, index: number): Extent {
  // The entry's words, each read once: every look-up of every call comes by here.
  const { u16, u32 } = mem;
  const at = entryAt(node, index);
  const length = u16[(at + EXTENT_LENGTH) >>> 1] as number;
  const high = u16[(at + EXTENT_MEDIA_HIGH) >>> 1] as number;
  const low = u32[(at + EXTENT_MEDIA_LOW) >>> 2] as number;
  const written = length <= MAX_WRITTEN;
  return {
    start: u32[at >>> 2] as number,
    length: written ? length : length - MAX_WRITTEN,
    media: high === 0 ? low : high * 2 ** 32 + low,
    state: written ? State.written : State.unwritten,
  };
}

/** Whether one extent goes on where another ends: in the file, on the media, in kind, and not too long. */
export function joins(extent: Extent, next: Extent): boolean {
  return (
    extent.state === next.state &&
    extent.start + extent.length === next.start &&
    extent.media + extent.length === next.media &&
    extent.length + next.length <= longest(extent.state)
  );
}

/** Blocks that one extent of such a kind can have. */
export function longest(state: State): number {
  return state === State.unwritten ? MAX_UNWRITTEN : MAX_WRITTEN;
}

/** Whether an extent goes on where entry `index` ends. */
export function continues(mem: Memory, node: number, index: number, next: Extent): boolean {
  return joins(extentOf(mem, node, index), next);
}

/** Makes entries `index` and `index + 1` one, if they can be. */
export function mergeWithNext(mem: Memory, node: number, index: number): boolean {
  if (index < 0 || index + 1 >= entryCount(mem, node)) return false;
  const extent = extentOf(mem, node, index);
  const next = extentOf(mem, node, index + 1);
  if (!joins(extent, next)) return false;
  setExtent(mem, node, index, { ...extent, length: extent.length + next.length });
  removeEntries(mem, node, index + 1, 1);
  return true;
}
