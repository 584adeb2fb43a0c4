// Who runs next: the given turns while they last, then the strategy.  Called by the task that has the
// baton, at every step, from shared memory alone.
//
//   run-on   the same task as long as it can, then the lowest numbered one
//   random   any that can, with equal chances, at every step
//   pct      the task with the highest priority; at a few random steps the running task's priority falls
//            below all others (Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of
//            Finding Bugs, 2010)

import { assert } from "../machine/errors.ts";
import type { Memory } from "../machine/memory.ts";
import {
  engineState,
  MAX_CHANGE_POINTS,
  MAX_LOGGED_STEPS,
  MAX_TURNS,
  randomIndex,
  seatOf,
  StepLog,
  type EngineState,
  type Seat,
} from "./state.ts";

/** A task and how many steps it makes before the next turn. */
export interface Turn {
  task: number;
  steps: number;
}

const Strategy = { "run-on": 0, random: 1, pct: 2 } as const;
export type Strategy = keyof typeof Strategy;

/** How a run is to be scheduled.  The same plan on the same machine gives the same run. */
export interface Plan {
  strategy: Strategy;
  /** A safe integer, not negative. */
  seed: number;
  /** What comes before the strategy decides. */
  switches: readonly Turn[];
  /** pct: the number of ordered events that make the bug, at least 1: one more than there are change points. */
  depth?: number;
  /** pct: how many steps a run is expected to have; the change points are spread over them. */
  length?: number;
  /** More steps than this are a livelock. */
  maxSteps: number;
}

/** The step limit was reached: nobody is picked. */
export const NOBODY = -1;

/**
 * The probability, at least, with which one run under pct meets a bug of this depth, if runs have at most `length` steps
 * and its change points are spread over as many.
 */
export function pctBound(tasks: number, length: number, depth: number): number {
  return 1 / (tasks * length ** (depth - 1));
}

function checkPlan(plan: Plan, taskCount: number): void {
  assert(plan.maxSteps >= 1 && plan.maxSteps <= MAX_LOGGED_STEPS, `a run has 1 to ${MAX_LOGGED_STEPS} steps`);
  assert(plan.switches.length <= MAX_TURNS, `a schedule has at most ${MAX_TURNS} turns`);
  assert(Number.isSafeInteger(plan.seed) && plan.seed >= 0, "a seed is a whole number, not negative");
  const points = (plan.depth ?? 1) - 1;
  assert(points >= 0 && points <= MAX_CHANGE_POINTS, `pct has a depth of 1 to ${MAX_CHANGE_POINTS + 1}`);
  for (const { task, steps } of plan.switches) {
    assert(task >= 0 && task < taskCount && steps > 0, "a turn names a task of the scenario, and steps");
  }
}

export class Decider {
  readonly log: StepLog;
  readonly #mem: Memory;
  readonly #state: EngineState;
  readonly #seats: Seat[];
  readonly #random: number;

  constructor(mem: Memory, taskCount: number) {
    this.log = new StepLog(mem);
    this.#mem = mem;
    this.#state = engineState(mem);
    this.#seats = Array.from({ length: taskCount }, (_, task) => seatOf(mem, task));
    this.#random = randomIndex(this.#state);
  }

  /** Takes a plan.  Between runs. */
  begin(plan: Plan): void {
    checkPlan(plan, this.#seats.length);
    const state = this.#state;
    state.strategy = Strategy[plan.strategy];
    state.maxSteps = plan.maxSteps;
    let word = state.turnsAt >>> 2;
    for (const { task, steps } of plan.switches) {
      this.#mem.u32[word++] = task;
      this.#mem.u32[word++] = steps;
    }
    state.turnCount = plan.switches.length;
    state.turnIndex = 0;
    state.turnLeft = plan.switches[0]?.steps ?? 0;
    state.misfits = 0;
    state.pointIndex = 0;
    state.pointCount = 0;
    if (plan.strategy === "run-on") return;
    seedRandom(this.#mem, this.#random, plan.seed);
    if (plan.strategy === "pct") this.#beginPct((plan.depth ?? 1) - 1, plan.length ?? 100);
  }

  #beginPct(points: number, length: number): void {
    const first = this.#state.pointsAt >>> 2;
    for (let i = 0; i < points; i++) {
      this.#mem.u32[first + i] = 1 + randomBelow(this.#mem, this.#random, Math.max(1, length));
    }
    this.#mem.u32.subarray(first, first + points).sort();
    this.#state.pointCount = points;
    // A random order of the tasks, all above what a change point can give.
    const seats = [...this.#seats];
    for (let left = seats.length; left > 0; left--) {
      const [seat] = seats.splice(randomBelow(this.#mem, this.#random, left), 1);
      (seat as Seat).priority = points + left;
    }
  }

  /** Decides, counts and logs one step.  Some task is runnable. */
  choose(): number {
    const state = this.#state;
    if (state.steps >= state.maxSteps) return NOBODY;
    const mask = state.runnable;
    const before = state.current;
    const next = state.turnIndex < state.turnCount ? this.#follow(mask) : this.#strategy(mask);
    if (next !== before && ((mask >>> before) & 1) === 1) state.preemptions += 1;
    const seat = this.#seats[next] as Seat;
    this.log.append(next, seat.op, seat.address, mask);
    state.current = next;
    return next;
  }

  /** The next of the given turns whose task can run; what it cannot do counts as a misfit. */
  #follow(mask: number): number {
    const state = this.#state;
    const first = state.turnsAt >>> 2;
    while (state.turnIndex < state.turnCount) {
      const task = this.#mem.u32[first + 2 * state.turnIndex] as number;
      const fits = ((mask >>> task) & 1) === 1;
      if (fits) state.turnLeft -= 1;
      else state.misfits += 1;
      if (!fits || state.turnLeft === 0) {
        state.turnIndex += 1;
        if (state.turnIndex < state.turnCount) {
          state.turnLeft = this.#mem.u32[first + 2 * state.turnIndex + 1] as number;
        }
      }
      if (fits) return task;
    }
    return this.#strategy(mask);
  }

  #strategy(mask: number): number {
    switch (this.#state.strategy) {
      case Strategy.random:
        return this.#pickRandom(mask);
      case Strategy.pct:
        return this.#pickHighest(mask);
      default: {
        const { current } = this.#state;
        return ((mask >>> current) & 1) === 1 ? current : lowest(mask);
      }
    }
  }

  #pickRandom(mask: number): number {
    let count = 0;
    for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
    if (count === 1) return lowest(mask);
    let skip = randomBelow(this.#mem, this.#random, count);
    let rest = mask;
    while (skip-- > 0) rest &= rest - 1;
    return lowest(rest);
  }

  #pickHighest(mask: number): number {
    const state = this.#state;
    const first = state.pointsAt >>> 2;
    while (
      state.pointIndex < state.pointCount &&
      (this.#mem.u32[first + state.pointIndex] as number) <= state.steps
    ) {
      // Each lower than all before, and than all that tasks start with.
      const running = this.#seats[state.current];
      if (running !== undefined) running.priority = state.pointCount - state.pointIndex - 1;
      state.pointIndex += 1;
    }
    let best = lowest(mask);
    for (let rest = mask & (mask - 1); rest !== 0; rest &= rest - 1) {
      const task = lowest(rest);
      if ((this.#seats[task] as Seat).priority > (this.#seats[best] as Seat).priority) best = task;
    }
    return best;
  }
}

/** The lowest task of a mask that is not empty. */
export function lowest(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}

/** A run as turns: a plan with these switches repeats it. */
export function turnsOfLog(log: StepLog): Turn[] {
  const turns: Turn[] = [];
  for (let step = 0; step < log.length; step++) {
    const task = log.task(step);
    const last = turns.at(-1);
    if (last?.task === task) last.steps += 1;
    else turns.push({ task, steps: 1 });
  }
  return turns;
}

// Random numbers: sfc32 (Chris Doty-Humphrey, public domain), with its state in shared memory, so that the
// task that decides next goes on where the last one stopped.

/** Starts a sequence in the four words at `index` of `mem.u32`.  Seeds are safe integers. */
function seedRandom(mem: Memory, index: number, seed: number): void {
  mem.u32[index] = seed >>> 0;
  mem.u32[index + 1] = Math.floor(seed / 2 ** 32) >>> 0;
  mem.u32[index + 2] = 0x9e3779b9;
  mem.u32[index + 3] = 1;
  // Neighbouring seeds differ in few bits; twelve rounds spread them, as the author advises.
  for (let i = 0; i < 12; i++) nextRandom(mem, index);
}

/** The next number, 0 … 2^32 - 1. */
function nextRandom(mem: Memory, index: number): number {
  const a = mem.u32[index] as number;
  const b = mem.u32[index + 1] as number;
  const c = mem.u32[index + 2] as number;
  const counter = mem.u32[index + 3] as number;
  const result = (a + b + counter) >>> 0;
  mem.u32[index] = b ^ (b >>> 9);
  mem.u32[index + 1] = c + (c << 3);
  mem.u32[index + 2] = ((c << 21) | (c >>> 11)) + result;
  mem.u32[index + 3] = counter + 1;
  return result;
}

/** A number 0 … count - 1. */
function randomBelow(mem: Memory, index: number, count: number): number {
  return nextRandom(mem, index) % count;
}
