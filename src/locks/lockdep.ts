// The checker of locks: who holds what, and in which order classes of locks nest.
//
//   held locks   a stack for each task, in the slab; all zero when a task holds nothing
//   orders       a square of bits in the control area: class `a` was held while class `b` was taken.  It
//                survives restore, so that what one run did is compared with what another run did:
//                an inversion is reported when both orders were seen, without the deadlock having to happen.
//                Who needs runs that do not depend on earlier ones goes back to a copy of it (`ordersOf`)
//
// Reported as bug(): a lock taken again by its holder, an inversion (also through other classes), two locks of
// one class not taken in order of their addresses, a sleeping lock taken under a spinlock, a release of a
// lock that is not held.  Read sides count like write sides: a waiting writer makes them block.
// A try never blocks, so it may go against the order; but what is taken under it counts.
//
// Lockdep works while `header(mem).lockdep` is 1; boot decides.  Switch it only while nobody holds a lock.
// Only the task itself writes its stack; bits of the square are set atomically.

import { currentTask } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import {
  allocate,
  allocateControl,
  describe,
  isLockdepOn,
  Root,
  rootView,
  setRoot,
  strideOf,
} from "../machine/layout.ts";
import { TASK_SLOTS } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { bytes, struct, u32, type ViewOf } from "../machine/struct.ts";
import { className, MAX_CLASSES } from "./classes.ts";

/** How a lock is held. */
export const Hold = { shared: 1, exclusive: 2, spinning: 3 } as const;
export type Hold = (typeof Hold)[keyof typeof Hold];

/** Anything with an address: a lock, or the word of a bit lock. */
interface Place {
  readonly mem: Memory;
  readonly at: number;
}

const MAX_HELD = 24;
/** Stands for the bit of a lock that is no bit lock. */
const WHOLE = 0xff;

// An entry of a stack is two words: the lock's address, and class | hold << 8 | bit << 16.
const HeldLocks = struct("held_locks", {
  depth: u32,
  wants: u32,
  wantsTag: u32,
  entries: bytes(MAX_HELD * 8, 4),
});
const ENTRIES = HeldLocks.offset("entries") >>> 2;
const WANTS = HeldLocks.offset("wants") >>> 2;

const Lockdep = struct("lockdep", { heldAt: u32, orders: bytes((MAX_CLASSES * MAX_CLASSES) / 8, 4) });

const tagOf = (cls: number, hold: Hold, bit: number): number => cls | (hold << 8) | (bit << 16);
const classOf = (tag: number): number => tag & 0xff;
const holdOf = (tag: number): number => (tag >>> 8) & 0xff;
const bitOf = (tag: number): number => tag >>> 16;

/** Makes the stacks and the square.  At boot; leaves lockdep switched off. */
export function initLockdep(mem: Memory): void {
  setRoot(mem, Root.lockdep, allocateControl(mem, Lockdep.size));
  state(mem).heldAt = allocate(mem, HeldLocks, TASK_SLOTS);
}

function state(mem: Memory): ViewOf<typeof Lockdep> {
  return rootView(mem, Root.lockdep, Lockdep);
}

/** The index, in words, of a task's HeldLocks. */
function stackOf(mem: Memory, task: number): number {
  return (state(mem).heldAt + task * strideOf(HeldLocks)) >>> 2;
}

const word = (mem: Memory, index: number): number => mem.u32[index] as number;

// What every lock calls is small, so that the compiler puts it where it is called; the work is done elsewhere.

/** The current task is about to wait for a lock.  Called before the first try. */
export function wanted(lock: Place, cls: number, hold: Hold, bit?: number): void {
  if (isLockdepOn(lock.mem)) noteWanted(lock, cls, hold, bit);
}

/** The current task has the lock now. */
export function acquired(lock: Place, cls: number, hold: Hold, bit?: number): void {
  if (isLockdepOn(lock.mem)) noteAcquired(lock, cls, hold, bit);
}

/** The current task is about to release the lock. */
export function releasing(lock: Place, hold: Hold, bit?: number): void {
  if (isLockdepOn(lock.mem)) noteReleasing(lock, hold, bit);
}

function noteWanted(lock: Place, cls: number, hold: Hold, bit = WHOLE): void {
  const { mem } = lock;
  const stack = stackOf(mem, currentTask());
  const tag = tagOf(cls, hold, bit);
  const depth = word(mem, stack);
  for (let i = 0; i < depth; i++) {
    const heldAt = word(mem, stack + ENTRIES + 2 * i);
    checkPair(lock, tag, heldAt, word(mem, stack + ENTRIES + 2 * i + 1));
  }
  mem.u32[stack + WANTS] = lock.at;
  mem.u32[stack + WANTS + 1] = tag;
}

function noteAcquired(lock: Place, cls: number, hold: Hold, bit = WHOLE): void {
  const { mem } = lock;
  const stack = stackOf(mem, currentTask());
  const depth = word(mem, stack);
  if (depth === MAX_HELD) bug(`task ${currentTask()} holds ${MAX_HELD} locks and takes another`);
  mem.u32[stack + ENTRIES + 2 * depth] = lock.at;
  mem.u32[stack + ENTRIES + 2 * depth + 1] = tagOf(cls, hold, bit);
  mem.u32[stack] = depth + 1;
  mem.u32[stack + WANTS] = 0;
  mem.u32[stack + WANTS + 1] = 0;
}

/** The current task does not wait for the lock any more, and does not have it. */
export function notWanted({ mem }: Place): void {
  if (!isLockdepOn(mem)) return;
  const stack = stackOf(mem, currentTask());
  mem.u32[stack + WANTS] = 0;
  mem.u32[stack + WANTS + 1] = 0;
}

function noteReleasing(lock: Place, hold: Hold, bit = WHOLE): void {
  const { mem } = lock;
  const task = currentTask();
  const stack = stackOf(mem, task);
  const found = find(lock, stack, bit);
  if (found < 0) bug(`task ${task} releases ${nameOf(lock, bit)}, which it does not hold`);
  const held = holdOf(word(mem, stack + ENTRIES + 2 * found + 1));
  if (held !== hold)
    bug(`task ${task} holds ${nameOf(lock, bit)} ${side(held)} and releases it ${side(hold)}`);
  const last = word(mem, stack) - 1;
  for (let i = stack + ENTRIES + 2 * found; i < stack + ENTRIES + 2 * last; i++)
    mem.u32[i] = word(mem, i + 2);
  // Zero again, so that a task that holds nothing leaves no trace of what it held.
  mem.u32[stack + ENTRIES + 2 * last] = 0;
  mem.u32[stack + ENTRIES + 2 * last + 1] = 0;
  mem.u32[stack] = last;
}

/** The current task keeps the read side of a lock whose write side it has. */
export function downgraded(lock: Place): void {
  const { mem } = lock;
  if (!isLockdepOn(mem)) return;
  const stack = stackOf(mem, currentTask());
  const found = find(lock, stack, WHOLE);
  const index = stack + ENTRIES + 2 * found + 1;
  if (found < 0 || holdOf(word(mem, index)) !== Hold.exclusive) {
    bug(`task ${currentTask()} downgrades ${nameOf(lock, WHOLE)}, which it does not hold for writing`);
  }
  mem.u32[index] = tagOf(classOf(word(mem, index)), Hold.shared, WHOLE);
}

/** The current task is about to sleep for something that is no lock. */
export function sleeping(on: Place): void {
  const { mem } = on;
  if (!isLockdepOn(mem)) return;
  const stack = stackOf(mem, currentTask());
  const depth = word(mem, stack);
  for (let i = 0; i < depth; i++) {
    const tag = word(mem, stack + ENTRIES + 2 * i + 1);
    if (holdOf(tag) === Hold.spinning) sleepsUnderSpinlock(on, word(mem, stack + ENTRIES + 2 * i));
  }
}

/** bug() unless the current task holds the lock, for reading or writing (or that bit of the word). */
export function assertHeld(lock: Place, bit = WHOLE): void {
  if (!isLockdepOn(lock.mem)) return;
  const task = currentTask();
  if (find(lock, stackOf(lock.mem, task), bit) < 0) bug(`task ${task} does not hold ${nameOf(lock, bit)}`);
}

/** bug() unless the current task holds the lock for writing. */
export function assertHeldWrite(lock: Place): void {
  const { mem } = lock;
  if (!isLockdepOn(mem)) return;
  const task = currentTask();
  const stack = stackOf(mem, task);
  const found = find(lock, stack, WHOLE);
  if (found < 0 || holdOf(word(mem, stack + ENTRIES + 2 * found + 1)) === Hold.shared) {
    bug(`task ${task} does not hold ${nameOf(lock, WHOLE)} for writing`);
  }
}

/** A task that waits for a lock, and who holds that. */
export interface Wait {
  readonly task: number;
  /** The lock by class and place: "inode.rwsem (inode#3.rwsem)". */
  readonly lock: string;
  readonly holders: readonly { readonly task: number; readonly shared: boolean }[];
}

/** What a task holds, by class and place, oldest first. */
export function heldLocks(mem: Memory, task: number): string[] {
  const stack = stackOf(mem, task);
  return Array.from({ length: word(mem, stack) }, (_, i) => {
    const entry = stack + ENTRIES + 2 * i;
    return fullName({ mem, at: word(mem, entry) }, word(mem, entry + 1));
  });
}

/** Where the orders lie, to be copied and put back while nobody runs. */
export function ordersOf(mem: Memory): { at: number; length: number } {
  return { at: state(mem).orders, length: Lockdep.size - Lockdep.offset("orders") };
}

/** Who waits for a lock and who holds it, for the report of a deadlock.  Empty while lockdep is off. */
export function waits(mem: Memory): Wait[] {
  if (!isLockdepOn(mem)) return [];
  const found: Wait[] = [];
  for (let task = 0; task < TASK_SLOTS; task++) {
    const stack = stackOf(mem, task);
    const at = word(mem, stack + WANTS);
    const tag = word(mem, stack + WANTS + 1);
    if (at === 0) continue;
    found.push({ task, lock: fullName({ mem, at }, tag), holders: holders({ mem, at }, bitOf(tag)) });
  }
  return found;
}

function holders(lock: Place, bit: number): { task: number; shared: boolean }[] {
  const found: { task: number; shared: boolean }[] = [];
  for (let task = 0; task < TASK_SLOTS; task++) {
    const stack = stackOf(lock.mem, task);
    const index = find(lock, stack, bit);
    if (index < 0) continue;
    found.push({ task, shared: holdOf(word(lock.mem, stack + ENTRIES + 2 * index + 1)) === Hold.shared });
  }
  return found;
}

/** The place of a lock in a stack, -1 when it is not there. */
function find(lock: Place, stack: number, bit: number): number {
  const { mem } = lock;
  for (let i = word(mem, stack) - 1; i >= 0; i--) {
    const entry = stack + ENTRIES + 2 * i;
    if (word(mem, entry) === lock.at && bitOf(word(mem, entry + 1)) === bit) return i;
  }
  return -1;
}

/** Whether a lock may be waited for under one that is held. */
function checkPair(lock: Place, tag: number, heldAt: number, heldTag: number): void {
  const { mem } = lock;
  const held = { mem, at: heldAt };
  const task = currentTask();
  const again = heldAt === lock.at && bitOf(heldTag) === bitOf(tag);
  if (again)
    bug(`task ${task} takes ${fullName(lock, tag)} again: it holds it ${side(holdOf(heldTag))} already`);
  if (holdOf(heldTag) === Hold.spinning && holdOf(tag) !== Hold.spinning) sleepsUnderSpinlock(lock, heldAt);
  const [before, after] = [classOf(heldTag), classOf(tag)];
  if (before === 0 || after === 0) return;
  if (before === after) {
    const ascending = heldAt < lock.at || (heldAt === lock.at && bitOf(heldTag) < bitOf(tag));
    if (ascending) return;
    const [first, second] = [fullName(held, heldTag), fullName(lock, tag)];
    bug(
      `possible deadlock: task ${task} takes ${second} under ${first}; of one class the lower address goes first`,
    );
  }
  if (!learn(mem, before, after)) return;
  const path = pathBetween(mem, after, before);
  if (path === undefined) return;
  forget(mem, before, after); // the order that was there first stays: the same mistake is found again
  const [first, second] = [fullName(held, heldTag), fullName(lock, tag)];
  const known = path.map(className).join(", then ");
  bug(
    `possible deadlock: task ${task} takes ${second} under ${first}, but the order seen before is ${known}`,
  );
}

const rowOf = (mem: Memory, cls: number): number => (state(mem).orders >>> 2) + 2 * cls;

/** Enters an order into the square; whether it is new. */
function learn(mem: Memory, before: number, after: number): boolean {
  const index = rowOf(mem, before) + (after >>> 5);
  const bit = 1 << (after & 31);
  return (word(mem, index) & bit) === 0 && (Atomics.or(mem.i32, index, bit) & bit) === 0;
}

function forget(mem: Memory, before: number, after: number): void {
  Atomics.and(mem.i32, rowOf(mem, before) + (after >>> 5), ~(1 << (after & 31)));
}

/** Classes from one to another, each taken under the one before it; undefined when no such order was seen. */
function pathBetween(mem: Memory, from: number, to: number): number[] | undefined {
  const cameFrom = new Map<number, number>([[from, from]]);
  for (const cls of cameFrom.keys()) {
    if (cls === to) break;
    for (let next = 0; next < MAX_CLASSES; next++) {
      const row = Atomics.load(mem.i32, rowOf(mem, cls) + (next >>> 5));
      if ((row & (1 << (next & 31))) !== 0 && !cameFrom.has(next)) cameFrom.set(next, cls);
    }
  }
  if (!cameFrom.has(to)) return undefined;
  const path = [to];
  while (path[0] !== from) path.unshift(cameFrom.get(path[0] as number) as number);
  return path;
}

function sleepsUnderSpinlock(on: Place, spinlockAt: number): never {
  const spinlock = nameOf({ mem: on.mem, at: spinlockAt }, WHOLE);
  bug(`task ${currentTask()} may sleep for ${nameOf(on, WHOLE)} while it holds the spinlock ${spinlock}`);
}

const side = (hold: number): string => (hold === Hold.shared ? "for reading" : "for writing");

/** "inode#3.rwsem": the lock, not the first word of it, which has the same address. */
function nameOf(lock: Place, bit: number): string {
  const name = describe(lock.mem, lock.at).replace(/\.(state|done)$/, "");
  return bit === WHOLE ? name : `${name} bit ${bit}`;
}

function fullName(lock: Place, tag: number): string {
  const name = nameOf(lock, bitOf(tag));
  return classOf(tag) === 0 ? name : `${className(classOf(tag))} (${name})`;
}
