// From which block of a group on a first fit has to look: all before it are in use, or held.  A guess for each place of
// a small table, so that filling a group does not take a time that grows with what is in it.
//
// What is held is let go without the allocator's lock.  So each guess says how often that had happened before it was
// made, and counts no more when it has happened again.
//
// Lock: sb.allocMutex; `releases` changes under journal.commitMutex.

import { allocate, Root, rootView, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { bytes, struct, u32, type ViewOf } from "../../machine/struct.ts";

const GUESSES = 64;
/** Of a guess: the group plus one, the first bit, and `releases` as it was. */
const WORDS = 3;

const LowestFree = struct("lowest_free", { releases: u32, guesses: bytes(4 * WORDS * GUESSES, 4) });

/** At boot. */
export function initLowestFree(mem: Memory): void {
  setRoot(mem, Root.lowestFree, allocate(mem, LowestFree));
}

const lowestFree = (mem: Memory): ViewOf<typeof LowestFree> => rootView(mem, Root.lowestFree, LowestFree);

const wordOf = (mem: Memory, group: number): number =>
  (lowestFree(mem).guesses >>> 2) + (group % GUESSES) * WORDS;

/** Nothing is known any more: held blocks are free now, or another image is mounted. */
export function forgetLowestFree(mem: Memory): void {
  lowestFree(mem).releases += 1;
}

/** How often that has happened: to be asked before a search, and said of what it finds. */
export function releasesOf(mem: Memory): number {
  return lowestFree(mem).releases;
}

/** The first bit of a group that may be free. */
export function lowestBit(mem: Memory, group: number): number {
  const word = wordOf(mem, group);
  const { u32: words } = mem;
  const known = words[word] === group + 1 && words[word + 2] === releasesOf(mem);
  return known ? (words[word + 1] as number) : 0;
}

/** Says that no bit before this one is free. */
export function rememberLowest(mem: Memory, group: number, bit: number, releases: number): void {
  const word = wordOf(mem, group);
  mem.u32[word] = group + 1;
  mem.u32[word + 1] = bit;
  mem.u32[word + 2] = releases;
}

/** Says that a bit is free again. */
export function lowerTo(mem: Memory, group: number, bit: number): void {
  if (bit < lowestBit(mem, group)) mem.u32[wordOf(mem, group) + 1] = bit;
}
