// Passing the baton: one word a thread, and a waiting thread that first spins and then sleeps.
//
//   waiting   the thread spins, or is about to look
//   parked    the thread sleeps in Atomics.wait, or is about to
//   go        the thread has the baton
//
// A thread says `waiting` on its own word before it gives the baton away: the other may give it back at
// once.  Only the waiter moves waiting -> parked, by compare-and-exchange, and only a giver moves to go, by
// exchange, which tells it whether somebody sleeps.  So no wake-up is lost, and a spinning thread costs no
// system call.  A thread sleeps a second at most before it looks whether the machine was halted.

import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { engineState, Halt, seatOf, type EngineState } from "./state.ts";

const Signal = { waiting: 0, parked: 1, go: 2 } as const;

/** Looks at the signal before the thread sleeps: about 100 us, more than what happens between two runs. */
const SPINS = 20_000;
const NAP_MS = 1000;

export class Baton {
  readonly #mem: Memory;
  readonly #i32: Int32Array<SharedArrayBuffer>;
  readonly #state: EngineState;
  readonly #own: number;
  /** The words of all seats, as indices of `i32`. */
  readonly #signals: number[];

  constructor(mem: Memory, task: number, taskCount: number) {
    this.#mem = mem;
    this.#i32 = mem.i32;
    this.#state = engineState(mem);
    this.#signals = Array.from({ length: taskCount }, (_, i) => seatOf(mem, i).signal.index);
    this.#own = seatOf(mem, task).signal.index;
  }

  /** Gives the baton to another thread.  After this nothing shared may be written until `wait` is over. */
  give(task: number): void {
    Atomics.store(this.#i32, this.#own, Signal.waiting);
    const index = this.#signals[task] as number;
    if (Atomics.exchange(this.#i32, index, Signal.go) === Signal.parked) Atomics.notify(this.#i32, index);
  }

  /** Says that this thread has no claim to the baton any more.  Before it leaves. */
  leave(): void {
    Atomics.store(this.#i32, this.#own, Signal.waiting);
  }

  /** Waits for the baton: true, or false when the host has halted the machine. */
  wait(): boolean {
    if (this.#spin()) return true;
    if (Atomics.compareExchange(this.#i32, this.#own, Signal.waiting, Signal.parked) === Signal.go)
      return true;
    const halted = header(this.#mem).halted;
    while (Atomics.load(this.#i32, this.#own) !== Signal.go) {
      if ((halted.load() & Halt.host) !== 0) return false;
      Atomics.wait(this.#i32, this.#own, Signal.parked, NAP_MS);
    }
    return true;
  }

  #spin(): boolean {
    const { cores } = this.#state;
    if (this.#signals.length <= cores) return this.#look();
    // More threads than cores: one core is for the baton, the others may be wasted by waiting.
    const { spinners } = this.#state;
    const mine = spinners.add(1) < cores - 1;
    const came = mine && this.#look();
    spinners.add(-1);
    return came;
  }

  #look(): boolean {
    for (let i = 0; i < SPINS; i++) {
      if (Atomics.load(this.#i32, this.#own) === Signal.go) return true;
    }
    return false;
  }
}
