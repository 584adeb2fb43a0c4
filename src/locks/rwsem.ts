// A sleeping lock that many readers share or one writer has.
//
//   bits  0 …  5   readers that hold it
//   bits  6 … 10   the writer's task number plus one; 0: no writer
//   bits 11 … 15   readers waiting
//   bits 16 … 20   writers waiting
//
// A waiting writer keeps new readers out, so that a stream of readers cannot starve it; and a writer that
// leaves lets all readers in that wait at that moment, so that a stream of writers cannot starve those.
// It counts them as holders at once and puts one grant for each into `grants`, where they sleep.
// Writers sleep on `state`.  Both words are 0 when nobody holds the lock: equal machines, equal words.
//
// A task that takes the read side twice can deadlock with a writer that came in between; lockdep reports
// the second downRead.
//
// kernel: struct rw_semaphore

import { currentTask, Op, park, step, wake } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import { quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import type { LockClass } from "./classes.ts";
import { acquired, downgraded, Hold, releasing, wanted } from "./lockdep.ts";

const LOCK = Op.lock;
const UNLOCK = Op.unlock;
const LOCK_SHARED = Op.lockShared;
const UNLOCK_SHARED = Op.unlockShared;

/** Made by `initRwSem`, in a struct of the machine. */
export const RwSem = struct("rwsem", { state: quiet, grants: quiet, class: u32 });
export type RwSem = ViewOf<typeof RwSem>;

const READER = 1;
const READERS = 0x3f;
const WRITER = 1 << 6; // times the task number plus one
const WRITERS = 0x1f << 6;
const READER_WAITS = 1 << 11;
const READERS_WAIT = 0x1f << 11;
const WRITER_WAITS = 1 << 16;
const WRITERS_WAIT = 0x1f << 16;

/** Makes a free lock of a class. */
export function initRwSem(sem: RwSem, cls: LockClass): void {
  sem.state.store(0);
  sem.grants.store(0);
  sem.class = cls;
}

/** Takes the read side; sleeps while a writer holds or awaits the lock. */
export function downRead(sem: RwSem): void {
  step(LOCK_SHARED, sem.at);
  wanted(sem, sem.class, Hold.shared);
  takeShared(sem);
  acquired(sem, sem.class, Hold.shared);
}

function takeShared(sem: RwSem): void {
  // Nobody else is there, most of the time, and each operation on a shared word takes 10 to 20 ns.
  if (!sem.state.swapIf(0, READER)) joinShared(sem);
}

function joinShared(sem: RwSem): void {
  for (;;) {
    const seen = sem.state.load();
    if ((seen & (WRITERS | WRITERS_WAIT)) === 0) {
      if (sem.state.swapIf(seen, seen + READER)) return;
    } else if (sem.state.swapIf(seen, seen + READER_WAITS)) {
      awaitGrant(sem);
      return;
    }
  }
}

function awaitGrant(sem: RwSem): void {
  for (;;) {
    const grants = sem.grants.load();
    if (grants === 0) park(sem.grants, 0);
    else if (sem.grants.swapIf(grants, grants - 1)) return;
  }
}

/** Takes the read side if no writer holds or awaits it: never sleeps. */
export function downReadTry(sem: RwSem): boolean {
  step(LOCK_SHARED, sem.at);
  for (;;) {
    const seen = sem.state.load();
    if ((seen & (WRITERS | WRITERS_WAIT)) !== 0) return false;
    if (sem.state.swapIf(seen, seen + READER)) break;
  }
  acquired(sem, sem.class, Hold.shared);
  return true;
}

/** Releases the read side.  bug() unless the current task holds it. */
export function upRead(sem: RwSem): void {
  step(UNLOCK_SHARED, sem.at);
  releasing(sem, Hold.shared);
  const before = sem.state.add(-READER);
  if ((before & READERS) === 0) bug(`task ${currentTask()} released a read lock that nobody holds`);
  if ((before & READERS) === READER && (before & WRITERS_WAIT) !== 0) wake(sem.state);
}

/** Takes the write side; sleeps while anybody holds the lock. */
export function downWrite(sem: RwSem): void {
  step(LOCK, sem.at);
  wanted(sem, sem.class, Hold.exclusive);
  takeExclusive(sem);
  acquired(sem, sem.class, Hold.exclusive);
}

/** The same for a lock whose place in the order is this time that of another class.  kernel: down_write_nested */
export function downWriteNested(sem: RwSem, cls: LockClass): void {
  step(LOCK, sem.at);
  wanted(sem, cls, Hold.exclusive);
  takeExclusive(sem);
  acquired(sem, cls, Hold.exclusive);
}

function takeExclusive(sem: RwSem): void {
  const writer = WRITER * (currentTask() + 1);
  if (!sem.state.swapIf(0, writer)) awaitExclusive(sem, writer);
}

function awaitExclusive(sem: RwSem, writer: number): void {
  sem.state.add(WRITER_WAITS);
  for (;;) {
    const seen = sem.state.load();
    if ((seen & (READERS | WRITERS)) !== 0) park(sem.state, seen);
    else if (sem.state.swapIf(seen, seen - WRITER_WAITS + writer)) return;
  }
}

/** Takes the write side if the lock is free: never sleeps. */
export function downWriteTry(sem: RwSem): boolean {
  step(LOCK, sem.at);
  for (;;) {
    const seen = sem.state.load();
    if ((seen & (READERS | WRITERS)) !== 0) return false;
    if (sem.state.swapIf(seen, seen + WRITER * (currentTask() + 1))) break;
  }
  acquired(sem, sem.class, Hold.exclusive);
  return true;
}

/** Releases the write side.  bug() unless the current task holds it. */
export function upWrite(sem: RwSem): void {
  step(UNLOCK, sem.at);
  releasing(sem, Hold.exclusive);
  leaveExclusive(sem, 0);
}

/** From writer to reader without letting another writer in between.  kernel: downgrade_write */
export function downgradeWrite(sem: RwSem): void {
  step(UNLOCK, sem.at);
  downgraded(sem);
  leaveExclusive(sem, READER);
}

/** Ends the writer's time and lets the waiting readers in; `kept` is what the leaving writer still holds. */
function leaveExclusive(sem: RwSem, kept: number): void {
  const writer = WRITER * (currentTask() + 1);
  if (!sem.state.swapIf(writer, kept)) letWaitersIn(sem, writer, kept); // somebody waits
}

function letWaitersIn(sem: RwSem, writer: number, kept: number): void {
  for (;;) {
    const seen = sem.state.load();
    if ((seen & WRITERS) !== writer) bug(`task ${currentTask()} released a write lock that it does not hold`);
    const granted = (seen & READERS_WAIT) / READER_WAITS;
    const next = seen - writer - granted * READER_WAITS + granted * READER + kept;
    if (!sem.state.swapIf(seen, next)) continue;
    if (granted > 0) {
      sem.grants.add(granted);
      wake(sem.grants);
    }
    if ((next & READERS) === 0 && (next & WRITERS_WAIT) !== 0) wake(sem.state);
    return;
  }
}
