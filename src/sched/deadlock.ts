// Who waits for whom, in words.  Read while the machine still is as the tasks left it: a stopped task
// runs no unlocks, so what it held it holds.
//
// Where lockdep is on, it knows the locks' classes and holders.  Otherwise the steps tell: who announced
// that it takes the lock, more often than that it releases it, is taken for a holder (wrongly, when that
// was a try that failed).  A task that waits for no lock is told by the cell on which it sleeps.

import { Op, opName } from "../machine/cpu.ts";
import { describe, header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { waits, type Wait } from "../locks/lockdep.ts";
import { engineState, seatOf, StepLog } from "./state.ts";

/** Names by task number; "task 2" where there is none. */
export type TaskNames = readonly string[];

export function taskName(names: TaskNames, task: number): string {
  return names[task] ?? `task ${task}`;
}

/** "writer waits for inode.rwsem (inode#3.rwsem), which reader holds; reader waits for …" */
export function deadlockReport(mem: Memory, names: TaskNames): string {
  const { taskCount } = engineState(mem);
  const parked: number[] = [];
  for (let task = 0; task < taskCount; task++) if (seatOf(mem, task).parkedOn !== 0) parked.push(task);
  const known = header(mem).lockdep === 1 ? waits(mem) : parked.flatMap((task) => waitBySteps(mem, task));
  const waitOf = (task: number): Wait | undefined => known.find((wait) => wait.task === task);
  const sentence = (task: number): string => {
    const wait = waitOf(task);
    if (wait === undefined) return `${taskName(names, task)} ${sleepsAt(mem, task)}`;
    return `${taskName(names, task)} waits for ${wait.lock}, which ${holdersOf(wait, names, parked)}`;
  };
  const cycle = findCycle(parked, waitOf);
  const others = parked.filter((task) => !cycle.includes(task));
  const parts = [cycle, others].filter((tasks) => tasks.length > 0);
  return parts.map((tasks) => tasks.map(sentence).join("; ")).join(".  Blocked besides: ");
}

function waitBySteps(mem: Memory, waiter: number): Wait[] {
  const { wantedOp, wantedAddress } = seatOf(mem, waiter);
  if (wantedOp !== Op.lock && wantedOp !== Op.lockShared) return [];
  const log = new StepLog(mem);
  const shared: boolean[] = [];
  // What a sleeping task announced last has not come true.
  const isWaiting = (task: number): boolean => {
    const seat = seatOf(mem, task);
    return seat.parkedOn !== 0 && seat.wantedAddress === wantedAddress;
  };
  const { taskCount } = engineState(mem);
  const taken = Array.from({ length: taskCount }, (_, task): number => (isWaiting(task) ? -1 : 0));
  for (let step = 0; step < log.length; step++) {
    if (log.address(step) !== wantedAddress) continue;
    const task = log.task(step);
    const op = log.op(step);
    const takes = op === Op.lock || op === Op.lockShared;
    if (takes) shared[task] = op === Op.lockShared;
    if (takes) taken[task] = (taken[task] as number) + 1;
    else if (op === Op.unlock || op === Op.unlockShared) taken[task] = (taken[task] as number) - 1;
  }
  const holders = taken.flatMap((count, task) =>
    count > 0 ? [{ task, shared: shared[task] === true }] : [],
  );
  return [{ task: waiter, lock: describe(mem, wantedAddress), holders }];
}

function sleepsAt(mem: Memory, task: number): string {
  const { parkedOn, wantedOp, wantedAddress } = seatOf(mem, task);
  const after = `after ${opName(wantedOp)} at ${describe(mem, wantedAddress)}`;
  return `sleeps on ${describe(mem, parkedOn)} ${after}, and nobody is left to wake it`;
}

function holdersOf({ task: waiter, holders }: Wait, names: TaskNames, parked: readonly number[]): string {
  if (holders.length === 0) return "nobody holds: whoever had it did not wake the waiter";
  const words = holders.map(({ task, shared }) => {
    const done = parked.includes(task) ? "" : ", who is done";
    const name = task === waiter ? "it" : taskName(names, task);
    return `${name} ${task === waiter ? "itself " : ""}holds${shared ? " shared" : ""}${done}`;
  });
  return words.join(", and ");
}

/** Parked tasks that wait for each other in a ring, in order; empty when the holders are not known. */
function findCycle(parked: readonly number[], waitOf: (task: number) => Wait | undefined): number[] {
  for (const first of parked) {
    const path = [first];
    const closes = (task: number): boolean =>
      (waitOf(task)?.holders ?? []).some(({ task: holder }) => {
        if (holder === first) return true;
        if (!parked.includes(holder) || path.includes(holder)) return false;
        path.push(holder);
        if (closes(holder)) return true;
        path.pop();
        return false;
      });
    if (closes(first)) return path;
  }
  return [];
}
