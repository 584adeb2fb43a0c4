// What the threads of explore.test.ts run: the lead goes through all schedules of a program with up to so
// many preemptions, the others follow.

import { currentTask, Op, runAs, type Engine } from "../../src/machine/cpu.ts";
import { header } from "../../src/machine/layout.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { Exhaustive } from "../../src/sched/exhaustive.ts";
import { follow, Session } from "../../src/sched/session.ts";
import { initToy, programs, Toy } from "./explore-programs.ts";

export interface Exploration {
  program: keyof typeof programs;
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

export function run(mem: Memory, task: number, taskCount: number, wanted: Exploration): Explored | undefined {
  const toy = Toy.of(mem, wanted.at);
  const program = programs[wanted.program];
  const open = "open" in program;
  const body = (): void => {
    if (open) runAs(task, openEngine());
    program.tasks[task]?.(toy);
  };
  if (task === 0) return lead(mem, new Session(mem, taskCount, body), toy, wanted);
  follow(mem, task, taskCount, body);
  return undefined;
}

function lead(mem: Memory, session: Session, toy: Toy, wanted: Exploration): Explored {
  const { program, preemptions, lockdep, reduce } = wanted;
  header(mem).lockdep = lockdep ? 1 : 0;
  initToy(toy);
  takeSnapshot(mem);
  const locks = (): string => mem.read(toy.at, Toy.offset("first")).join();
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
    const shown = kind === "done" ? programs[program].show(toy) : kind;
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
