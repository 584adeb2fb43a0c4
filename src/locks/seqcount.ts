// A sequence count: readers take nothing and look again when a writer was there meanwhile.
//
//   seq = readSeqBegin(count);  …read…  if (readSeqRetry(count, seq)) look again
//
// Odd while a writer is at work; writers exclude each other by a lock of their own.  A reader that meets
// a writer sleeps until the writer is done, because under control spinning would wait for ever.
// The count grows with every write and never goes back: machines that differ in it alone are different.
//
// kernel: seqcount_t

import { Op, park, step, wake } from "../machine/cpu.ts";
import { assert } from "../machine/errors.ts";
import type { Memory } from "../machine/memory.ts";
import { quiet, struct, type ViewOf } from "../machine/struct.ts";

const LOAD = Op.load;
const UPDATE = Op.update;

/** Made by `initSeqCount`, in a struct of the machine. */
export const SeqCount = struct("seqcount", { sequence: quiet, waiting: quiet });
export type SeqCount = ViewOf<typeof SeqCount>;
const SEQUENCE = SeqCount.offset("sequence");

/** No writer is at work. */
export function initSeqCount(count: SeqCount): void {
  count.sequence.store(0);
  count.waiting.store(0);
}

/** Enters as the writer.  bug() while another is at work: a lock of the writers' own keeps them apart. */
export function writeSeqBegin(count: SeqCount): void {
  step(UPDATE, count.at);
  assert((count.sequence.add(1) & 1) === 0, "a sequence count has one writer at a time");
}

/** The same for writers that no other lock keeps apart: whether this one is in.  Never sleeps. */
export function writeSeqTry(count: SeqCount): boolean {
  step(UPDATE, count.at);
  const sequence = count.sequence.load();
  return (sequence & 1) === 0 && count.sequence.swapIf(sequence, sequence + 1);
}

/** Leaves as the writer: who read meanwhile looks again. */
export function writeSeqEnd(count: SeqCount): void {
  step(UPDATE, count.at);
  assert((count.sequence.add(1) & 1) === 1, "a sequence count is left by the writer that entered it");
  if (count.waiting.load() > 0) wake(count.sequence);
}

/** The sequence to hand to `readSeqRetry`; sleeps while a writer is at work. */
export function readSeqBegin(count: SeqCount): number {
  step(LOAD, count.at);
  const first = count.sequence.load();
  if ((first & 1) === 0) return first;
  count.waiting.add(1);
  let seen = first;
  for (; (seen & 1) === 1; seen = count.sequence.load()) park(count.sequence, seen);
  count.waiting.add(-1);
  return seen;
}

/** The same without sleeping: -1 while a writer is at work. */
export function readSeqTry(count: SeqCount): number {
  step(LOAD, count.at);
  const sequence = count.sequence.load();
  return (sequence & 1) === 0 ? sequence : -1;
}

/**
 * A word that the count protects, where readers have nothing else to rely on: one that is read in any other way may
 * be read after `readSeqRetry` looked.
 */
export function readSeqWord(mem: Memory, at: number): number {
  return mem.bulk.load(at) >>> 0;
}

/** Whether a writer was there since `readSeqBegin` returned `sequence`: what was read may be torn. */
export function readSeqRetry(count: SeqCount, sequence: number): boolean {
  step(LOAD, count.at);
  return count.sequence.load() !== sequence;
}

/**
 * What a range of three words at `at`, which the count protects, maps a number to: its first number, how many they
 * are, what the first one maps to.  0 if the number is not in it, or while a writer is at work.  Never sleeps.
 */
export function readSeqRange(count: SeqCount, at: number, value: number): number {
  step(LOAD, count.at);
  return count.mem.bulk.translate(count.at + SEQUENCE, at, value) >>> 0;
}
