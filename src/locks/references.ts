// Who uses a thing that is found without a lock: a count.  A finder takes a reference first, and looks then whether
// the thing is still what it wanted; if not, or if the count is closed, it asks under the lock of whoever closes
// counts.  Closing succeeds only while nobody uses the thing.  A closed count stands still, and an open one says how
// many references there are, at every moment: who gives the last one back must not take a finder's try for another.
//
// Like a leaf lock this announces nothing, and lockdep does not see it.  Where a schedule should be able to order who
// takes and who gives, the caller says the step.  A count that nobody uses is 0, or closed.
//
// Beside it a plain counter, for sums that tasks add to at once.
//
// kernel: struct lockref

import { assert } from "../machine/errors.ts";
import { quiet, struct, type ViewOf } from "../machine/struct.ts";

export const References = struct("references", { count: quiet });
export type References = ViewOf<typeof References>;

const CLOSED = -1;

/** Takes a reference: whether the count was open. */
export function takeReference({ count }: References): boolean {
  for (;;) {
    const seen = count.load();
    if (seen === CLOSED) return false;
    if (count.swapIf(seen, seen + 1)) return true;
  }
}

/** Gives one back. */
export function giveReference({ count }: References): void {
  assert(count.add(-1) > 0, "a reference is given back as often as it was taken");
}

/** Gives one back that is not the last: whether it was not. */
export function giveUnlessLast({ count }: References): boolean {
  for (;;) {
    const seen = count.load();
    if (seen <= 1) return false;
    if (count.swapIf(seen, seen - 1)) return true;
  }
}

/** Gives the last one back and closes the count; no more than one back if others have come. */
export function giveAndClose(references: References): boolean {
  // Others may come and go at any moment: what is not the last one may be, when it is looked at again.
  while (!references.count.swapIf(1, CLOSED)) if (giveUnlessLast(references)) return false;
  return true;
}

/** How many there are at the moment; of a closed count none. */
export function referencesTo({ mem, at }: References): number {
  return Math.max(0, mem.i32[at >>> 2] as number);
}

/** Closes the count, which nobody can use then: whether nobody did. */
export function closeReferences({ count }: References): boolean {
  return count.swapIf(0, CLOSED);
}

/** Opens it again, with a reference for who closed it. */
export function openReferences({ count }: References): void {
  count.store(1);
}

/** A number that tasks add to at once: for sums whose order nobody can tell.  kernel: atomic_t */
export const Counter = struct("counter", { value: quiet });
export type Counter = ViewOf<typeof Counter>;

/** Adds, and returns the sum. */
export function addTo({ value }: Counter, amount: number): number {
  return value.add(amount) + amount;
}

/** The number as it is now. */
export function valueOf({ mem, at }: Counter): number {
  return mem.i32[at >>> 2] as number;
}
