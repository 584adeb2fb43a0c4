// What the scheduler knows, all of it in the control area of the machine's memory: outside snapshots, so
// that a restore does not undo it, and shared, so that whoever has the baton can decide.
//
// Invariant: everything here but the cells is written by the thread that has the baton and by nobody
// else; between runs that is the lead.  The baton is passed through a seat's `signal` (see baton.ts).

import { Op } from "../machine/cpu.ts";
import { allocateControl, header, Root, rootView, setRoot } from "../machine/layout.ts";
import { HOST_TASK, MAX_TASKS } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { quiet, struct, u32, type ViewOf } from "../machine/struct.ts";
import { traceStepsFrom } from "../machine/trace.ts";

export const MAX_LOGGED_STEPS = 200_000;
export const MAX_TURNS = 100_000;
export const MAX_CHANGE_POINTS = 16;
const MAX_MESSAGE = 8192;
// Two cache lines, because processors fetch lines in pairs: spinning on one seat must not slow another.
const SEAT_STRIDE = 128;

const EngineState = struct("engine", {
  seatsAt: u32,
  logAt: u32, // per step two words: task | op << 8 | runnable mask << 16, and the address
  turnsAt: u32, // per turn two words: task, steps
  pointsAt: u32, // step numbers of pct's change points, ascending
  messageAt: u32,
  taskCount: u32,
  cores: u32, // how many threads of this machine may be busy at once
  ending: u32, // not 0: followers leave when they next get the baton
  current: u32, // the task that has the baton; HOST_TASK between runs
  runnable: u32, // mask: neither parked nor finished
  unfinished: u32, // mask
  started: u32, // mask: the body has begun, so a stop must unwind it
  runs: u32,
  steps: u32,
  maxSteps: u32,
  preemptions: u32,
  outcome: u32,
  culprit: u32,
  messageLength: u32,
  tickets: u32, // numbers given to parked tasks, so that they are woken first in, first out
  strategy: u32,
  turnCount: u32,
  turnIndex: u32,
  turnLeft: u32, // steps of the turn at turnIndex that are still to be run
  misfits: u32, // turns whose task could not run as many steps as the turn says
  random0: u32,
  random1: u32,
  random2: u32,
  random3: u32,
  pointCount: u32,
  pointIndex: u32, // change points passed
});
export type EngineState = ViewOf<typeof EngineState>;

/** One task's place at the scheduler. */
const Seat = struct("seat", {
  signal: quiet, // see baton.ts
  op: u32, // the step the task announced and has not been allowed yet, or made last
  address: u32,
  wantedOp: u32, // the same, but never a park: what led to the park
  wantedAddress: u32,
  parkedOn: u32, // the address of the cell it sleeps on, 0 while it can run
  ticket: u32,
  priority: u32, // pct: the highest that can run runs
  random: u32, // chaos: the state of this task's own random numbers
});
export type Seat = ViewOf<typeof Seat>;

/** How a run can end; the numbers are those of `EngineState.outcome`. */
export const OutcomeKind = { done: 0, deadlock: 1, livelock: 2, bug: 3, threw: 4 } as const;
export type OutcomeKind = keyof typeof OutcomeKind;

/** The bits of `header.halted`: why tasks unwind. */
export const Halt = { host: 1, run: 2 } as const;

/** Makes the scheduler's state.  At boot. */
export function initSched(mem: Memory): void {
  setRoot(mem, Root.engine, allocateControl(mem, EngineState.size));
  const state = engineState(mem);
  state.seatsAt = allocateControl(mem, SEAT_STRIDE * MAX_TASKS);
  state.logAt = allocateControl(mem, 8 * MAX_LOGGED_STEPS);
  state.turnsAt = allocateControl(mem, 8 * MAX_TURNS);
  state.pointsAt = allocateControl(mem, 4 * MAX_CHANGE_POINTS);
  state.messageAt = allocateControl(mem, MAX_MESSAGE);
  state.current = HOST_TASK;
  state.cores = 1;
  traceStepsFrom(mem, state.at + EngineState.offset("steps"));
}

export function engineState(mem: Memory): EngineState {
  return rootView(mem, Root.engine, EngineState);
}

export function seatOf(mem: Memory, task: number): Seat {
  return Seat.of(mem, engineState(mem).seatsAt + task * SEAT_STRIDE);
}

/** Where the four words of the run's random numbers lie, as an index of `mem.u32`. */
export function randomIndex(state: EngineState): number {
  return (state.at + EngineState.offset("random0")) >>> 2;
}

/** Readies the machine for workers.  On the host, while no worker runs. */
export function readySched(mem: Memory, taskCount: number, cores: number): void {
  const state = engineState(mem);
  state.taskCount = taskCount;
  state.cores = cores;
  state.ending = 0;
  state.current = HOST_TASK;
  for (let task = 0; task < MAX_TASKS; task++) {
    const seat = seatOf(mem, task);
    seat.signal.store(0);
    seat.parkedOn = 0;
  }
  header(mem).halted.store(0);
}

/** Stops all tasks of the machine, under control or free: each unwinds at its next step or from its sleep. */
export function halt(mem: Memory): void {
  header(mem).halted.or(Halt.host);
  for (let task = 0; task < MAX_TASKS; task++) {
    const seat = seatOf(mem, task);
    Atomics.notify(mem.i32, seat.signal.index);
    // Free-running tasks sleep on the cells of locks; they also look up by themselves now and then.
    if (seat.parkedOn !== 0) Atomics.notify(mem.i32, seat.parkedOn >>> 2);
  }
}

/** What one step was.  `runnable` is the mask of the tasks that could have been picked for it. */
export interface StepView {
  task: number;
  op: Op;
  address: number;
  runnable: number;
}

/** The steps of the run that goes on or was last, in the order in which they were allowed. */
export class StepLog {
  readonly #mem: Memory;
  readonly #state: EngineState;
  readonly #first: number;

  constructor(mem: Memory) {
    this.#mem = mem;
    this.#state = engineState(mem);
    this.#first = this.#state.logAt >>> 2;
  }

  get length(): number {
    return this.#state.steps;
  }

  task(step: number): number {
    return (this.#mem.u32[this.#first + 2 * step] as number) & 0xff;
  }

  op(step: number): Op {
    return (((this.#mem.u32[this.#first + 2 * step] as number) >>> 8) & 0xff) as Op;
  }

  runnable(step: number): number {
    return (this.#mem.u32[this.#first + 2 * step] as number) >>> 16;
  }

  address(step: number): number {
    return this.#mem.u32[this.#first + 2 * step + 1] as number;
  }

  /** Whether the task of the step before could have gone on, and another was picked. */
  preempts(step: number): boolean {
    if (step === 0) return false;
    const before = this.task(step - 1);
    return before !== this.task(step) && ((this.runnable(step) >>> before) & 1) === 1;
  }

  /** Adds a step.  For whoever decides. */
  append(task: number, op: number, address: number, runnable: number): void {
    const index = this.#first + 2 * this.#state.steps;
    this.#mem.u32[index] = task | (op << 8) | (runnable << 16);
    this.#mem.u32[index + 1] = address;
    this.#state.steps += 1;
  }

  /** A private copy. */
  views(): StepView[] {
    return Array.from({ length: this.length }, (_, step) => ({
      task: this.task(step),
      op: this.op(step),
      address: this.address(step),
      runnable: this.runnable(step),
    }));
  }
}

/** Remembers in words why the run stopped. */
export function writeMessage(mem: Memory, text: string): void {
  const state = engineState(mem);
  const bytes = new TextEncoder().encode(text).subarray(0, MAX_MESSAGE);
  mem.write(state.messageAt, bytes);
  state.messageLength = bytes.length;
}

export function readMessage(mem: Memory): string {
  const { messageAt, messageLength } = engineState(mem);
  return new TextDecoder().decode(mem.read(messageAt, messageLength));
}
