// The engine of tasks under control: exactly one has the baton, and it decides by itself, at each step,
// who goes on.  There is no controller thread: a step after which the same task goes on is some memory
// accesses.
//
// A run stops early (deadlock, livelock, bug, an exception of a task) by the `run` bit of header.halted:
// whoever has the baton then passes it through all tasks that have begun, and each unwinds by Halted.  The
// host stops a machine by the `host` bit: then nobody waits for the baton, everybody unwinds at once, and
// the state of the scheduler is void until `readySched`.

import type { QuietCell } from "../machine/cell.ts";
import { Op, type Engine } from "../machine/cpu.ts";
import { Bug, Halted } from "../machine/errors.ts";
import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { Baton } from "./baton.ts";
import { Decider, lowest, NOBODY } from "./decide.ts";
import {
  engineState,
  Halt,
  OutcomeKind,
  seatOf,
  writeMessage,
  type EngineState,
  type Seat,
} from "./state.ts";

/** The lead's seat is also where the baton comes back to when a run is over. */
export const LEAD = 0;

/** What a task does in each run. */
export type Body = () => unknown;

export class ThreadEngine implements Engine {
  readonly mem: Memory;
  readonly state: EngineState;
  readonly decider: Decider;
  readonly baton: Baton;
  readonly task: number;
  readonly #bit: number;
  readonly #halted: QuietCell;
  readonly #seat: Seat;
  readonly #seats: Seat[];

  constructor(mem: Memory, task: number, taskCount: number) {
    this.mem = mem;
    this.state = engineState(mem);
    this.decider = new Decider(mem, taskCount);
    this.baton = new Baton(mem, task, taskCount);
    this.task = task;
    this.#bit = 1 << task;
    this.#halted = header(mem).halted;
    this.#seat = seatOf(mem, task);
    this.#seats = Array.from({ length: taskCount }, (_, other) => seatOf(mem, other));
  }

  step(op: Op, address: number): void {
    if (this.#halted.load() !== 0) throw new Halted();
    const seat = this.#seat;
    seat.op = op;
    seat.address = address;
    seat.wantedOp = op;
    seat.wantedAddress = address;
    this.#goOnAs(this.decider.choose());
  }

  park(cell: QuietCell, seen: number): void {
    if (this.#halted.load() !== 0) throw new Halted();
    // Not cell.load(): an announcing cell would make a step of it, and the baton could go away in between.
    if (Atomics.load(this.mem.i32, cell.index) !== seen) return;
    const { state } = this;
    const seat = this.#seat;
    seat.op = Op.park;
    seat.address = cell.at;
    seat.parkedOn = cell.at;
    state.tickets += 1;
    seat.ticket = state.tickets;
    state.runnable &= ~this.#bit;
    if (state.runnable === 0) this.#stop("deadlock");
    this.#goOnAs(this.decider.choose());
  }

  wake(cell: QuietCell, count: number): void {
    // While the run is being unwound nobody runs again, and the report needs to know who was parked.
    if (this.#halted.load() !== 0) return;
    const { state } = this;
    let parked = state.unfinished & ~state.runnable;
    for (let left = count; left > 0 && parked !== 0; left--) {
      let first: Seat | undefined;
      let task = 0;
      for (let rest = parked; rest !== 0; rest &= rest - 1) {
        const other = lowest(rest);
        const seat = this.#seats[other] as Seat;
        if (seat.parkedOn !== cell.at) parked &= ~(1 << other);
        else if (first === undefined || seat.ticket < first.ticket) [first, task] = [seat, other];
      }
      if (first === undefined) return;
      first.parkedOn = 0;
      parked &= ~(1 << task);
      state.runnable |= 1 << task;
    }
  }

  /** Comes back when this task has been picked. */
  #goOnAs(next: number): void {
    if (next === this.task) return;
    if (next === NOBODY) this.#stop("livelock");
    this.baton.give(next);
    if (!this.baton.wait() || this.#halted.load() !== 0) throw new Halted();
  }

  #stop(outcome: OutcomeKind): never {
    this.#fail(outcome, "");
    throw new Halted();
  }

  #fail(outcome: OutcomeKind, message: string): void {
    this.state.outcome = OutcomeKind[outcome];
    this.state.culprit = this.task;
    writeMessage(this.mem, message);
    this.#halted.or(Halt.run);
  }

  /**
   * Runs the body of this thread's task, which has just been picked, and passes the baton on.  False when
   * it stays here: the lead was the last.
   */
  runBody(body: Body): boolean {
    this.state.started |= this.#bit;
    try {
      const result = body();
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") {
        throw new TypeError("a task is synchronous: its function returned a promise");
      }
    } catch (error) {
      this.#caught(error);
    }
    return this.#finish();
  }

  #caught(error: unknown): void {
    // What a task throws while it is being unwound says nothing of the run.
    if (this.#halted.load() !== 0) return;
    const kind = error instanceof Bug ? "bug" : "threw";
    this.#fail(kind, errorText(error));
  }

  /** This task is over: the baton goes to the next, or, when the run is over, back to the lead. */
  #finish(): boolean {
    const { state } = this;
    const halted = this.#halted.load();
    if ((halted & Halt.host) !== 0) return false;
    state.unfinished &= ~this.#bit;
    state.runnable &= ~this.#bit;
    let next = LEAD;
    if (halted === 0 && state.unfinished !== 0) next = this.#successor();
    if (this.#halted.load() !== 0) {
      // Unwinding.  A task that never began has nothing to unwind.
      state.unfinished &= state.started;
      next = state.unfinished === 0 ? LEAD : lowest(state.unfinished);
    }
    if (next === this.task) return false;
    this.baton.give(next);
    return true;
  }

  #successor(): number {
    if (this.state.runnable === 0) {
      this.#fail("deadlock", "");
      return LEAD;
    }
    const next = this.decider.choose();
    if (next === NOBODY) this.#fail("livelock", "");
    return next;
  }
}

/** "TypeError: x is undefined", and after a NUL where it was thrown. */
function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error instanceof Bug ? error.message : `${error.name}: ${error.message}`;
  return `${text}\0${error.stack ?? ""}`;
}
