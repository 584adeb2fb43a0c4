// Free running that can be stopped: the hardware is the scheduler, and steps are where a task may lose
// time.  Before a step, now and then, a task waits: mostly for moments, rarely for about as long as a
// system call takes, so that windows of one instruction become windows of many.
//
// Every sleep ends in finite time: a task looks each `NAP_MS` whether the machine was halted, and after
// `patience` without a wake-up it calls that a deadlock, by bug(), with who waits for whom.

import type { QuietCell } from "../machine/cell.ts";
import type { Engine, Op } from "../machine/cpu.ts";
import { bug, Halted } from "../machine/errors.ts";
import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { deadlockReport, type TaskNames } from "./deadlock.ts";
import { seatOf, type Seat } from "./state.ts";

export interface ChaosOptions {
  /** A safe integer; each task draws its own numbers from it. */
  seed: number;
  /** The share of steps before which the task waits: 0 never … 1 always. */
  rate: number;
  /** For reports. */
  names?: TaskNames;
  /** Milliseconds of sleep on one lock that count as a deadlock. */
  patience?: number;
}

const NAP_MS = 50;
const PATIENCE_MS = 10_000;
/** The longest delays, in turns of an empty loop with an atomic load: about 1 us, and about 100 us. */
const SHORT = 100;
const LONG = 10_000;
/** One delay in so many is a long one. */
const LONG_EVERY = 16;

export class ChaosEngine implements Engine {
  readonly #mem: Memory;
  readonly #halted: QuietCell;
  readonly #seat: Seat;
  readonly #threshold: number;
  readonly #names: TaskNames;
  readonly #patience: number;

  constructor(mem: Memory, task: number, { seed, rate, names, patience }: ChaosOptions) {
    this.#mem = mem;
    this.#halted = header(mem).halted;
    this.#seat = seatOf(mem, task);
    this.#seat.random = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(task + 1, 0x85ebca6b);
    this.#threshold = rate * 2 ** 32;
    this.#names = names ?? [];
    this.#patience = patience ?? PATIENCE_MS;
  }

  step(op: Op, address: number): void {
    if (this.#halted.load() !== 0) throw new Halted();
    const seat = this.#seat;
    seat.wantedOp = op;
    seat.wantedAddress = address;
    if (this.#threshold !== 0 && this.#random() < this.#threshold) this.#delay();
  }

  /** mulberry32 (Tommy Ettinger, public domain). */
  #random(): number {
    const seat = this.#seat;
    const state = (seat.random + 0x6d2b79f5) >>> 0;
    seat.random = state;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  #delay(): void {
    const longest = this.#random() % LONG_EVERY === 0 ? LONG : SHORT;
    for (let left = this.#random() % longest; left > 0; left--) this.#halted.load();
  }

  park(cell: QuietCell, seen: number): void {
    const seat = this.#seat;
    seat.parkedOn = cell.at;
    const begin = performance.now();
    for (;;) {
      if (this.#halted.load() !== 0) throw new Halted();
      if (Atomics.wait(cell.mem.i32, cell.index, seen, NAP_MS) !== "timed-out") break;
      if (performance.now() - begin > this.#patience) {
        bug(
          `deadlock: nobody woke a task for ${this.#patience} ms; ${deadlockReport(this.#mem, this.#names)}`,
        );
      }
    }
    seat.parkedOn = 0;
  }

  wake(cell: QuietCell, count: number): void {
    Atomics.notify(cell.mem.i32, cell.index, count);
  }
}
