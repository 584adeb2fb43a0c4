// What the tasks of stress.test.ts do.  The counters are plain words: only the lock under test keeps two
// tasks from losing each other's updates.  `dawdle` makes holders slow enough that others fall asleep.

import { complete, Completion, completeAll, waitForCompletion } from "../../src/locks/completion.ts";
import { groupLockFor, GroupMutex, groupUnlock } from "../../src/locks/group.ts";
import { Mutex, mutexLock, mutexTryLock, mutexUnlock } from "../../src/locks/mutex.ts";
import {
  giveAndClose,
  giveUnlessLast,
  openReferences,
  References,
  takeReference,
} from "../../src/locks/references.ts";
import {
  readSeqBegin,
  readSeqRetry,
  readSeqTry,
  readSeqWord,
  SeqCount,
  writeSeqBegin,
  writeSeqEnd,
  writeSeqTry,
} from "../../src/locks/seqcount.ts";
import { SpinLock, spinLock, spinUnlock } from "../../src/locks/spinlock.ts";
import { lockBit, unlockBit } from "../../src/locks/wait-bit.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { embed, quiet, struct, u32, type ViewOf } from "../../src/machine/struct.ts";

export const Stress = struct("lock_stress", {
  spin: embed(SpinLock),
  mutex: embed(Mutex),
  seq: embed(SeqCount),
  ping: embed(Completion),
  pong: embed(Completion),
  group: embed(GroupMutex),
  references: embed(References),
  bits: quiet,
  changes: quiet,
  round: quiet,
  covered: u32, // changes in the rounds that are done
  stop: quiet,
  first: u32, // the two counters of one promise: equal whenever nobody writes
  second: u32,
  third: u32, // counters under bit 1, 17 and 31
  fourth: u32,
  fifth: u32,
});

const FIRST = Stress.offset("first");
const SECOND = Stress.offset("second");

const stress = (mem: Memory, at: number): ViewOf<typeof Stress> => Stress.of(mem, at);

/** Every 16th time takes some microseconds. */
export function dawdle(it: Pick<ViewOf<typeof Stress>, "stop">, round: number): void {
  if (round % 16 === 0) for (let i = 0; i < 500; i++) it.stop.load();
}

export function countSpinning(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    spinLock(it.spin);
    it.first += 1;
    dawdle(it, i);
    spinUnlock(it.spin);
  }
}

export function countInMutex(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    mutexLock(it.mutex);
    const seen = it.first;
    dawdle(it, i);
    it.first = seen + 1;
    mutexUnlock(it.mutex);
  }
}

/** Counts only when the mutex is free at once; returns how often it was. */
export function countWhenFree(mem: Memory, at: number, rounds: number): number {
  const it = stress(mem, at);
  let got = 0;
  for (let i = 0; i < rounds; i++) {
    if (!mutexTryLock(it.mutex)) continue;
    const seen = it.first;
    dawdle(it, i);
    it.first = seen + 1;
    mutexUnlock(it.mutex);
    got++;
  }
  return got;
}

export function countUnlocked(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    const seen = it.first;
    dawdle(it, i);
    it.first = seen + 1;
  }
}

export function writeSequence(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    spinLock(it.spin);
    writeSeqBegin(it.seq);
    it.first += 1;
    dawdle(it, i);
    it.second += 1;
    writeSeqEnd(it.seq);
    spinUnlock(it.spin);
  }
}

/** Returns [torn reads that passed, reads that had to look again]. */
export function readSequence(mem: Memory, at: number, rounds: number): [number, number] {
  const it = stress(mem, at);
  let [torn, again] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    for (;;) {
      const sequence = readSeqBegin(it.seq);
      const first = it.first;
      dawdle(it, i);
      const second = it.second;
      if (readSeqRetry(it.seq, sequence)) {
        again++;
        continue;
      }
      if (first !== second) torn++;
      break;
    }
  }
  return [torn, again];
}

/** The same for writers that nothing but the count keeps apart. */
export function writeSequenceTrying(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    while (!writeSeqTry(it.seq));
    it.first += 1;
    dawdle(it, i);
    it.second += 1;
    writeSeqEnd(it.seq);
  }
}

/** As readSequence; a writer at work is a reason to look again, too. */
export function readSequenceTrying(mem: Memory, at: number, rounds: number): [number, number] {
  const it = stress(mem, at);
  let [torn, again] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    for (;;) {
      const sequence = readSeqTry(it.seq);
      const first = readSeqWord(mem, it.at + FIRST);
      dawdle(it, i);
      const second = readSeqWord(mem, it.at + SECOND);
      if (sequence < 0 || readSeqRetry(it.seq, sequence)) {
        again++;
        continue;
      }
      if (first !== second) torn++;
      break;
    }
  }
  return [torn, again];
}

/** Makes changes and wants each done; returns how often it was told so too early. */
export function shareRounds(mem: Memory, at: number, rounds: number): number {
  const it = stress(mem, at);
  let early = 0;
  for (let i = 0; i < rounds; i++) {
    const mine = it.changes.add(1) + 1;
    const round = it.round.load();
    while (groupLockFor(it.group, round)) {
      const closed = it.round.add(1);
      const covered = it.changes.load();
      dawdle(it, i);
      it.covered = covered;
      groupUnlock(it.group, closed);
    }
    if (it.covered < mine) early++;
  }
  return early;
}

export function countUnderBits(mem: Memory, at: number, rounds: number, task: number): void {
  const it = stress(mem, at);
  const counters = [
    { bit: 1, name: "third" },
    { bit: 17, name: "fourth" },
    { bit: 31, name: "fifth" },
  ] as const;
  for (let i = 0; i < rounds; i++) {
    const { bit, name } = counters[(i + task) % 3] as (typeof counters)[number];
    lockBit(it.bits, bit);
    const seen = it[name];
    dawdle(it, i);
    it[name] = seen + 1;
    unlockBit(it.bits, bit);
  }
}

export function pingThenPong(mem: Memory, at: number, rounds: number): void {
  const it = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    it.first += 1;
    complete(it.ping);
    waitForCompletion(it.pong);
  }
}

/** Returns how often it was let through before its partner had counted. */
export function pongAfterPing(mem: Memory, at: number, rounds: number): number {
  const it = stress(mem, at);
  let early = 0;
  for (let i = 0; i < rounds; i++) {
    waitForCompletion(it.ping);
    if (it.first !== i + 1) early++;
    complete(it.pong);
  }
  return early;
}

export function waitForPing(mem: Memory, at: number): number {
  const it = stress(mem, at);
  waitForCompletion(it.ping);
  return it.first;
}

export function openForAll(mem: Memory, at: number): void {
  const it = stress(mem, at);
  it.first = 7;
  completeAll(it.ping);
}

/**
 * Uses a thing that is there while somebody has a reference: who finds the count closed opens it, and who gives the
 * last reference back closes it.  `first` says under the spinlock whether it is open.  Returns how often the count was
 * open with nobody there: closing it is nobody's affair then.
 */
export function useReferred(mem: Memory, at: number, rounds: number): number {
  const it = stress(mem, at);
  let forgotten = 0;
  for (let i = 0; i < rounds; i++) {
    if (!takeReference(it.references)) {
      spinLock(it.spin);
      if (it.first === 1) takeReference(it.references);
      else openReferences(it.references);
      it.first = 1;
      spinUnlock(it.spin);
    }
    if (!giveUnlessLast(it.references)) {
      spinLock(it.spin);
      if (giveAndClose(it.references)) it.first = 0;
      spinUnlock(it.spin);
    }
    if (it.references.count.load() === 0) forgotten++;
  }
  return forgotten;
}
