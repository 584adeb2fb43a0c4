// The seam between the kernel and whatever decides who runs: step, park and wake.  Beside them there is only what is
// about time in free running (runsFree, linger) and means nothing under control.
//
// A JS thread is a CPU, so the two module variables below are its registers: which task it runs, and
// which engine, if any, is in control.  Without an engine the machine runs free: step does nothing, park
// looks for a moment and then is Atomics.wait, wake is Atomics.notify.

import { bug } from "./errors.ts";
import type { QuietCell } from "./cell.ts";
import { HOST_TASK } from "./limits.ts";

/**
 * What a step is about to do.  The scheduler reads from it which steps of two tasks commute.  Modules whose steps every
 * call takes keep their ops as constants of their own: of those the compiler knows the values.
 */
export const Op = {
  load: 1,
  store: 2,
  update: 3,
  lock: 4,
  lockShared: 5,
  unlock: 6,
  unlockShared: 7,
  park: 8,
  wake: 9,
  copyIn: 10, // user bytes into a page of media or memory
  copyOut: 11, // a page of media or memory to the user
  zero: 12,
  flush: 13,
  fence: 14,
  setPte: 15,
  clearPte: 16,
  walk: 17, // reads a page table entry into the TLB
  shootDown: 18,
  call: 19, // enters a system call; observable, because the oracles order calls by it
  return: 20, // leaves one
  start: 21, // a task's first step
} as const;
export type Op = (typeof Op)[keyof typeof Op];

const names: string[] = [];
for (const [name, value] of Object.entries(Op)) names[value] = name;

/** `Op.copyIn` -> "copyIn". */
export function opName(op: number): string {
  return names[op] ?? `op ${op}`;
}

/** Ops that leave what they touch as it was: two of them on one address commute. */
export function onlyReads(op: number): boolean {
  return (
    op === Op.load ||
    op === Op.copyOut ||
    op === Op.walk ||
    op === Op.lockShared ||
    op === Op.unlockShared ||
    op === Op.flush ||
    op === Op.fence
  );
}

/** What decides, when something does.  `sched/` implements it. */
export interface Engine {
  step(op: Op, address: number): void;
  park(cell: QuietCell, seen: number): void;
  wake(cell: QuietCell, count: number): void;
}

let engine: Engine | undefined;
let task: number = HOST_TASK;

/** The task this thread runs; `HOST_TASK` on the thread that owns the machine. */
export function currentTask(): number {
  return task;
}

/** Makes this thread run as a task, under an engine or free.  Returns what it was before. */
export function runAs(nextTask: number, nextEngine?: Engine): { task: number; engine: Engine | undefined } {
  const before = { task, engine };
  task = nextTask;
  engine = nextEngine;
  return before;
}

/** Whether tasks move by themselves: what is only about time has no meaning under control, and must leave no trace. */
export function runsFree(): boolean {
  return engine === undefined;
}

/** Announces an operation that another task can observe, before it happens. */
export function step(op: Op, address: number): void {
  if (engine !== undefined) engine.step(op, address);
}

/**
 * Sleeps until `wake(cell)`, unless the cell no longer holds `seen`.  May wake for no reason.  Running free, a task
 * looks again so often before it sleeps.
 */
export function park(cell: QuietCell, seen: number, looks = LOOKS): void {
  if (engine !== undefined) {
    engine.park(cell, seen);
    return;
  }
  // Most waits are short, and sleeping takes as long as a hundred of them.
  for (let i = 0; i < looks; i++) if (Atomics.load(cell.mem.i32, cell.index) !== seen) return;
  const patience = task === HOST_TASK ? HOST_PATIENCE : Infinity;
  const outcome = Atomics.wait(cell.mem.i32, cell.index, seen, patience);
  if (outcome === "timed-out") bug(`the host waited ${HOST_PATIENCE} ms for a lock that no task gave up`);
}

/** Wakes up to `count` tasks parked on the cell. */
export function wake(cell: QuietCell, count = Infinity): void {
  if (engine !== undefined) engine.wake(cell, count);
  else Atomics.notify(cell.mem.i32, cell.index, count);
}

/**
 * Gives other tasks, so many looks long, a chance to bring the cell to `least`.  Under control nobody else moves
 * meanwhile, so it is over at once.
 */
export function linger(cell: QuietCell, least: number, looks: number): void {
  if (!runsFree()) return;
  for (let i = 0; i < looks; i++) if (Atomics.load(cell.mem.i32, cell.index) >= least) return;
}

/** Looks of a task that says nothing else: about one microsecond. */
const LOOKS = 100;

/** How long the host's thread waits for a lock before it calls that a deadlock, in milliseconds. */
const HOST_PATIENCE = 30_000;
