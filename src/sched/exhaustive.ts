// All schedules with at most so many preemptions, depth first.
//
// A run follows a prefix and then runs on without preemption.  Every later point of it at which another
// task could have been picked is the end of a new prefix: each schedule comes up exactly once.  Where
// the task before cannot go on (it finished, it sleeps, or nobody ran yet) all choices are tried and cost
// nothing; elsewhere a choice is a preemption and counts.
//
// A preemption is tried only before a step that conflicts with a step of another task (conflicts.ts).
// Before any other step it changes nothing: that step commutes with all that others do meanwhile, so
// preempting the task after it, at the next step that conflicts, gives the same run, for the same number of
// preemptions or fewer.  For the same reason a preempted task is picked again only when a step that was
// made meanwhile conflicts with the one before which it was preempted.
//
// What conflicts is learnt while exploring.  When a place turns out to be shared before which preemptions were left
// out, the exploration starts again knowing that, and it is complete when it has come to its end without such a
// surprise.  Bounds grow from 0, so most is known early, when starting again is cheap, and the first violation found
// needs the fewest preemptions.
//
// What this takes for granted: fields that are not announced are protected by locks that are (rule of
// the machine), and a run is a function of its schedule, which `feedback` checks.

import { Op } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import type { Memory } from "../machine/memory.ts";
import { Conflicts } from "./conflicts.ts";
import { lowest, turnsOfLog, type Plan, type Turn } from "./decide.ts";
import type { StepLog } from "./state.ts";

export interface ExhaustiveOptions {
  /** The most preemptions of a schedule; Infinity for all schedules. */
  preemptions: number;
  maxSteps: number;
  /** False tries preemptions before every step: to check the reduction, for small programs. */
  reduce?: boolean;
  /** Whether power failures are looked for: then the order of fences and stores to the media matters. */
  durable?: boolean;
}

/** Where a run is to leave the one it is like: before step `at`, `task` is picked instead. */
interface Branch {
  /** The run to leave, as turns. */
  turns: Turn[];
  at: number;
  task: number;
  /** Preemptions of the prefix. */
  cost: number;
  /** When leaving there is a preemption: the step that the preempted task was about to make. */
  before?: { task: number; op: Op; place: number };
}

const ROOT: Branch = { turns: [], at: 0, task: -1, cost: 0 };

export class Exhaustive {
  /** Runs so far, with those of smaller bounds and of explorations that started again. */
  runs = 0;
  /** Different schedules so far, within the bound that is explored now. */
  schedules = 0;
  /** The number of preemptions up to which everything has been explored; -1 at first. */
  completed = -1;
  /** Whether all has been explored. */
  complete = false;

  readonly #conflicts: Conflicts;
  readonly #options: ExhaustiveOptions;
  readonly #reduce: boolean;
  #bound: number;
  #branches: Branch[] = [ROOT];
  #current: Branch = ROOT;
  #prefix: Turn[] = [];
  /** Places before which a preemption was left out. */
  #leftOut = new Set<number>();
  /** Whether some schedule has more preemptions than the bound allows. */
  #bounded = false;

  constructor(mem: Memory, taskCount: number, options: ExhaustiveOptions) {
    this.#conflicts = new Conflicts(mem, taskCount, options.durable);
    this.#options = options;
    this.#reduce = options.reduce ?? true;
    // Without a bound there is no end to approach step by step.
    this.#bound = options.preemptions === Infinity ? Infinity : 0;
  }

  /** The next run to make; undefined when there is none left.  `feedback` follows each. */
  next(): Plan | undefined {
    if (this.#branches.length === 0) this.#nextBound();
    const branch = this.#branches.pop();
    if (branch === undefined) return undefined;
    this.#current = branch;
    this.#prefix = prefixOf(branch);
    return { strategy: "run-on", seed: 0, switches: this.#prefix, maxSteps: this.#options.maxSteps };
  }

  #nextBound(): void {
    this.completed = this.#bound;
    if (this.#bounded && this.#bound < this.#options.preemptions) {
      this.#bound += 1;
      this.#start();
    } else this.complete = true;
  }

  #start(): void {
    this.#branches = [ROOT];
    this.#leftOut.clear();
    this.#bounded = false;
    this.schedules = 0;
  }

  /** Takes in the steps of the run that `next` asked for. */
  feedback(log: StepLog): void {
    this.runs += 1;
    this.#checkPrefix(log);
    const found = this.#conflicts.learn(log);
    if (this.#reduce && found.some((place) => this.#leftOut.has(place))) {
      this.#start();
      return;
    }
    this.schedules += 1;
    this.#branch(log);
  }

  #checkPrefix(log: StepLog): void {
    let step = 0;
    for (const { task, steps } of this.#prefix) {
      for (let i = 0; i < steps; i++, step++) {
        if (step < log.length && log.task(step) === task) continue;
        bug(`the same schedule gave another run: its step ${step} should be one of task ${task}`);
      }
    }
  }

  #branch(log: StepLog): void {
    const turns = turnsOfLog(log);
    const { at, cost, task, before } = this.#current;
    // The preempted task, as long as nothing has happened that it could tell.
    let idle = before === undefined || !this.#reduce ? 0 : 1 << before.task;
    for (let step = task < 0 ? 0 : at + 1; step < log.length; step++) {
      if (idle !== 0 && this.#matters(log, step - 1)) idle = 0;
      const chosen = log.task(step);
      const others = log.runnable(step) & ~(1 << chosen) & ~idle;
      if (others === 0) continue;
      // After the prefix the run goes on without preemption: if the task before could go on, it did.
      const preempts = step > 0 && log.task(step - 1) === chosen;
      if (preempts && !this.#worthPreempting(log, step, cost)) continue;
      const place = this.#conflicts.place(log.address(step));
      const left = preempts ? { before: { task: chosen, op: log.op(step), place } } : {};
      for (let rest = others; rest !== 0; rest &= rest - 1) {
        const next = { turns, at: step, task: lowest(rest), cost: preempts ? cost + 1 : cost };
        this.#branches.push({ ...next, ...left });
      }
    }
  }

  /** Whether a step conflicts with the one before which the current branch preempted its task, or is that one. */
  #matters(log: StepLog, step: number): boolean {
    const { before } = this.#current;
    if (before === undefined || log.task(step) === before.task) return true;
    // Who wakes may take a lock whose address it announced before it slept.
    if (log.op(step) === Op.park) return true;
    const place = this.#conflicts.place(log.address(step));
    return !this.#conflicts.commute(log.op(step), place, before.op, before.place);
  }

  #worthPreempting(log: StepLog, step: number, cost: number): boolean {
    const place = this.#conflicts.place(log.address(step));
    if (this.#reduce && !this.#conflicts.known(log.task(step), log.op(step), place)) {
      for (const each of this.#conflicts.places(log.op(step), place)) this.#leftOut.add(each);
      return false;
    }
    if (cost < this.#bound) return true;
    this.#bounded = true;
    return false;
  }
}

/** The first `at` steps of the branch's run, and one of its task. */
function prefixOf({ turns, at, task }: Branch): Turn[] {
  if (task < 0) return [];
  const prefix: Turn[] = [];
  let left = at;
  for (const turn of turns) {
    if (left === 0) break;
    const steps = Math.min(left, turn.steps);
    prefix.push({ task: turn.task, steps });
    left -= steps;
  }
  const last = prefix.at(-1);
  if (last?.task === task) last.steps += 1;
  else prefix.push({ task, steps: 1 });
  return prefix;
}
