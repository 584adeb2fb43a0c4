// A sleeping lock in one bit of a word, for where there are too many things to lock for a struct each.
// The other bits of the word may be locks too; nobody but lockBit and unlockBit writes the word.
//
// kernel: wait_on_bit_lock, wake_up_bit

import type { QuietCell } from "../machine/cell.ts";
import { currentTask, Op, park, step, wake } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import { LockClass } from "./classes.ts";
import { quiet, struct, type ViewOf } from "../machine/struct.ts";
import { acquired, Hold, releasing, wanted } from "./lockdep.ts";

/** 64 locks: a word with bits 0 … 31 and one more. */
export const BitLocks = struct("bit_locks", { low: quiet, high: quiet });
export type BitLocks = ViewOf<typeof BitLocks>;

/** Takes bit 0 … 31 of the word; sleeps while another task has it. */
export function lockBit(word: QuietCell, bit: number, cls: LockClass = LockClass.none): void {
  step(Op.lock, word.at);
  wanted(word, cls, Hold.exclusive, bit);
  const mask = 1 << bit;
  for (;;) {
    const seen = word.load();
    if ((seen & mask) !== 0) park(word, seen);
    else if (word.swapIf(seen, seen | mask)) break;
  }
  acquired(word, cls, Hold.exclusive, bit);
}

/** Gives the bit back.  bug() unless it is taken. */
export function unlockBit(word: QuietCell, bit: number): void {
  step(Op.unlock, word.at);
  releasing(word, Hold.exclusive, bit);
  const mask = 1 << bit;
  if ((word.and(~mask) & mask) === 0) bug(`task ${currentTask()} released bit ${bit}, which nobody holds`);
  wake(word); // the word does not say whether somebody waits
}
