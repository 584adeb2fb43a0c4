// What the threads of threads.test.ts do: free running, and under control in every schedule.

import type { Memory } from "../../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/snapshot.ts";
import { ALLOCATE_CREDITS, allocateBlocks, freeBlocks, type Run } from "../../../src/ext4/alloc/blocks.ts";
import { allocateInode, freeInode, INODE_CREDITS } from "../../../src/ext4/alloc/inodes.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../../src/ext4/journal/handle.ts";
import type { Handle } from "../../../src/ext4/journal/state.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { Exhaustive } from "../../../src/sched/exhaustive.ts";
import { follow, Session } from "../../../src/sched/session.ts";
import { wrongCounts } from "./counts.ts";

function inHandle(mem: Memory, credits: number, work: (handle: Handle) => void): void {
  const handle = journalStart(superBlock(mem), credits);
  if (typeof handle === "number") throw new Error(`journalStart returned ${handle}`);
  work(handle);
  journalStop(handle);
}

export interface Owned {
  runs: Run[];
  inodes: number[];
}

/** Allocates all over the groups, runs that reach into the next one too, and frees most of it again. */
export function wander(mem: Memory, _at: number, rounds: number, task: number): Owned {
  const sb = superBlock(mem);
  const owned: Owned = { runs: [], inodes: [] };
  let draw = task + 1;
  const next = (below: number): number => {
    draw = (Math.imul(draw, 1103515245) + 12345) >>> 0;
    return (draw >>> 8) % below;
  };
  for (let round = 0; round < rounds; round++) {
    inHandle(mem, 8, (handle) => {
      const run = allocateBlocks(handle, sb, next(sb.blockCount), 1 + next(40));
      if (typeof run !== "number") owned.runs.push(run);
      const old = owned.runs.length > 6 ? owned.runs.shift() : undefined;
      if (old !== undefined && freeBlocks(handle, sb, old.start, old.count) !== 0)
        throw new Error(`the blocks ${old.start}+${old.count} cannot be freed`);
    });
    inHandle(mem, 8, (handle) => {
      const inode = allocateInode(handle, sb, 1 + next(sb.inodeCount), false);
      if (inode > 0) owned.inodes.push(inode);
      const old = owned.inodes.length > 3 ? (owned.inodes.shift() as number) : 0;
      if (old !== 0 && freeInode(handle, sb, old, false) !== 0)
        throw new Error(`inode ${old} cannot be freed`);
    });
    if (round % 100 === 99) commit(sb);
  }
  return owned;
}

/** Asks for more than there is anywhere in one piece, until nothing is left; returns the error, too. */
export function grab(mem: Memory, at: number, _rounds: number, task: number): { runs: Run[]; error: number } {
  const sb = superBlock(mem);
  const runs: Run[] = [];
  for (;;) {
    let found: Run | number = 0;
    inHandle(mem, ALLOCATE_CREDITS, (handle) => {
      found = allocateBlocks(handle, sb, at * (task + 1), 16);
    });
    if (typeof found === "number") return { runs, error: found };
    runs.push(found);
  }
}

export interface Asked {
  /** The module of the block allocator, or of a copy of it. */
  readonly module: string;
  /** Where each task wants its blocks. */
  readonly goals: readonly number[];
  /** How many blocks it wants. */
  readonly count: number;
  /** Three words a task for what it got, outside of snapshots. */
  readonly at: number;
}

export interface Explored {
  readonly complete: boolean;
  /** How often runs have ended with what. */
  readonly shown: Record<string, number>;
}

/** Two tasks allocate an inode and blocks in every schedule with three preemptions. */
export async function explore(mem: Memory, task: number, tasks: number, asked: Asked): Promise<unknown> {
  const blocks = (await import(asked.module)) as { allocateBlocks: typeof allocateBlocks };
  const sb = superBlock(mem);
  const body = (): void =>
    inHandle(mem, ALLOCATE_CREDITS + INODE_CREDITS, (handle) => {
      const inode = allocateInode(handle, sb, 1, false);
      const run = blocks.allocateBlocks(handle, sb, asked.goals[task] as number, asked.count);
      const [start, count] = typeof run === "number" ? [run, 0] : [run.start, run.count];
      mem.i32.set([inode, start, count], (asked.at >>> 2) + 3 * task);
    });
  if (task === 0) return lead(mem, new Session(mem, tasks, body), asked);
  follow(mem, task, tasks, body);
  return undefined;
}

function lead(mem: Memory, session: Session, asked: Asked): Explored {
  takeSnapshot(mem);
  const search = new Exhaustive(mem, session.taskCount, { preemptions: 3, maxSteps: 1000 });
  const shown: Record<string, number> = {};
  for (let plan = search.next(); plan !== undefined; plan = search.next()) {
    restoreSnapshot(mem);
    const { kind, message } = session.run(plan);
    search.feedback(session.log);
    const what = kind === "done" ? got(mem, session.taskCount, asked) : `${kind}: ${message}`;
    shown[what] = (shown[what] ?? 0) + 1;
  }
  session.end();
  return { complete: search.complete, shown };
}

/** "3 and 2": the blocks that each task got; an error by its number; or what is wrong with it. */
function got(mem: Memory, tasks: number, { at }: Asked): string {
  const found = Array.from({ length: tasks }, (_, task) => {
    const [inode, start, count] = mem.i32.subarray((at >>> 2) + 3 * task, (at >>> 2) + 3 * task + 3);
    return { inode: inode as number, start: start as number, count: count as number };
  });
  const blocks = found.flatMap(({ start, count }) => Array.from({ length: count }, (_, i) => start + i));
  if (new Set(blocks).size < blocks.length) return "one block twice";
  if (new Set(found.map(({ inode }) => inode)).size < tasks) return "one inode twice";
  const wrong = wrongCounts(mem);
  return wrong ?? found.map(({ start, count }) => (start < 0 ? start : count)).join(" and ");
}
