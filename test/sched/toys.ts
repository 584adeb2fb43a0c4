// Small tasks for the scheduler's tests, and what the threads of a crew do with them: the lead runs a
// list of plans and tells what it saw.

import { Op, park, runAs, step, wake } from "../../src/machine/cpu.ts";
import { bug, Halted } from "../../src/machine/errors.ts";
import { allocate, createMemory } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { atomic, quiet, struct, type ViewOf } from "../../src/machine/struct.ts";
import { ChaosEngine } from "../../src/sched/chaos.ts";
import type { Plan, Turn } from "../../src/sched/decide.ts";
import { stepScheme } from "../../src/sched/schedule.ts";
import { follow, Session, type Outcome } from "../../src/sched/session.ts";
import { initSched, type StepView } from "../../src/sched/state.ts";

const Toy = struct("toy", { counter: atomic, other: atomic, first: quiet, second: quiet, gate: quiet });
type Toy = ViewOf<typeof Toy>;

/** A machine with nothing on it but the toy. */
export function toyMachine(): { mem: Memory; at: number } {
  const mem = createMemory(1 * MIB);
  initTrace(mem);
  initSched(mem);
  return { mem, at: allocate(mem, Toy) };
}

const lock = (cell: Toy["first"]): void => {
  step(Op.lock, cell.at);
  while (!cell.swapIf(0, 1)) park(cell, 1);
};
const unlock = (cell: Toy["first"]): void => {
  step(Op.unlock, cell.at);
  cell.store(0);
  wake(cell, 1);
};

const increment = (toy: Toy): void => toy.counter.store(toy.counter.load() + 1);

let outside = 0;

/** What a task can be. */
const toys = {
  increment,
  lockedIncrement(toy: Toy) {
    lock(toy.first);
    increment(toy);
    unlock(toy.first);
  },
  firstThenSecond(toy: Toy) {
    lock(toy.first);
    lock(toy.second);
    unlock(toy.second);
    unlock(toy.first);
  },
  secondThenFirst(toy: Toy) {
    lock(toy.second);
    lock(toy.first);
    unlock(toy.first);
    unlock(toy.second);
  },
  spinsForEver(toy: Toy) {
    while (toy.counter.load() !== -1);
  },
  waitsForEver(toy: Toy) {
    step(Op.load, toy.gate.at);
    park(toy.gate, 0);
  },
  throws(toy: Toy) {
    toy.counter.load();
    throw new RangeError("thrown by a toy");
  },
  findsBug(toy: Toy) {
    toy.counter.load();
    bug("a broken invariant of the toy");
  },
  swallowsEverything(toy: Toy) {
    let caught = 0;
    while (caught < 3) {
      try {
        for (;;) toy.other.add(1);
      } catch (error) {
        if (error instanceof Halted) caught += 1;
      }
    }
    toy.gate.add(caught);
  },
  tenOperations(toy: Toy) {
    for (let i = 0; i < 10; i++) toy.counter.add(1);
  },
  isAsync: async (toy: Toy) => toy.counter.load(),
  loops() {
    for (;;);
  },
  exits(toy: Toy) {
    toy.counter.load();
    process.exit(3);
  },
  nothing() {},
  sleepsAtGate(toy: Toy) {
    step(Op.load, toy.gate.at);
    park(toy.gate, 0);
  },
  wakesOneByOne(toy: Toy) {
    for (let i = 0; i < 3; i++) {
      step(Op.wake, toy.gate.at);
      wake(toy.gate, 1);
    }
    step(Op.wake, toy.other.at);
  },
  hasMemory(toy: Toy) {
    // What a kernel layer must not have: state outside the machine.
    outside += 1;
    if (outside % 2 === 0) toy.other.load();
    toy.counter.load();
  },
} satisfies Record<string, (toy: Toy) => unknown>;
export type ToyName = keyof typeof toys;

export interface ToyJob {
  at: number;
  tasks: ToyName[];
  plans: Plan[];
}

export interface ToyRun {
  outcome: Outcome;
  counter: number;
  gate: number;
  steps: StepView[];
  turns: Turn[];
  scheme: string;
}

/** The entry of the crew's threads. */
export function runToys(mem: Memory, task: number, taskCount: number, data: ToyJob): ToyRun[] {
  const toy = Toy.of(mem, data.at);
  const body = (): unknown => toys[data.tasks[task] as ToyName](toy);
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return [];
  }
  if (data.tasks.some((name) => toys[name] === undefined)) throw new RangeError("the lead gives up");
  const session = new Session(mem, taskCount, body);
  const runs = data.plans.map((next) => {
    mem.fill(data.at, 0, Toy.size);
    const outcome = session.run(next);
    const [counter, gate] = [toy.counter.load(), toy.gate.load()];
    const scheme = stepScheme(session.log);
    return { outcome, counter, gate, steps: session.steps(), turns: session.turns(), scheme };
  });
  session.end();
  return runs;
}

/** A plan with a random schedule, or another strategy. */
export function plan(seed: number, more: Partial<Plan> = {}): Plan {
  return { strategy: "random", seed, switches: [], maxSteps: 1000, ...more };
}

/** Two or more tasks of ten operations for a time, for the benchmark. */
export function timeToys(
  mem: Memory,
  task: number,
  taskCount: number,
  { at, seconds }: { at: number; seconds: number },
) {
  const toy = Toy.of(mem, at);
  const body = (): void => toys.tenOperations(toy);
  if (task !== 0) return follow(mem, task, taskCount, body);
  const session = new Session(mem, taskCount, body);
  let runs = 0;
  let steps = 0;
  let switches = 0;
  const measure = (ms: number): number => {
    const start = performance.now();
    [runs, steps, switches] = [0, 0, 0];
    while (performance.now() - start < ms) {
      steps += session.run(plan(runs)).steps;
      // Counting the switches of every run would be part of what is measured.
      if (runs++ % 64 === 0) switches += session.turns().length - 1;
    }
    return (performance.now() - start) / 1000;
  };
  measure(1000);
  const elapsed = measure(seconds * 1000);
  session.end();
  return {
    tasks: taskCount,
    runsPerSecond: runs / elapsed,
    stepsPerSecond: steps / elapsed,
    switchesPerRun: switches / Math.ceil(runs / 64),
  };
}

/** Runs toys again and again, until the time is over or the machine is halted; the lead counts runs. */
export function runFor(mem: Memory, task: number, taskCount: number, data: ToyJob & { ms: number }): number {
  const toy = Toy.of(mem, data.at);
  const body = (): unknown => toys[data.tasks[task] as ToyName](toy);
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return 0;
  }
  const session = new Session(mem, taskCount, body);
  let runs = 0;
  try {
    for (const end = performance.now() + data.ms; performance.now() < end; runs++) session.run(plan(runs));
    session.end();
  } catch (error) {
    if (!(error instanceof Halted)) throw error;
  }
  return runs;
}

/** Toys on real cores at once, each `times` times. */
export function runFree(
  mem: Memory,
  task: number,
  _taskCount: number,
  data: ToyJob & { times?: number; rate?: number; patience?: number },
): { counter: number } {
  const toy = Toy.of(mem, data.at);
  const { times = 1, rate = 0, patience = 10_000 } = data;
  const before = runAs(task, new ChaosEngine(mem, task, { seed: 1, rate, patience, names: ["a", "b", "c"] }));
  for (let i = 0; i < times; i++) toys[data.tasks[task] as ToyName](toy);
  runAs(before.task, before.engine);
  return { counter: toy.counter.load() };
}
