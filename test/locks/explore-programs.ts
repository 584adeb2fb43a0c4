// Tiny programs for explore.test.ts: two or three tasks, a few steps each, and what a schedule may show at
// its end.  Each lock exists twice: as the kernel uses it, where taking it is one step; and "open", with
// words that announce every operation, so that the schedules go through the inside of the lock too.

import { LockClass } from "../../src/locks/classes.ts";
import { complete, completeAll, Completion, waitForCompletion } from "../../src/locks/completion.ts";
import { groupLockFor, GroupMutex, groupUnlock, initGroupMutex } from "../../src/locks/group.ts";
import { initMutex, Mutex, mutexLock, mutexTryLock, mutexUnlock } from "../../src/locks/mutex.ts";
import {
  downgradeWrite,
  downRead,
  downReadTry,
  downWrite,
  downWriteTry,
  initRwSem,
  RwSem,
  upRead,
  upWrite,
} from "../../src/locks/rwsem.ts";
import {
  readSeqBegin,
  readSeqRetry,
  readSeqTry,
  SeqCount,
  writeSeqBegin,
  writeSeqEnd,
  writeSeqTry,
} from "../../src/locks/seqcount.ts";
import { initSpinLock, SpinLock, spinLock, spinUnlock } from "../../src/locks/spinlock.ts";
import { disown } from "../../src/locks/owner.ts";
import { lockBit, unlockBit } from "../../src/locks/wait-bit.ts";
import type { Cell } from "../../src/machine/cell.ts";
import { currentTask, Op, park, step, wake } from "../../src/machine/cpu.ts";
import { atomic, embed, quiet, struct, u32, type ViewOf } from "../../src/machine/struct.ts";

const OpenWord = struct("open_lock", { state: atomic, class: u32 });
const OpenRwSem = struct("open_rwsem", { state: atomic, grants: atomic, class: u32 });
const OpenSeqCount = struct("open_seqcount", { sequence: atomic, waiting: atomic });
const OpenCompletion = struct("open_completion", { done: atomic });
const OpenGroupMutex = struct("open_group_mutex", {
  state: atomic,
  class: u32,
  done: atomic,
  inside: quiet, // a guess is made from them, and it changes nothing under control
  expected: quiet,
  apart: u32,
  even: atomic,
  odd: atomic,
});

export const Toy = struct("toy", {
  spin: embed(SpinLock),
  mutex: embed(Mutex),
  other: embed(Mutex),
  sem: embed(RwSem),
  seq: embed(SeqCount),
  done: embed(Completion),
  group: embed(GroupMutex),
  bits: quiet,
  openSpin: embed(OpenWord),
  openMutex: embed(OpenWord),
  openSem: embed(OpenRwSem),
  openSeq: embed(OpenSeqCount),
  openDone: embed(OpenCompletion),
  openGroup: embed(OpenGroupMutex),
  openBits: atomic,
  first: atomic, // incremented by a load and a store, so that updates can get lost between the two
  second: atomic,
  round: atomic, // the one that is open
  covered: u32, // how many changes are in the rounds that are done
  seen: u32, // what a program wants to tell its check; zero is good
});
export type Toy = ViewOf<typeof Toy>;

export interface Program<T = Toy> {
  readonly tasks: readonly ((toy: T) => void)[];
  /** What a schedule showed: one word. */
  show(toy: T): string;
  /** Whether there is a step between a look at a word and the sleep on it, too. */
  readonly open?: true;
}

export const open = <T>(program: Program<T>) => ({ ...program, open: true }) as const;

export function initToy(toy: Toy): void {
  initSpinLock(toy.spin, LockClass["pagePool.lock"]);
  initMutex(toy.mutex, LockClass["design.first"]);
  initMutex(toy.other, LockClass["design.second"]);
  initRwSem(toy.sem, LockClass["inode.rwsem"]);
  initGroupMutex(toy.group, LockClass["journal.commitMutex"], 0);
  toy.round.store(1);
}

function increment(cell: Cell): void {
  cell.store(cell.load() + 1);
}

/** What a program of any locks counts, and tells its check. */
type Counts = Pick<Toy, "first" | "second" | "seen">;
export type Pair<T = Toy> = readonly [take: (toy: T) => void, give: (toy: T) => void];

/** Each task increments once between taking and giving; shows whether all increments are there. */
export function counting<T extends Counts>(...pairs: Pair<T>[]): Program<T> {
  const tasks = pairs.map(([take, give]) => (toy: T): void => {
    take(toy);
    increment(toy.first);
    give(toy);
  });
  return { tasks, show: (toy) => (toy.first.load() === pairs.length ? "all" : "lost") };
}

/** A writer of both counters, and readers who tell when they saw them differ. */
export function pairing<T extends Counts>([take, give]: Pair<T>, ...readers: Pair<T>[]): Program<T> {
  const writer = (toy: T): void => {
    take(toy);
    increment(toy.first);
    increment(toy.second);
    give(toy);
  };
  const tasks = readers.map(([enter, leave]) => (toy: T): void => {
    enter(toy);
    if (toy.first.load() !== toy.second.load()) toy.seen = 1;
    leave(toy);
  });
  return { tasks: [writer, ...tasks], show: torn };
}

const torn = (toy: Counts): string => (toy.seen === 0 ? "whole" : "torn");
const passed = (): string => "passed";

const none: Pair = [() => {}, () => {}];
const spin: Pair = [(toy) => spinLock(toy.spin), (toy) => spinUnlock(toy.spin)];
const mutex: Pair = [(toy) => mutexLock(toy.mutex), (toy) => mutexUnlock(toy.mutex)];
const write: Pair = [(toy) => downWrite(toy.sem), (toy) => upWrite(toy.sem)];
const read: Pair = [(toy) => downRead(toy.sem), (toy) => upRead(toy.sem)];
const bit: Pair = [(toy) => lockBit(toy.bits, 7), (toy) => unlockBit(toy.bits, 7)];
const otherBit: Pair = [(toy) => lockBit(toy.bits, 8), (toy) => unlockBit(toy.bits, 8)];
const openSpin: Pair = [(toy) => spinLock(toy.openSpin), (toy) => spinUnlock(toy.openSpin)];
const openMutex: Pair = [(toy) => mutexLock(toy.openMutex), (toy) => mutexUnlock(toy.openMutex)];
const openWrite: Pair = [(toy) => downWrite(toy.openSem), (toy) => upWrite(toy.openSem)];
const openRead: Pair = [(toy) => downRead(toy.openSem), (toy) => upRead(toy.openSem)];
const openBit: Pair = [(toy) => lockBit(toy.openBits, 7), (toy) => unlockBit(toy.openBits, 7)];

/** Frees a mutex as mutexUnlock does, but does not wake who waits for it. */
const forgetful: Pair = [mutex[0], (toy) => void toy.mutex.state.add(-1 - currentTask())];

/**
 * A reader-writer lock with the hint that a writer waits in another word than the count.  A reader who
 * saw the hint sleeps while the count is 0; but by then the writer may have come and gone.
 */
const twoWordRead: Pair = [
  ({ openSem: { state, grants } }) => {
    for (;;) {
      const count = state.load();
      if (count < 0 || grants.load() > 0) park(state, count);
      else if (state.swapIf(count, count + 1)) return;
    }
  },
  ({ openSem: { state } }) => void (state.add(-1) === 1 && wake(state)),
];
const twoWordWrite: Pair = [
  ({ openSem: { state, grants } }) => {
    grants.add(1);
    for (let count = state.load(); !state.swapIf(0, -1); count = state.load())
      if (count !== 0) park(state, count);
    grants.add(-1);
  },
  ({ openSem: { state } }) => {
    state.store(0);
    wake(state);
  },
];

function downgrading(pick: (toy: Toy) => RwSem): Program {
  const task = (toy: Toy): void => {
    downWrite(pick(toy));
    increment(toy.first);
    const mine = toy.first.load();
    downgradeWrite(pick(toy));
    if (toy.first.load() !== mine) toy.seen = 1;
    upRead(pick(toy));
  };
  return { tasks: [task, task], show: (toy) => (toy.seen === 0 ? "kept" : "overtaken") };
}

function trying(pick: (toy: Toy) => Mutex): Program {
  const task = (toy: Toy): void => {
    if (!mutexTryLock(pick(toy))) return void (toy.seen += 1);
    increment(toy.first);
    mutexUnlock(pick(toy));
  };
  return { tasks: [task, task], show: (toy) => `${toy.first.load()} of 2, ${toy.seen} tried in vain` };
}

function tryingBoth(pick: (toy: Toy) => RwSem): Program {
  const writer = (toy: Toy): void => {
    if (!downWriteTry(pick(toy))) return;
    increment(toy.first);
    increment(toy.second);
    upWrite(pick(toy));
  };
  const reader = (toy: Toy): void => {
    if (!downReadTry(pick(toy))) return;
    if (toy.first.load() !== toy.second.load()) toy.seen = 1;
    upRead(pick(toy));
  };
  return { tasks: [writer, reader, writer], show: torn };
}

function sequence(pick: (toy: Toy) => SeqCount, looksAgain: boolean): Program {
  const writer = (toy: Toy): void => {
    writeSeqBegin(pick(toy));
    increment(toy.first);
    increment(toy.second);
    writeSeqEnd(pick(toy));
  };
  const reader = (toy: Toy): void => {
    for (;;) {
      const begun = readSeqBegin(pick(toy));
      const [first, second] = [toy.first.load(), toy.second.load()];
      if (looksAgain && readSeqRetry(pick(toy), begun)) continue;
      if (first !== second) toy.seen = 1;
      return;
    }
  };
  return { tasks: [writer, reader], show: torn };
}

/** The same by those who never sleep: two writers that only the count keeps apart, and a reader. */
function entering(enter: (count: SeqCount) => boolean): Program {
  const writer = (toy: Toy): void => {
    if (!enter(toy.seq)) return;
    increment(toy.first);
    increment(toy.second);
    writeSeqEnd(toy.seq);
  };
  return { tasks: [writer, lookOnce, writer], show: torn };
}

function lookOnce(toy: Toy): void {
  const begun = readSeqTry(toy.seq);
  const [first, second] = [toy.first.load(), toy.second.load()];
  if (begun >= 0 && !readSeqRetry(toy.seq, begun) && first !== second) toy.seen = 1;
}

/** Looks, and then counts up, in two operations: two writers may both find the count even. */
function enterInTwo(count: SeqCount): boolean {
  if (readSeqTry(count) < 0) return false;
  step(Op.update, count.at);
  count.sequence.add(1);
  return true;
}

/** `waiters` tasks wait for what one says. */
function announcing(
  pick: (toy: Toy) => Completion,
  say: (done: Completion) => void,
  waiters: number,
): Program {
  const waiter = (toy: Toy): void => {
    waitForCompletion(pick(toy));
    if (toy.first.load() !== 1) toy.seen = 1;
  };
  const sayer = (toy: Toy): void => {
    toy.first.store(1);
    say(pick(toy));
  };
  return { tasks: [sayer, ...Array<typeof waiter>(waiters).fill(waiter)], show: torn };
}

function roundsOf(toy: Toy): string {
  if (toy.seen !== 0) return "left out";
  const { group, openGroup } = toy;
  // Nobody is left inside, and no guess is left behind, which would make machines differ that do not.
  const left = [group, openGroup].reduce(
    (sum, { inside, expected }) => sum + inside.load() + expected.load(),
    0,
  );
  return left === 0 ? `${toy.round.load() - 1} rounds` : "left";
}

/** Each task changes something and wants the round done that it is in; shows how many rounds that took. */
function sharing(pick: (toy: Toy) => GroupMutex, count: number, unlock = groupUnlock): Program {
  const task = (toy: Toy): void => {
    const mine = toy.first.add(1) + 1;
    const round = toy.round.load();
    while (groupLockFor(pick(toy), round)) {
      const closed = toy.round.add(1);
      toy.covered = toy.first.load();
      unlock(pick(toy), closed);
    }
    if (toy.covered < mine) toy.seen = 1;
  };
  return { tasks: Array<typeof task>(count).fill(task), show: roundsOf };
}

/** Releases as groupUnlock does, but wakes none of those who wait for the next round. */
function forgetNext({ state, done, inside, even, odd }: GroupMutex, round: number): void {
  inside.add(-1);
  done.store(round);
  disown(state);
  const finished = (round & 1) === 0 ? even : odd;
  finished.add(1);
  wake(finished);
}

const twice = (done: Completion): void => {
  complete(done);
  complete(done);
};

const inside = (toy: Toy): void => {
  downRead(toy.sem);
  increment(toy.first);
  if (toy.first.load() === 2) toy.seen = 1;
  toy.first.store(toy.first.load() - 1);
  upRead(toy.sem);
};

function nesting(first: "mutex" | "other", second: "mutex" | "other") {
  return (toy: Toy): void => {
    mutexLock(toy[first]);
    mutexLock(toy[second]);
    mutexUnlock(toy[second]);
    mutexUnlock(toy[first]);
  };
}

export const programs = {
  "no lock": counting(none, none),
  "no lock, three tasks": counting(none, none, none),
  "one task locks": counting(mutex, none),
  spinlock: counting(spin, spin),
  "spinlock, three tasks": counting(spin, spin, spin),
  mutex: counting(mutex, mutex),
  "mutex, three tasks": counting(mutex, mutex, mutex),
  "rwsem for writing": counting(write, write),
  "rwsem for writing, three tasks": counting(write, write, write),
  bit: counting(bit, bit),
  "bit, three tasks": counting(bit, bit, bit),
  "open spinlock": open(counting(openSpin, openSpin)),
  "open mutex": open(counting(openMutex, openMutex)),
  "open mutex, three tasks": open(counting(openMutex, openMutex, openMutex)),
  "open rwsem for writing": open(counting(openWrite, openWrite)),
  "open rwsem for writing, three tasks": open(counting(openWrite, openWrite, openWrite)),
  "open bit": open(counting(openBit, openBit)),
  "open bit, three tasks": open(counting(openBit, openBit, openBit)),
  "rwsem for reading by mistake": counting(read, read),
  "another bit by mistake": counting(bit, otherBit),
  "a mutex without its wake": counting(forgetful, forgetful),

  "rwsem, one reader": pairing(write, read),
  "rwsem, two readers": pairing(write, read, read),
  "rwsem, a reader without it": pairing(write, none),
  "open rwsem, one reader": open(pairing(openWrite, openRead)),
  "open rwsem, two readers": open(pairing(openWrite, openRead, openRead)),
  "a reader-writer lock in two words": open(pairing(twoWordWrite, twoWordRead)),
  "two readers inside": { tasks: [inside, inside], show: (toy) => (toy.seen === 1 ? "together" : "apart") },

  downgrade: downgrading((toy) => toy.sem),
  "open downgrade": open(downgrading((toy) => toy.openSem)),
  try: trying((toy) => toy.mutex),
  "open try": open(trying((toy) => toy.openMutex)),
  "rwsem tries": tryingBoth((toy) => toy.sem),
  "open rwsem tries": open(tryingBoth((toy) => toy.openSem)),

  "sequence count": sequence((toy) => toy.seq, true),
  "open sequence count": open(sequence((toy) => toy.openSeq, true)),
  "sequence count without looking again": sequence((toy) => toy.seq, false),
  "sequence count, tried": entering(writeSeqTry),
  "sequence count, tried in two operations": entering(enterInTwo),

  completion: announcing((toy) => toy.done, complete, 1),
  "completion for two": announcing((toy) => toy.done, twice, 2),
  "one completion, two waiters": announcing((toy) => toy.done, complete, 2),
  completeAll: announcing((toy) => toy.done, completeAll, 2),
  "open completion": open(announcing((toy) => toy.openDone, complete, 1)),
  "open completion for two": open(announcing((toy) => toy.openDone, twice, 2)),
  "open completeAll": open(announcing((toy) => toy.openDone, completeAll, 2)),

  group: sharing((toy) => toy.group, 2),
  "group, three tasks": sharing((toy) => toy.group, 3),
  "open group": open(sharing((toy) => toy.openGroup, 2)),
  "open group, three tasks": open(sharing((toy) => toy.openGroup, 3)),
  "open group without a next": open(sharing((toy) => toy.openGroup, 3, forgetNext)),

  "one order": { tasks: [nesting("mutex", "other"), nesting("mutex", "other")], show: passed },
  "two orders": { tasks: [nesting("mutex", "other"), nesting("other", "mutex")], show: passed },
} satisfies Record<string, Program>;
