// The buffer cache laid out: hash heads, buffer heads, the set of dirty buffers, data, one after another in the area
// `buffers`.  Heads are no slab structs: there are 32 thousand of them in a large machine, and a snapshot would copy them
// all.

import { assert } from "../../machine/errors.ts";
import { allocate, header, Root, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { Buffer, BufferCache, bufferCache } from "../buffer.ts";
import { BLOCK_SIZE } from "../super.ts";

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));
const align = (at: number, to: number): number => Math.ceil(at / to) * to;

/** Lays the cache out, empty.  At boot. */
export function initBuffers(mem: Memory): void {
  const area = header(mem).buffers;
  setRoot(mem, Root.buffers, allocate(mem, BufferCache));
  const cache = bufferCache(mem);
  const buckets = powerOfTwo(area.length / BLOCK_SIZE);
  const fixed = buckets * 4 + 4 * BLOCK_SIZE;
  cache.capacity = Math.floor((area.length - fixed) / (BLOCK_SIZE + Buffer.size + 1));
  cache.hashAt = area.start;
  cache.hashMask = buckets - 1;
  cache.headsAt = align(cache.hashAt + buckets * 4, BLOCK_SIZE);
  cache.dirtyAt = align(cache.headsAt + cache.capacity * Buffer.size, BLOCK_SIZE);
  cache.dirtyWordsAt = align(cache.dirtyAt + Math.ceil(cache.capacity / 8), 4);
  cache.dataAt = align(cache.dirtyWordsAt + Math.ceil(cache.capacity / 256) + 4, BLOCK_SIZE);
  assert(
    cache.dataAt + cache.capacity * BLOCK_SIZE <= area.start + area.length,
    "the buffers fit their area",
  );
  for (let index = 0; index < cache.capacity; index++) {
    mem.u32[(cache.headsAt + index * Buffer.size + Buffer.offset("data")) >>> 2] =
      cache.dataAt + index * BLOCK_SIZE;
  }
}
