// Many runs of the same tasks under control.  Two sides:
//
//   lead       the thread of task 0.  It owns the Session: between runs it restores, plans and checks; in a
//              run it is task 0 as the others are theirs.
//   followers  the threads of the other tasks sit in `follow` until the session ends.
//
// The lead is the host (HOST_TASK, no engine) between runs.  A follower's body begins when the scheduler
// first picks its task, so a run starts without a round of messages.

import { Op, opName, runAs } from "../machine/cpu.ts";
import { assert, Halted } from "../machine/errors.ts";
import { describe, header } from "../machine/layout.ts";
import { HOST_TASK, MAX_TASKS } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { turnsOfLog, type Plan, type Turn } from "./decide.ts";
import { deadlockReport, taskName, type TaskNames } from "./deadlock.ts";
import { LEAD, ThreadEngine, type Body } from "./engine.ts";
import {
  engineState,
  Halt,
  OutcomeKind,
  readMessage,
  seatOf,
  type EngineState,
  type Seat,
  type StepLog,
  type StepView,
} from "./state.ts";

export interface Outcome {
  kind: OutcomeKind;
  /** The task that found the bug, threw, closed the deadlock, or ran out of steps. */
  task?: number;
  /** What went wrong, for every kind but "done". */
  message?: string;
  /** Where a bug was found or an exception thrown, as JavaScript prints it. */
  stack?: string;
  steps: number;
  /** Switches away from a task that could have gone on. */
  preemptions: number;
  /** Turns of the plan whose task could not make as many steps as the turn says; 0 when the plan fitted. */
  misfits: number;
}

const kinds = Object.keys(OutcomeKind) as OutcomeKind[];

export class Session {
  readonly taskCount: number;
  /** The steps of the last run, in place: the next run overwrites them. */
  readonly log: StepLog;
  readonly #mem: Memory;
  readonly #engine: ThreadEngine;
  readonly #state: EngineState;
  readonly #seats: Seat[];
  readonly #body: Body;
  readonly #names: TaskNames;

  /** On the thread of task 0.  `body` is what task 0 does in each run; the names are for reports. */
  constructor(mem: Memory, taskCount: number, body: Body, names: TaskNames = []) {
    assert(taskCount >= 1 && taskCount <= MAX_TASKS, `a session has 1 to ${MAX_TASKS} tasks`);
    this.#mem = mem;
    this.taskCount = taskCount;
    this.#state = engineState(mem);
    this.#state.taskCount = taskCount;
    this.#state.ending = 0;
    this.#engine = new ThreadEngine(mem, LEAD, taskCount);
    this.#seats = Array.from({ length: taskCount }, (_, task) => seatOf(mem, task));
    this.#body = body;
    this.#names = names;
    this.log = this.#engine.decider.log;
  }

  /**
   * Runs all tasks once, from the machine as it is now.  Every task has unwound when this returns.
   * Throws Halted when the host has stopped the machine.
   */
  run(plan: Plan): Outcome {
    const engine = this.#engine;
    this.#begin(plan);
    const before = runAs(LEAD, engine);
    const first = engine.decider.choose();
    if (first !== LEAD) {
      engine.baton.give(first);
      engine.baton.wait();
    }
    // The baton comes back for the task's first step, or because the run stopped before that.
    if (!this.#stopped() && (this.#state.unfinished & 1) !== 0) {
      if (engine.runBody(this.#body)) engine.baton.waitForRun();
    }
    runAs(before.task, before.engine);
    this.#state.current = HOST_TASK;
    if (this.#stopped()) throw new Halted();
    header(this.#mem).halted.and(~Halt.run);
    return this.#outcome();
  }

  #stopped(): boolean {
    return (header(this.#mem).halted.load() & Halt.host) !== 0;
  }

  #begin(plan: Plan): void {
    const state = this.#state;
    const all = (1 << this.taskCount) - 1;
    state.current = HOST_TASK;
    state.runnable = all;
    state.unfinished = all;
    state.started = 0;
    state.steps = 0;
    state.preemptions = 0;
    state.outcome = OutcomeKind.done;
    state.tickets = 0;
    state.runs += 1;
    for (const seat of this.#seats) {
      seat.op = Op.start;
      seat.address = 0;
      seat.wantedOp = Op.start;
      seat.wantedAddress = 0;
      seat.parkedOn = 0;
    }
    this.#engine.decider.begin(plan);
  }

  #outcome(): Outcome {
    const { steps, preemptions, outcome, culprit, turnCount, turnIndex } = this.#state;
    // Turns that the run did not come to do not fit either.
    const misfits = this.#state.misfits + turnCount - turnIndex;
    const kind = kinds[outcome] as OutcomeKind;
    if (kind === "done") return { kind, steps, preemptions, misfits };
    const [message, stack] = this.#words(kind);
    return { kind, task: culprit, message, stack, steps, preemptions, misfits } as Outcome;
  }

  #words(kind: OutcomeKind): (string | undefined)[] {
    if (kind === "livelock") return [`the tasks were not done after ${this.#state.maxSteps} steps`];
    if (kind === "deadlock") return [deadlockReport(this.#mem, this.#names)];
    return readMessage(this.#mem).split("\0");
  }

  /** A copy of the steps of the last run. */
  steps(): StepView[] {
    return this.log.views();
  }

  /** The last run as turns: a plan with these switches repeats it. */
  turns(): Turn[] {
    return turnsOfLog(this.log);
  }

  /** Lets the followers go.  The session cannot run any more. */
  end(): void {
    this.#state.ending = 1;
    for (let task = 1; task < this.taskCount; task++) this.#engine.baton.give(task);
  }
}

/**
 * Serves as a task in every run of a session, on a thread of its own; returns when the session ends.
 * Throws Halted when the host has stopped the machine.
 */
export function follow(mem: Memory, task: number, taskCount: number, body: Body): void {
  const engine = new ThreadEngine(mem, task, taskCount);
  const { state, baton } = engine;
  const before = runAs(task, engine);
  const halted = header(mem).halted;
  while (baton.waitForRun()) {
    if ((halted.load() & Halt.host) !== 0 || state.ending !== 0) break;
    engine.runBody(body);
  }
  baton.leave();
  runAs(before.task, before.engine);
  if ((halted.load() & Halt.host) !== 0) throw new Halted();
}

/**
 * Where two runs of one schedule part, in words; undefined when they are the same.  They must be: a kernel
 * or a scenario that depends on anything but the machine's memory gives schedules that do not replay.
 */
export function firstDifference(
  mem: Memory,
  first: readonly StepView[],
  second: readonly StepView[],
  names: TaskNames = [],
): string | undefined {
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    const [one, other] = [stepWords(mem, first[i], names), stepWords(mem, second[i], names)];
    if (one !== other) return `step ${i} was ${one}; the second time ${other}`;
  }
  return undefined;
}

function stepWords(mem: Memory, step: StepView | undefined, names: TaskNames): string {
  if (step === undefined) return "no step: the run was over";
  const runnable = names.length === 0 ? step.runnable.toString(2) : tasksIn(step.runnable, names);
  const where = step.op === Op.start ? "" : ` at ${describe(mem, step.address)}`;
  return `${taskName(names, step.task)}: ${opName(step.op)}${where} (could run: ${runnable})`;
}

function tasksIn(mask: number, names: TaskNames): string {
  return names.filter((_, task) => ((mask >>> task) & 1) === 1).join(" ");
}
