// What the threads of explore.test.ts run: the lead goes through all schedules of a program with up to so
// many preemptions, the others follow.

import { currentTask, Op, runAs, type Engine } from "../../src/machine/cpu.ts";
import { header } from "../../src/machine/layout.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { Exhaustive } from "../../src/sched/exhaustive.ts";
import { follow, Session } from "../../src/sched/session.ts";
import { initToy, programs, Toy, type Program } from "./explore-programs.ts";

export interface Exploration<Name extends string = keyof typeof programs> {
  program: Name;
  preemptions: number;
  lockdep: boolean;
  /** Whether the search may leave out schedules that are like others. */
  reduce: boolean;
  at: number;
}

export interface Explored {
  schedules: number;
  /** Whether that was all. */
  complete: boolean;
  /** How many of the schedules showed what. */
  shown: Record<string, number>;
  /** What the first one of each kind of failure said. */
  messages: Record<string, string>;
  /** In how many all tasks were done and the words of the locks were not what they were before. */
  restless: number;
}

/** Locks in a struct, and a program over it. */
export interface Subject<T> {
  readonly toy: T;
  readonly program: Program<T>;
  init(toy: T): void;
  /** The locks lie in so many bytes, at the struct's beginning. */
  readonly locks: number;
}

export function run(mem: Memory, task: number, taskCount: number, wanted: Exploration): Explored | undefined {
  const subject = { toy: Toy.of(mem, wanted.at), init: initToy, locks: Toy.offset("first") };
  return exploreAs(mem, task, taskCount, wanted, { ...subject, program: programs[wanted.program] });
}

/** What a task does in an exploration: the lead returns what it showed. */
export function exploreAs<T extends { at: number }>(
  mem: Memory,
  task: number,
  taskCount: number,
  wanted: Exploration<string>,
  subject: Subject<T>,
): Explored | undefined {
  const { program, toy } = subject;
  const body = (): void => {
    if (program.open === true) runAs(task, openEngine());
    program.tasks[task]?.(toy);
  };
  if (task === 0) return lead(mem, new Session(mem, taskCount, body), wanted, subject);
  follow(mem, task, taskCount, body);
  return undefined;
}

function lead<T extends { at: number }>(
  mem: Memory,
  session: Session,
  wanted: Exploration<string>,
  subject: Subject<T>,
): Explored {
  const { preemptions, lockdep, reduce } = wanted;
  const { toy, program } = subject;
  header(mem).lockdep = lockdep ? 1 : 0;
  subject.init(toy);
  takeSnapshot(mem);
  const locks = (): string => mem.read(toy.at, subject.locks).join();
  const atRest = locks();
  const found: Explored = { schedules: 0, complete: false, shown: {}, messages: {}, restless: 0 };
  const known = new Set<string>(); // the search comes by schedules again when it has learnt something
  const search = new Exhaustive(mem, session.taskCount, { preemptions, maxSteps: 500, reduce });
  for (let plan = search.next(); plan !== undefined; plan = search.next()) {
    restoreSnapshot(mem);
    const { kind, message } = session.run(plan);
    search.feedback(session.log);
    const schedule = JSON.stringify(session.turns());
    if (known.has(schedule)) continue;
    known.add(schedule);
    const shown = kind === "done" ? program.show(toy) : kind;
    found.shown[shown] = (found.shown[shown] ?? 0) + 1;
    if (message !== undefined) found.messages[shown] ??= message;
    if (kind === "done" && locks() !== atRest) found.restless += 1;
  }
  session.end();
  return { ...found, schedules: known.size, complete: search.complete };
}

const engines = new WeakSet<Engine>();

/** The engine in control, with one more step: between looking at a word and sleeping on it. */
function openEngine(): Engine {
  const inner = runAs(currentTask()).engine as Engine;
  if (engines.has(inner)) return inner; // left by a run that was stopped
  const engine: Engine = {
    step: (op, address) => inner.step(op, address),
    wake: (cell, count) => inner.wake(cell, count),
    park(cell, seen) {
      inner.step(Op.load, cell.at);
      inner.park(cell, seen);
    },
  };
  engines.add(engine);
  return engine;
}
