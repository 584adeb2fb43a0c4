// Small random programs, explored whole: their end states tell whether two explorations saw the same.

import { allocate, createMemory } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { atomic, embed, quiet, struct, type ViewOf } from "../../src/machine/struct.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { mutexLock, mutexTryLock, mutexUnlock, Mutex } from "../../src/locks/mutex.ts";
import { downRead, downWrite, RwSem, upRead, upWrite } from "../../src/locks/rwsem.ts";
import { Exhaustive } from "../../src/sched/exhaustive.ts";
import type { Turn } from "../../src/sched/decide.ts";
import { follow, Session, type Outcome } from "../../src/sched/session.ts";
import { initSched } from "../../src/sched/state.ts";

const Board = struct("board", {
  a: atomic,
  b: atomic,
  c: atomic,
  mutex: embed(Mutex),
  other: embed(Mutex),
  sem: embed(RwSem),
  heard: quiet, // by task 0, and so on: a digest of what the task read
  heard1: quiet,
  heard2: quiet,
  which: quiet, // the program that is explored
});
type Board = ViewOf<typeof Board>;

export const instructions = [
  "load a",
  "load b",
  "store a",
  "store b",
  "add c",
  "raise a",
  "lock",
  "unlock",
  "lock other",
  "unlock other",
  "try",
  "down read",
  "up read",
  "down write",
  "up write",
] as const;
export type Instruction = (typeof instructions)[number];

/** What each task does. */
export type Program = Instruction[][];

export function programMachine(): { mem: Memory; at: number } {
  const mem = createMemory(1 * MIB);
  initTrace(mem);
  initLockdep(mem);
  initSched(mem);
  return { mem, at: allocate(mem, Board) };
}

function runTask(board: Board, task: number, program: Program): void {
  const heard = [board.heard, board.heard1, board.heard2][task] as Board["heard"];
  const hear = (value: number): void => heard.store((Math.imul(heard.load(), 31) + value + 1) | 0);
  for (const instruction of program[task] as Instruction[]) {
    switch (instruction) {
      case "load a":
        hear(board.a.load());
        break;
      case "load b":
        hear(board.b.load());
        break;
      case "store a":
        board.a.store(task + 1);
        break;
      case "store b":
        board.b.store(task + 1);
        break;
      case "add c":
        board.c.add(1);
        break;
      case "raise a":
        board.a.store(board.a.load() + 10);
        break;
      case "lock":
        mutexLock(board.mutex);
        break;
      case "unlock":
        mutexUnlock(board.mutex);
        break;
      case "lock other":
        mutexLock(board.other);
        break;
      case "unlock other":
        mutexUnlock(board.other);
        break;
      case "try":
        if (mutexTryLock(board.mutex)) mutexUnlock(board.mutex);
        else hear(77);
        break;
      case "down read":
        downRead(board.sem);
        break;
      case "up read":
        upRead(board.sem);
        break;
      case "down write":
        downWrite(board.sem);
        break;
      case "up write":
        upWrite(board.sem);
        break;
    }
  }
}

export interface ProgramJob {
  at: number;
  programs: Program[];
  preemptions: number;
  reduce: boolean;
}

export interface Explored {
  /** Each with how many schedules came to it. */
  ends: Record<string, number>;
  schedules: number;
  runs: number;
  complete: boolean;
  /** The most preemptions that a schedule had. */
  most: number;
  /** How many schedules came twice: always 0. */
  twice: number;
}

/** The entry of the crew's threads: explores each program as far as the job says. */
export function exploreAll(mem: Memory, task: number, taskCount: number, job: ProgramJob): Explored[] {
  const board = Board.of(mem, job.at);
  const body = (): void => runTask(board, task, job.programs[board.which.load()] as Program);
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return [];
  }
  const session = new Session(mem, taskCount, body);
  const explored = job.programs.map((_, which) => explore(session, board, which, job));
  session.end();
  return explored;
}

function explore(session: Session, board: Board, which: number, job: ProgramJob): Explored {
  const { mem, at } = board;
  const { preemptions, reduce } = job;
  const search = new Exhaustive(mem, session.taskCount, { preemptions, reduce, maxSteps: 1000 });
  let ends: Record<string, number> = {};
  let seen = new Set<string>();
  let [most, twice] = [0, 0];
  for (let plan = search.next(); plan !== undefined; plan = search.next()) {
    mem.fill(at, 0, Board.size);
    board.which.store(which);
    const outcome = session.run(plan);
    const words = [...mem.u32.subarray(at >>> 2, (at + Board.size) >>> 2)].join(" ");
    search.feedback(session.log);
    if (search.schedules <= 1) {
      // A new bound, or started again.
      ends = {};
      seen = new Set();
      [most, twice] = [0, 0];
    }
    const turns = JSON.stringify(session.turns());
    if (seen.has(turns)) twice += 1;
    seen.add(turns);
    most = Math.max(most, outcome.preemptions);
    const end = outcome.kind === "done" ? words : outcome.kind;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  const { schedules, runs, complete } = search;
  return { ends, schedules, runs, complete, most, twice };
}

/** The entry that makes one run of one program. */
export function runOnce(
  mem: Memory,
  task: number,
  taskCount: number,
  { at, program, switches }: { at: number; program: Program; switches: Turn[] },
): Outcome | undefined {
  const board = Board.of(mem, at);
  const body = (): void => runTask(board, task, program);
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return undefined;
  }
  const session = new Session(mem, taskCount, body, ["first", "second", "third"]);
  const outcome = session.run({ strategy: "run-on", seed: 0, switches, maxSteps: 1000 });
  session.end();
  return outcome;
}
