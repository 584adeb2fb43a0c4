// What the threads of explore.test.ts run: the lead goes through all schedules of a program with up to so
// many preemptions, the others follow.

import { currentTask, Op, runAs, type Engine } from "../../src/machine/cpu.ts";
import { header } from "../../src/machine/layout.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import type { Turn } from "../../src/sched/decide.ts";
import { follow, Session } from "../../src/sched/session.ts";
import { initToy, programs, Toy } from "./explore-programs.ts";

export interface Exploration {
  program: keyof typeof programs;
  preemptions: number;
  lockdep: boolean;
  at: number;
}

export interface Explored {
  runs: number;
  /** How many schedules showed what. */
  shown: Record<string, number>;
  /** What the first one of each kind of failure said. */
  messages: Record<string, string>;
  /** In how many runs all tasks were done and the words of the locks were not what they were before. */
  restless: number;
}

/** A prefix of a schedule, and how many preemptions it has. */
interface Prefix {
  tasks: number[];
  preemptions: number;
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

function lead(
  mem: Memory,
  session: Session,
  toy: Toy,
  { program, preemptions, lockdep }: Exploration,
): Explored {
  header(mem).lockdep = lockdep ? 1 : 0;
  initToy(toy);
  takeSnapshot(mem);
  const locks = (): string => mem.read(toy.at, Toy.offset("first")).join();
  const atRest = locks();
  const found: Explored = { runs: 0, shown: {}, messages: {}, restless: 0 };
  const todo: Prefix[] = [{ tasks: [], preemptions: 0 }];
  for (let prefix = todo.pop(); prefix !== undefined; prefix = todo.pop()) {
    restoreSnapshot(mem);
    const plan = { strategy: "run-on", seed: 0, switches: turns(prefix.tasks), maxSteps: 500 } as const;
    const { kind, message } = session.run(plan);
    found.runs += 1;
    const shown = kind === "done" ? programs[program].show(toy) : kind;
    found.shown[shown] = (found.shown[shown] ?? 0) + 1;
    if (message !== undefined) found.messages[shown] ??= message;
    if (kind === "done" && locks() !== atRest) found.restless += 1;
    todo.push(...branches(session, prefix, preemptions));
  }
  session.end();
  return found;
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

/** All ways to leave the run that was just made after its prefix. */
function branches({ log }: Session, prefix: Prefix, bound: number): Prefix[] {
  const found: Prefix[] = [];
  const tasks = Array.from({ length: log.length }, (_, step) => log.task(step));
  for (let step = prefix.tasks.length; step < tasks.length; step++) {
    const before = tasks[step - 1];
    for (let task = 0; log.runnable(step) >>> task !== 0; task++) {
      if (((log.runnable(step) >>> task) & 1) === 0 || task === tasks[step]) continue;
      const preempts = before !== undefined && before !== task && ((log.runnable(step) >>> before) & 1) === 1;
      const preemptions = prefix.preemptions + (preempts ? 1 : 0);
      if (preemptions <= bound) found.push({ tasks: [...tasks.slice(0, step), task], preemptions });
    }
  }
  return found;
}

function turns(tasks: number[]): Turn[] {
  const result: Turn[] = [];
  for (const task of tasks) {
    const last = result.at(-1);
    if (last?.task === task) last.steps += 1;
    else result.push({ task, steps: 1 });
  }
  return result;
}
