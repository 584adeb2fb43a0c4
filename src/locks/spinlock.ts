// A lock for a few loads and stores.  Nobody sleeps, faults or takes a sleeping lock while holding one:
// lockdep reports it.  A waiter spins only for a moment (see park) and then sleeps all the same, because
// the holder may be a thread that has no core, or a task that the scheduler keeps waiting.
//
// kernel: spin_lock, spin_unlock

import { Op, step } from "../machine/cpu.ts";
import { quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import type { LockClass } from "./classes.ts";
import { acquired, Hold, releasing, wanted } from "./lockdep.ts";
import { disown, own } from "./owner.ts";

/** Made by `initSpinLock`, in a struct of the machine. */
export const SpinLock = struct("spinlock", { state: quiet, class: u32 });
export type SpinLock = ViewOf<typeof SpinLock>;

/** Makes a free lock of a class. */
export function initSpinLock(lock: SpinLock, cls: LockClass): void {
  lock.state.store(0);
  lock.class = cls;
}

/** Takes the lock; until spinUnlock the task may not sleep. */
export function spinLock(lock: SpinLock): void {
  step(Op.lock, lock.at);
  wanted(lock, lock.class, Hold.spinning);
  own(lock.state);
  acquired(lock, lock.class, Hold.spinning);
}

/** Releases the lock.  bug() unless the current task holds it. */
export function spinUnlock(lock: SpinLock): void {
  step(Op.unlock, lock.at);
  releasing(lock, Hold.spinning);
  disown(lock.state);
}
