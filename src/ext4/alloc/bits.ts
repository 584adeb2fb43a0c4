// Runs of bits in a bitmap block, a word at a time where that is possible.  Bit 0 is the lowest bit of the first byte.
// A place in a bitmap is the bitmap's address (a multiple of four) and a bit number.

import type { Memory } from "../../machine/memory.ts";

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** The first bit in [from, to) that equals `value`, or `to`. */
export function nextBit(mem: Memory, bitmap: number, value: 0 | 1, from: number, to: number): number {
  const flip = value === 1 ? 0 : -1;
  for (let bit = from; bit < to;) {
    const word = ((mem.i32[(bitmap >>> 2) + (bit >>> 5)] as number) ^ flip) & (-1 << (bit & 31));
    if (word !== 0) return Math.min(to, (bit & ~31) + lowestBit(word));
    bit = (bit | 31) + 1;
  }
  return to;
}

/** Whether all bits in [from, to) equal `value`. */
export function allBits(mem: Memory, bitmap: number, value: 0 | 1, from: number, to: number): boolean {
  return nextBit(mem, bitmap, value === 1 ? 0 : 1, from, to) === to;
}

/** Gives all bits in [from, to) the value. */
export function setBits(mem: Memory, bitmap: number, value: 0 | 1, from: number, to: number): void {
  for (let bit = from; bit < to;) {
    const end = Math.min(to, (bit | 31) + 1);
    const length = end - bit;
    const mask = length === 32 ? -1 : ((1 << length) - 1) << (bit & 31);
    const word = (bitmap >>> 2) + (bit >>> 5);
    const bits = mem.i32[word] as number;
    mem.i32[word] = value === 1 ? bits | mask : bits & ~mask;
    bit = end;
  }
}
