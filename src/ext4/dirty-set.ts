// A set of indexes in two levels of bits: one for each index, and one for each word of those that is not 0.  It is gone
// through in order, in a time that grows with what is in it.  A set of bits, rather than a list, makes equal sets equal
// bytes, whichever index came first.

import type { Memory } from "../machine/memory.ts";
import { touch } from "../machine/snapshot.ts";

/** Where a set lies: the addresses of both levels. */
interface Levels {
  readonly mem: Memory;
  readonly dirtyAt: number;
  readonly dirtyWordsAt: number;
}

/** Puts an index in, or takes it out. */
export function markIndex({ mem, dirtyAt, dirtyWordsAt }: Levels, index: number, dirty: boolean): void {
  const word = (dirtyAt >>> 2) + (index >>> 5);
  const above = (dirtyWordsAt >>> 2) + (index >>> 10);
  const aboveBit = 1 << ((index >>> 5) & 31);
  touch(mem, word * 4, 4);
  touch(mem, above * 4, 4);
  if (dirty) {
    mem.i32[word] = (mem.i32[word] as number) | (1 << (index & 31));
    mem.i32[above] = (mem.i32[above] as number) | aboveBit;
  } else {
    mem.i32[word] = (mem.i32[word] as number) & ~(1 << (index & 31));
    if (mem.i32[word] === 0) mem.i32[above] = (mem.i32[above] as number) & ~aboveBit;
  }
}

/** The indexes below `capacity` that are in the set, in order. */
export function markedIndexes({ mem, dirtyAt, dirtyWordsAt }: Levels, capacity: number): number[] {
  const found: number[] = [];
  const words = Math.ceil(capacity / 32);
  for (let above = 0; above * 32 < words; above++) {
    let wordBits = mem.u32[(dirtyWordsAt >>> 2) + above] as number;
    for (; wordBits !== 0; wordBits &= wordBits - 1) {
      const word = above * 32 + lowestBit(wordBits);
      let bits = mem.u32[(dirtyAt >>> 2) + word] as number;
      for (; bits !== 0; bits &= bits - 1) found.push(word * 32 + lowestBit(bits));
    }
  }
  return found;
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);
