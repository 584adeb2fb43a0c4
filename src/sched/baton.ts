// Passing the baton: one word a thread, and a waiting thread that first spins and then sleeps.
//
//   waiting    the thread has given the baton away and not yet decided how to wait
//   spinning   it looks at the word all the time; it holds one of the spinners' places
//   parked     it sleeps in Atomics.wait, or is about to
//   go         it has the baton
//
// A thread says `waiting` on its own word before it gives the baton away: the other may give it back at
// once.  Only the waiter moves between the first three, by compare-and-exchange, and only a giver moves
// to go, by exchange, which tells it whether somebody sleeps.  So no wake-up is lost, and one that spins
// costs no system call.  A thread sleeps a second at most before it looks whether the machine was halted.
//
// One core is for the baton; the others may be wasted by waiting, so there are as many spinners' places
// as cores less one.  Who gives the baton to a spinner gets its place.  Spinning pays while the other
// thread really runs on another core: 0.2 us a hand-over.  When the machine is busy with other work, or the
// kernel has put both threads on one core, each would spin while the other waits for that very core; so
// after a spin in vain a thread sleeps at once for a while (10 us a hand-over), and then tries again, long
// enough for the kernel to move it.

import type { QuietCell } from "../machine/cell.ts";
import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { engineState, Halt, seatOf, type EngineState } from "./state.ts";

const Signal = { waiting: 0, parked: 1, go: 2, spinning: 3 } as const;

/** How often a thread looks before it sleeps; a look takes about 10 ns. */
const LOOKS = 20_000;
/** The same after a spin in vain: longer than the kernel needs to even out the load of the cores. */
const PROBE_LOOKS = 500_000;
/** The same between runs, where the lead restores and checks. */
const PATIENT_LOOKS = 1_000_000;
/** Waits without spinning after the first spin in vain; doubled each time, up to … */
const FIRST_PAUSE = 64;
const LONGEST_PAUSE = 16_384;
const NAP_MS = 1000;

export class Baton {
  readonly #i32: Int32Array<SharedArrayBuffer>;
  readonly #state: EngineState;
  readonly #halted: QuietCell;
  readonly #own: number;
  /** The words of all seats, as indices of `i32`. */
  readonly #signals: number[];
  // How this thread waits is no state of the machine: it changes nothing but time.
  #inherited = false;
  #pause = 0;
  #pauses = 0;

  constructor(mem: Memory, task: number, taskCount: number) {
    this.#i32 = mem.i32;
    this.#state = engineState(mem);
    this.#halted = header(mem).halted;
    this.#signals = Array.from({ length: taskCount }, (_, i) => seatOf(mem, i).signal.index);
    this.#own = seatOf(mem, task).signal.index;
  }

  /** Gives the baton to another thread.  After this nothing shared may be written until `wait` is over. */
  give(task: number): void {
    Atomics.store(this.#i32, this.#own, Signal.waiting);
    const index = this.#signals[task] as number;
    const was = Atomics.exchange(this.#i32, index, Signal.go);
    if (was === Signal.parked) Atomics.notify(this.#i32, index);
    this.#inherited = was === Signal.spinning;
  }

  /** Says that this thread has no claim to the baton any more.  Before it leaves. */
  leave(): void {
    Atomics.store(this.#i32, this.#own, Signal.waiting);
  }

  /** Waits for the baton within a run: true, or false when the host has halted the machine. */
  wait(): boolean {
    if (this.#pause > 0) this.#pause -= 1;
    else if (this.#takePlace()) {
      if (this.#spin(this.#pauses === 0 ? LOOKS : PROBE_LOOKS)) {
        this.#pauses = 0;
        return true;
      }
      this.#pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE << this.#pauses);
      this.#pauses = Math.min(this.#pauses + 1, 16);
    }
    return this.#sleep();
  }

  /** The same for a task that is done, with the run or for this session. */
  waitForRun(runGoesOn: boolean): boolean {
    // A place is worth more to a task that is still to be switched to in this run.
    const worth = !runGoesOn || this.#signals.length <= this.#state.cores;
    if (worth && this.#pause === 0 && this.#takePlace() && this.#spin(PATIENT_LOOKS)) return true;
    return this.#sleep();
  }

  #takePlace(): boolean {
    if (this.#inherited) return true;
    const { spinners, cores } = this.#state;
    if (spinners.add(1) < cores - 1) {
      this.#inherited = true;
      return true;
    }
    spinners.add(-1);
    return false;
  }

  #leavePlace(): void {
    if (this.#inherited) this.#state.spinners.add(-1);
    this.#inherited = false;
  }

  /** The place stays with whoever gives the baton to this thread; after a spin in vain it is free. */
  #spin(looks: number): boolean {
    const i32 = this.#i32;
    const own = this.#own;
    if (Atomics.compareExchange(i32, own, Signal.waiting, Signal.spinning) === Signal.go) {
      this.#leavePlace();
      return true;
    }
    for (let i = 0; i < looks; i++) {
      if (Atomics.load(i32, own) === Signal.go) {
        this.#inherited = false;
        return true;
      }
    }
    if (Atomics.compareExchange(i32, own, Signal.spinning, Signal.waiting) === Signal.go) {
      this.#inherited = false;
      return true;
    }
    this.#leavePlace();
    return false;
  }

  #sleep(): boolean {
    this.#leavePlace();
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
