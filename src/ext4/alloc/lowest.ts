// From which block of a group on a first fit has to look: all before it are in use, or held.  A guess for each place of
// a small table, so that filling a group does not take a time that grows with what is in it.
//
// What is held is let go without the group's lock.  So each guess says how often that had happened before the search
// that made it began, and counts no more when it has happened again: first the blocks are let go, then `releases` goes
// up, so a search that may have missed one of them has seen it lower.
//
// Lock: the group's; `releases` changes under journal.commitMutex.

import { allocate, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { cacheLine, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { GROUP_LOCKS } from "./open-group.ts";

const GUESSES = 4 * GROUP_LOCKS;

const Guess = struct("guess", {
  line: cacheLine, // neighbours are made by different tasks
  group: u32, // its number plus one
  bit: u32, // the first that may be free
  releases: u32, // as it was
});
export type Guess = ViewOf<typeof Guess>;

const LowestFree = struct("lowest_free", { releases: u32, guessesAt: u32 });

/** At boot. */
export function initLowestFree(mem: Memory): void {
  setRoot(mem, Root.lowestFree, allocate(mem, LowestFree));
  lowestFree(mem).guessesAt = allocate(mem, Guess, GUESSES);
}

const lowestFree = (mem: Memory): ViewOf<typeof LowestFree> => rootView(mem, Root.lowestFree, LowestFree);

const GUESS_STRIDE = strideOf(Guess);

/** Where the guess for a group is kept. */
export const guessOf = (mem: Memory, group: number): Guess =>
  viewAt(mem, Guess, lowestFree(mem).guessesAt + (group & (GUESSES - 1)) * GUESS_STRIDE);

/** Nothing is known any more: held blocks are free now, or another image is mounted. */
export function forgetLowestFree(mem: Memory): void {
  lowestFree(mem).releases += 1;
}

/** How often that has happened: to be asked before a search, and said of what it finds. */
export function releasesOf(mem: Memory): number {
  return lowestFree(mem).releases;
}

/** The first bit of a group that may be free. */
export function lowestBit(guess: Guess, group: number): number {
  return guess.group === group + 1 && guess.releases === releasesOf(guess.mem) ? guess.bit : 0;
}

/** Says that no bit before this one is free. */
export function rememberLowest(guess: Guess, group: number, bit: number, releases: number): void {
  guess.group = group + 1;
  guess.bit = bit;
  guess.releases = releases;
}

/** Says that a bit is free again. */
export function lowerTo(guess: Guess, group: number, bit: number): void {
  if (bit < lowestBit(guess, group)) guess.bit = bit;
}
