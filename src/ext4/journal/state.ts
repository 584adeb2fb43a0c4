// What the journal keeps in memory: its lock, and a handle for each task.

import { currentTask } from "../../machine/cpu.ts";
import { allocate, Root, rootAt, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import { TASK_SLOTS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { LockClass } from "../../locks/classes.ts";
import { initRwSem, RwSem } from "../../locks/rwsem.ts";

const Journal = struct("journal", {
  sem: embed(RwSem), // shared: a handle is running; exclusive: a commit is
});

/** The handle of a task, which alone uses it; running while `depth` is not 0. */
export const Handle = struct("handle", {
  depth: u32,
  credits: u32, // blocks it may still change
  asked: u32, // credits at the start
});
export type Handle = ViewOf<typeof Handle>;

/** At boot. */
export function initJournal(mem: Memory): void {
  setRoot(mem, Root.journal, allocate(mem, Journal));
  setRoot(mem, Root.handles, allocate(mem, Handle, TASK_SLOTS));
  initRwSem(journalSem(mem), LockClass["journal.sem"]);
}

/** The lock between handles and commit. */
export function journalSem(mem: Memory): RwSem {
  return rootView(mem, Root.journal, Journal).sem;
}

/** The handle of the current task, running or not. */
export function currentHandle(mem: Memory): Handle {
  return viewAt(mem, Handle, rootAt(mem, Root.handles) + currentTask() * strideOf(Handle));
}
