// A word that several tasks use at once.  Announcing is the default: `atomic` cells call step() before
// they act, so that the scheduler sees every operation another task can observe.  `quiet` cells do not,
// and are for machine/, locks/ and sched/ only: there the announcement is made by the lock operation.

import { Op, step } from "./cpu.ts";
import type { Memory } from "./memory.ts";

export class QuietCell {
  readonly mem: Memory;
  /** The address of the word, a multiple of four. */
  readonly at: number;
  readonly index: number;

  constructor(mem: Memory, at: number) {
    this.mem = mem;
    this.at = at;
    this.index = at >>> 2;
  }

  load(): number {
    return this.mem.bulk.load(this.at);
  }

  store(value: number): void {
    Atomics.store(this.mem.i32, this.index, value);
  }

  /** Adds, and returns the value before. */
  add(value: number): number {
    return this.mem.bulk.add(this.at, value);
  }

  /** Sets bits, and returns the value before. */
  or(bits: number): number {
    return Atomics.or(this.mem.i32, this.index, bits);
  }

  /** Keeps only the bits of the mask, and returns the value before. */
  and(mask: number): number {
    return Atomics.and(this.mem.i32, this.index, mask);
  }

  /** Compare-and-exchange: whether the cell held `expected` and now holds `value`. */
  swapIf(expected: number, value: number): boolean {
    return this.mem.bulk.swap(this.at, expected, value) === expected;
  }
}

export class Cell extends QuietCell {
  override load(): number {
    step(Op.load, this.at);
    return super.load();
  }

  override store(value: number): void {
    step(Op.store, this.at);
    super.store(value);
  }

  override add(value: number): number {
    step(Op.update, this.at);
    return super.add(value);
  }

  override or(bits: number): number {
    step(Op.update, this.at);
    return super.or(bits);
  }

  override and(mask: number): number {
    step(Op.update, this.at);
    return super.and(mask);
  }

  override swapIf(expected: number, value: number): boolean {
    step(Op.update, this.at);
    return super.swapIf(expected, value);
  }
}
