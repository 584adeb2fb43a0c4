// A sleeping lock with one holder, who alone may release it.  Not recursive; not fair: a release wakes
// all waiters, and a task that comes by at that moment may be faster than they are.
//
// kernel: struct mutex

import { Op, step } from "../machine/cpu.ts";
import { quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import type { LockClass } from "./classes.ts";
import { acquired, Hold, releasing, wanted } from "./lockdep.ts";
import { disown, own, tryOwn } from "./owner.ts";

/** Made by `initMutex`, in a struct of the machine. */
export const Mutex = struct("mutex", { state: quiet, class: u32 });
export type Mutex = ViewOf<typeof Mutex>;

/** Makes a free mutex of a class. */
export function initMutex(mutex: Mutex, cls: LockClass): void {
  mutex.state.store(0);
  mutex.class = cls;
}

/** Takes the mutex; sleeps while another task has it.  bug() where lockdep sees that this can deadlock. */
export function mutexLock(mutex: Mutex): void {
  step(Op.lock, mutex.at);
  wanted(mutex, mutex.class, Hold.exclusive);
  own(mutex.state);
  acquired(mutex, mutex.class, Hold.exclusive);
}

/** Takes the mutex if it is free now: never sleeps, so it may go against the order of locks. */
export function mutexTryLock(mutex: Mutex): boolean {
  step(Op.lock, mutex.at);
  if (!tryOwn(mutex.state)) return false;
  acquired(mutex, mutex.class, Hold.exclusive);
  return true;
}

/** Releases the mutex.  bug() unless the current task holds it. */
export function mutexUnlock(mutex: Mutex): void {
  step(Op.unlock, mutex.at);
  releasing(mutex, Hold.exclusive);
  disown(mutex.state);
}
