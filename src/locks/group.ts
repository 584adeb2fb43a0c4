// A mutex for work that one task does for all who want it: commits.
//
// The work comes in numbered rounds.  Who wants a round done either finds that it is, when somebody else has done it
// meanwhile, or has the mutex, and does it.  Nobody waits for the mutex only to find out.  Two rounds at most are wanted
// at once, the one that is being done and the next: a release wakes all who waited for the first, and one of those who
// wait for the other, to do it unless somebody who came by is faster.
//
// Tasks that want one thing after the other done come back at about the same time, when a round is done.  Who takes the
// mutex first waits a moment for the others, so that one round does for all of them; and who waits for a round looks for
// a while whether it is done before he sleeps.  Both are about time alone, and happen in free running only.
//
//   done        the last round that is done; numbers wrap.  Changed by holders of the mutex
//   inside      tasks that have the mutex or wait for it, or for a round
//   expected    so many were inside when the mutex was last released: so many may come back.  A guess; 0 under control
//   even, odd   where tasks sleep that want an even or an odd round: numbers that grow with every release
//
// kernel: j_wait_done_commit, jbd2_log_wait_commit

import { linger, Op, park, runsFree, step, wake } from "../machine/cpu.ts";
import type { QuietCell } from "../machine/cell.ts";
import { bytes, quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import type { LockClass } from "./classes.ts";
import { acquired, Hold, notWanted, releasing, wanted } from "./lockdep.ts";
import { disown, own, tryOwn } from "./owner.ts";

export const GroupMutex = struct("group_mutex", {
  state: quiet,
  class: u32,
  done: quiet,
  inside: quiet,
  expected: quiet,
  apart: bytes(60, 4), // who looks at a word all the time slows stores beside it, in its cache line
  even: quiet,
  odd: quiet,
});
export type GroupMutex = ViewOf<typeof GroupMutex>;

/** Looks at a round, some 30 us: longer than a small commit takes and the one before it, and than sleep and a wake. */
const PATIENCE = 4000;

/** Looks for those who may come back, some 2 us: they make one small change. */
const MOMENT = 300;

/** Rounds up to `done` are done. */
export function initGroupMutex(mutex: GroupMutex, cls: LockClass, done: number): void {
  mutex.state.store(0);
  mutex.class = cls;
  mutex.done.store(done);
  mutex.inside.store(0);
  mutex.expected.store(0);
  mutex.even.store(0);
  mutex.odd.store(0);
}

/** Whether a round is done.  kernel: tid_geq */
const isDone = ({ done }: GroupMutex, round: number): boolean => ((done.load() - round) | 0) >= 0;

const sleepersOf = ({ even, odd }: GroupMutex, round: number): QuietCell => ((round & 1) === 0 ? even : odd);

/** Waits until a round is done, or takes the mutex, which the caller then releases: whether it was taken. */
export function groupLockFor(mutex: GroupMutex, round: number): boolean {
  step(Op.lock, mutex.at);
  wanted(mutex, mutex.class, Hold.exclusive);
  mutex.inside.add(1);
  const taken = takeOrWait(mutex, round);
  if (taken) {
    acquired(mutex, mutex.class, Hold.exclusive);
    linger(mutex.inside, mutex.expected.load(), MOMENT);
  } else {
    mutex.inside.add(-1);
    notWanted(mutex);
  }
  return taken;
}

function takeOrWait(mutex: GroupMutex, round: number): boolean {
  const sleepers = sleepersOf(mutex, round);
  for (;;) {
    const seen = sleepers.load(); // before the rest: it changes behind that
    if (isDone(mutex, round)) return false;
    if (tryOwn(mutex.state)) break;
    park(sleepers, seen, PATIENCE);
  }
  if (!isDone(mutex, round)) return true;
  release(mutex); // it was done between the two looks
  return false;
}

/** Takes the mutex whatever is done. */
export function groupLock(mutex: GroupMutex): void {
  step(Op.lock, mutex.at);
  wanted(mutex, mutex.class, Hold.exclusive);
  mutex.inside.add(1);
  own(mutex.state);
  acquired(mutex, mutex.class, Hold.exclusive);
}

/** Releases the mutex; rounds are done up to `round`. */
export function groupUnlock(mutex: GroupMutex, round: number): void {
  step(Op.unlock, mutex.at);
  releasing(mutex, Hold.exclusive);
  const inside = mutex.inside.add(-1);
  if (runsFree()) mutex.expected.store(inside);
  mutex.done.store(round);
  release(mutex);
}

function release(mutex: GroupMutex): void {
  const round = mutex.done.load();
  disown(mutex.state);
  const [finished, next] = [sleepersOf(mutex, round), sleepersOf(mutex, round + 1)];
  finished.add(1);
  next.add(1);
  wake(finished);
  wake(next, 1);
}
