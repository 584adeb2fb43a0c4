// Passing the baton: one word a thread, and a waiting thread that first spins and then sleeps.
//
//   waiting   the thread has given the baton away; it spins, or is about to look
//   parked    it sleeps in Atomics.wait, or is about to
//   go        it has the baton
//
// A thread says `waiting` on its own word before it gives the baton away: the other may give it back at
// once.  Only the waiter moves waiting -> parked, by compare-and-exchange, and only a giver moves to go, by
// exchange, which tells it whether somebody sleeps.  So no wake-up is lost, and one that spins costs no
// system call.  A thread sleeps a second at most before it looks whether the machine was halted.
//
// Spinning pays while the thread that is waited for really runs on another core: 0.2 us a hand-over.
//   - With more tasks than cores nobody spins.  Measured with three and four tasks on two cores: all
//     asleep but one, the kernel keeps them on one core (10 us a hand-over); with one spinner beside
//     them twice that.
//   - When the machine is busy with other work, or the kernel has put both threads on one core, each would
//     spin while the other waits for that very core.  So after a spin in vain a thread sleeps at
//     once for a while, and then tries again, long enough for the kernel to move it.

import type { QuietCell } from "../machine/cell.ts";
import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { engineState, Halt, seatOf } from "./state.ts";

const Signal = { waiting: 0, parked: 1, go: 2 } as const;

/** How often a thread looks before it sleeps; a look takes about 10 ns. */
const LOOKS = 20_000;
/** The same after a spin in vain: longer than the kernel needs to even out the load of the cores. */
const PROBE_LOOKS = 500_000;
/** The same between runs, where the lead restores and checks. */
const PATIENT_LOOKS = 1_000_000;
/** Waits without spinning after the first spin in vain; doubled each time, up to … */
const FIRST_PAUSE = 256;
const LONGEST_PAUSE = 32_768;
/** So many spins must come off in a row before the pauses are short again: one alone is luck. */
const GOOD_STREAK = 64;
const NAP_MS = 1000;

export class Baton {
  readonly #i32: Int32Array<SharedArrayBuffer>;
  readonly #halted: QuietCell;
  readonly #own: number;
  /** The words of all seats, as indices of `i32`. */
  readonly #signals: number[];
  readonly #maySpin: boolean;
  // How this thread waits is no state of the machine: it changes nothing but time.
  #pause = 0;
  #nextPause = FIRST_PAUSE;
  #streak = GOOD_STREAK;

  constructor(mem: Memory, task: number, taskCount: number) {
    this.#i32 = mem.i32;
    this.#halted = header(mem).halted;
    this.#signals = Array.from({ length: taskCount }, (_, i) => seatOf(mem, i).signal.index);
    this.#own = seatOf(mem, task).signal.index;
    this.#maySpin = taskCount <= engineState(mem).cores;
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

  /** Waits for the baton within a run: true, or false when the host has halted the machine. */
  wait(): boolean {
    if (this.#pause > 0) this.#pause -= 1;
    else if (this.#maySpin) {
      if (this.#spin(this.#streak === 0 ? PROBE_LOOKS : LOOKS)) {
        if (this.#streak < GOOD_STREAK) this.#streak += 1;
        return true;
      }
      this.#nextPause =
        this.#streak === GOOD_STREAK ? FIRST_PAUSE : Math.min(LONGEST_PAUSE, 2 * this.#nextPause);
      this.#pause = this.#nextPause;
      this.#streak = 0;
    }
    return this.#sleep();
  }

  /** The same for a task that has nothing more to do in this run: waiting long is no sign of a busy machine. */
  waitForRun(): boolean {
    return (this.#maySpin && this.#pause === 0 && this.#spin(PATIENT_LOOKS)) || this.#sleep();
  }

  #spin(looks: number): boolean {
    for (let i = 0; i < looks; i++) {
      if (Atomics.load(this.#i32, this.#own) === Signal.go) return true;
    }
    return false;
  }

  #sleep(): boolean {
    const i32 = this.#i32;
    const own = this.#own;
    Atomics.compareExchange(i32, own, Signal.waiting, Signal.parked);
    while (Atomics.load(i32, own) !== Signal.go) {
      if ((this.#halted.load() & Halt.host) !== 0) return false;
      Atomics.wait(i32, own, Signal.parked, NAP_MS);
    }
    return true;
  }
}
