// The word inside a spinlock and a mutex: who owns it and how many wait for it.  And a lock that is no more than that.
//
//   bits 0 … 7   the owner's task number plus one; 0: free
//   bits 8 …     tasks waiting
//
// A free word nobody waits for is 0 again, so that equal machines have equal words.  A release wakes all
// waiters and keeps nothing for them: who comes first takes it, in any order that the scheduler likes.
//
// A leaf lock goes around loads and stores that nobody else can tell apart from one operation: the buffer cache's
// hash chains, say.  It announces nothing and lockdep does not see it, because no step may happen while
// it is held; so under control a task is never switched away inside, and no schedule is lost by not
// offering one there.  Nothing is taken inside a leaf lock.  What a schedule should be able to order
// takes a spinlock or a mutex instead.

import { currentTask, park, wake } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import type { QuietCell } from "../machine/cell.ts";
import { quiet, struct, type ViewOf } from "../machine/struct.ts";

const OWNER = 0xff;
const WAITER = 0x100;

/** Takes the word for the current task if it is free. */
export function tryOwn(word: QuietCell): boolean {
  const seen = word.load();
  return (seen & OWNER) === 0 && word.swapIf(seen, seen + currentTask() + 1);
}

/** Takes the word for the current task; sleeps until that is possible. */
export function own(word: QuietCell): void {
  const me = currentTask() + 1;
  if (word.swapIf(0, me)) return;
  word.add(WAITER);
  for (;;) {
    const seen = word.load();
    if ((seen & OWNER) !== 0) park(word, seen);
    else if (word.swapIf(seen, seen - WAITER + me)) return;
  }
}

/** Frees the word and wakes whoever waits for it.  The current task owns it. */
export function disown(word: QuietCell): void {
  const me = currentTask() + 1;
  const before = word.add(-me);
  if ((before & OWNER) !== me) {
    const owner = before & OWNER;
    bug(`task ${me - 1} released a lock that ${owner === 0 ? "is free" : `task ${owner - 1} holds`}`);
  }
  if (before >= WAITER) wake(word);
}

export const LeafLock = struct("leaflock", { state: quiet });
export type LeafLock = ViewOf<typeof LeafLock>;

export function leafLock(lock: LeafLock): void {
  own(lock.state);
}

export function leafUnlock(lock: LeafLock): void {
  disown(lock.state);
}
