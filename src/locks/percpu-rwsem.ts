// A sleeping lock that many readers share or one writer has, where readers come and go side by side all the time and
// writers are rare: readers change nothing that others use.
//
//   readers   a word for each task, in a cache line of its own: 1: the task holds the read side, or is about to; 2: it
//             waits for it, and sleeps there; 0: neither
//   state     the task number plus one of the writer that holds the lock or waits for its readers: others keep out;
//             0: none
//   writer    who of the writers has `state`, from before it is set until after it is cleared (owner.ts)
//
// Each side sets its own word first and looks at the other's then, so that one of the two sees the other:
//
//   a reader that takes     sets its word, looks at `state`; gives way to a writer, who cannot tell it from a holder
//   a reader that gives     clears its word, looks at `state`: a writer may sleep on a word that is 1
//   a reader that waits     says so, looks at `state`: while that is set, the writer will see it when he leaves
//   a writer that takes     sets `state`, looks at the words
//   a writer that leaves    clears `state`, looks at the words: who waits there holds the lock now
//
// A writer keeps new readers out, so that a stream of readers cannot starve it.  And readers that sleep get the lock
// from the writer for whom they sleep, before the next one can set `state`, so that a stream of writers cannot starve
// those.  All words are 0 when nobody holds the lock: equal machines, equal words.
//
// Taking and releasing are one step each, at the lock's address, as with an rwsem: what happens in the words in between
// no schedule orders.  A task takes the read side once at a time.
//
// kernel: struct percpu_rw_semaphore, whose readers have RCU besides, and do without atomic operations

import { currentTask, Op, park, step, wake } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import { TASK_SLOTS } from "../machine/limits.ts";
import type { QuietCell } from "../machine/cell.ts";
import { array, linePair, quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import type { LockClass } from "./classes.ts";
import { acquired, Hold, releasing, wanted } from "./lockdep.ts";
import { disown, own } from "./owner.ts";

const LOCK = Op.lock;
const UNLOCK = Op.unlock;
const LOCK_SHARED = Op.lockShared;
const UNLOCK_SHARED = Op.unlockShared;

const Reader = struct("percpu_reader", { line: linePair, word: quiet });

/** Made by `initPercpuRwSem`, in a struct of the machine. */
export const PercpuRwSem = struct("percpu_rwsem", {
  state: quiet,
  writer: quiet,
  class: u32,
  readers: array(Reader, TASK_SLOTS),
});
export type PercpuRwSem = ViewOf<typeof PercpuRwSem>;

const HOLDS = 1;
const WAITS = 2;

/** Makes a free lock of a class. */
export function initPercpuRwSem(sem: PercpuRwSem, cls: LockClass): void {
  sem.state.store(0);
  sem.writer.store(0);
  sem.class = cls;
  for (const { word } of sem.readers) word.store(0);
}

function ownWord(sem: PercpuRwSem): QuietCell {
  return (sem.readers[currentTask()] as PercpuRwSem["readers"][number]).word;
}

/** Takes the read side; sleeps while a writer holds or awaits the lock. */
export function percpuDownRead(sem: PercpuRwSem): void {
  step(LOCK_SHARED, sem.at);
  wanted(sem, sem.class, Hold.shared);
  const word = ownWord(sem);
  if (!word.swapIf(0, HOLDS)) bug(`task ${currentTask()} takes a read lock that it holds`);
  if (sem.state.load() !== 0) awaitShared(sem, word);
  acquired(sem, sem.class, Hold.shared);
}

/** Gives way to a writer: gets the read side from it when it leaves, or finds that it has left. */
function awaitShared({ state }: PercpuRwSem, word: QuietCell): void {
  do {
    word.store(WAITS);
    wake(word); // a writer that took us for a holder
    while (state.load() !== 0 && word.load() === WAITS) park(word, WAITS);
  } while (word.swapIf(WAITS, HOLDS) && state.load() !== 0);
}

/** Releases the read side.  bug() unless the current task holds it. */
export function percpuUpRead(sem: PercpuRwSem): void {
  step(UNLOCK_SHARED, sem.at);
  releasing(sem, Hold.shared);
  const word = ownWord(sem);
  if (!word.swapIf(HOLDS, 0)) bug(`task ${currentTask()} released a read lock that it does not hold`);
  if (sem.state.load() !== 0) wake(word);
}

/** Takes the write side; sleeps while anybody holds the lock. */
export function percpuDownWrite(sem: PercpuRwSem): void {
  step(LOCK, sem.at);
  wanted(sem, sem.class, Hold.exclusive);
  own(sem.writer);
  sem.state.store(currentTask() + 1);
  for (const { word } of sem.readers) while (word.load() === HOLDS) park(word, HOLDS);
  acquired(sem, sem.class, Hold.exclusive);
}

/** Releases the write side.  bug() unless the current task holds it. */
export function percpuUpWrite(sem: PercpuRwSem): void {
  step(UNLOCK, sem.at);
  releasing(sem, Hold.exclusive);
  if (!sem.state.swapIf(currentTask() + 1, 0)) {
    bug(`task ${currentTask()} released a write lock that it does not hold`);
  }
  for (const { word } of sem.readers) {
    if (word.load() === WAITS && word.swapIf(WAITS, HOLDS)) wake(word);
  }
  disown(sem.writer);
}
