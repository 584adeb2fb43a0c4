// The options of a machine, by their Linux names where Linux has them.  One that nobody knows is refused.

import { DEFAULT_MEDIA, MAX_MEDIA, MIB, MIN_MEDIA, MIN_PIECE } from "../machine/limits.ts";
import { PAGE_SIZE } from "../machine/memory.ts";
import { knownKeys, shown, UsageError, wholeNumber } from "./usage.ts";

/** Tunables of a machine; each has a default. */
export interface MachineOptions {
  /**
   * KiB up to which a write zeroes an unwritten extent instead of splitting it; default what the design says, or 0.
   * kernel: s_extent_max_zeroout_kb
   */
  extent_max_zeroout_kb?: number;
  /**
   * 1: blocks are allocated as Linux does, with preallocation, and freed ones are used again after a commit; default
   * what the design says, or 0.
   */
  mballoc?: number;
  /** A task of that name commits the running transaction so many times, at any moment; default 0: only calls commit. */
  kjournald?: number;
  /** Bytes of data copied between two steps, a power of two from 64 to 4096; default 4096. */
  piece?: number;
  /** Whether locks check their order while they are taken; default 1, 0 switches it off. */
  lockdep?: number;
}

const check: Record<keyof MachineOptions, (value: unknown) => number> = {
  extent_max_zeroout_kb: (value) => wholeNumber("extent_max_zeroout_kb", value, 0, 32_768),
  mballoc: (value) => wholeNumber("mballoc", value, 0, 1),
  kjournald: (value) => wholeNumber("kjournald", value, 0, 16),
  piece(value) {
    const piece = wholeNumber("piece", value, MIN_PIECE, PAGE_SIZE);
    if ((piece & (piece - 1)) === 0) return piece;
    throw new UsageError(`piece is a power of two, not ${piece}`);
  },
  lockdep: (value) => wholeNumber("lockdep", value, 0, 1),
};
const names = Object.keys(check) as (keyof MachineOptions)[];

/** The options that were given, checked. */
export function checkOptions(given: unknown): MachineOptions {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new UsageError(`options is an object such as { piece: 64 }, not ${shown(given)}`);
  }
  knownKeys("options", given, names);
  const checked: MachineOptions = {};
  for (const name of names) {
    const value = (given as MachineOptions)[name];
    if (value !== undefined) checked[name] = check[name](value);
  }
  return checked;
}

/** The size of the persistent memory in bytes, checked: whole blocks from 1 MiB to 2 GiB. */
export function checkSize(size: unknown): number {
  if (size === undefined) return DEFAULT_MEDIA;
  const bytes = wholeNumber("size", size, MIN_MEDIA, MAX_MEDIA);
  if (bytes % PAGE_SIZE === 0) return bytes;
  throw new UsageError(
    `size is a multiple of ${PAGE_SIZE} bytes, not ${bytes} (${(bytes / MIB).toFixed(3)} MiB)`,
  );
}

/** Options as a schedule's text gives them: every value is text. */
export function optionsFromText(given: Record<string, string>): MachineOptions {
  const numbers = Object.entries(given).map(([name, text]) => [name, text === "" ? text : Number(text)]);
  return checkOptions(Object.fromEntries(numbers));
}
