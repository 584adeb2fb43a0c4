// Random numbers whose state lies in shared memory: sfc32 (Chris Doty-Humphrey, public domain), so that
// the task that decides next goes on where the last one stopped.

import type { Memory } from "../machine/memory.ts";

/** Starts a sequence in the four words at `index` of `mem.u32`.  Seeds are safe integers. */
export function seedRandom(mem: Memory, index: number, seed: number): void {
  mem.u32[index] = seed >>> 0;
  mem.u32[index + 1] = Math.floor(seed / 2 ** 32) >>> 0;
  mem.u32[index + 2] = 0x9e3779b9;
  mem.u32[index + 3] = 1;
  // Neighbouring seeds differ in few bits; twelve rounds spread them, as the author advises.
  for (let i = 0; i < 12; i++) nextRandom(mem, index);
}

/** The next number, 0 … 2^32 - 1. */
export function nextRandom(mem: Memory, index: number): number {
  const a = mem.u32[index] as number;
  const b = mem.u32[index + 1] as number;
  const c = mem.u32[index + 2] as number;
  const counter = mem.u32[index + 3] as number;
  const result = (a + b + counter) >>> 0;
  mem.u32[index] = b ^ (b >>> 9);
  mem.u32[index + 1] = c + (c << 3);
  mem.u32[index + 2] = ((c << 21) | (c >>> 11)) + result;
  mem.u32[index + 3] = counter + 1;
  return result;
}

/** A number 0 … count - 1. */
export function randomBelow(mem: Memory, index: number, count: number): number {
  return nextRandom(mem, index) % count;
}
