// Which steps another task can tell apart, learnt from the runs so far.
//
// Two steps commute when they touch different places, or the same one and both only read; then it does not
// matter which came first.  A place is an address, but a page on the media and among the pages, because
// a copy is announced by its first byte only.  Two entries of system calls commute, and two returns: what
// the oracles see is whether one call was over before another began.
//
// Where power failures are looked for (`durable`), the order of a fence and another task's store to the media, flush, or
// return from a call matters, too: a failure between the two leaves something else.

import { Op, onlyReads } from "../machine/cpu.ts";
import { header, HEADER_AT } from "../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../machine/memory.ts";
import type { StepLog } from "./state.ts";

const ops = Object.values(Op);

/** For each op, the mask of the ops it does not commute with on one place. */
const against: number[] = [];
for (const op of ops) {
  const foes = ops.filter((other) => !commute(op, other));
  against[op] = foes.reduce((mask: number, other) => mask | (1 << other), 0);
}

/** Whether two steps on one place can be made in either order. */
function commute(op: Op, other: Op): boolean {
  if (op === Op.start || other === Op.start) return true;
  if (op === other && (op === Op.call || op === Op.return)) return true;
  return onlyReads(op) && onlyReads(other);
}

/** The masks of ops that come before or after a fence. */
const FENCE = 1 << Op.fence;
const AROUND_FENCE = (1 << Op.copyIn) | (1 << Op.zero) | (1 << Op.flush) | (1 << Op.return);

/** Which of the ops that a fence is told from, itself among them, an op does not commute with. */
function foesOfDurable(op: Op): number {
  if (op === Op.fence) return AROUND_FENCE;
  return ((1 << op) & AROUND_FENCE) === 0 ? 0 : FENCE;
}

export class Conflicts {
  readonly #mem: Memory;
  readonly #taskCount: number;
  readonly #durable: boolean;
  /** For each place, one mask of ops a task. */
  readonly #touched = new Map<number, Uint32Array>();

  constructor(mem: Memory, taskCount: number, durable = false) {
    this.#mem = mem;
    this.#taskCount = taskCount;
    this.#durable = durable;
  }

  /** The place that stands for an address. */
  place(address: number): number {
    const { media, pages } = header(this.#mem);
    const paged = address >= media.start || (address >= pages.start && address < pages.start + pages.length);
    return paged && address < media.start + media.length ? address - (address % PAGE_SIZE) : address;
  }

  /** Takes in the steps of a run; returns the places where a conflict was seen that was not known. */
  learn(log: StepLog): number[] {
    const found: number[] = [];
    for (let step = 0; step < log.length; step++) {
      const place = this.place(log.address(step));
      const [task, op] = [log.task(step), log.op(step)];
      const isNew = this.#add(place, task, op);
      const isNewDurable = this.#durable && foesOfDurable(op) !== 0 && this.#add(HEADER_AT, task, op);
      if (!isNew && !isNewDurable) continue;
      if (!this.known(task, op, place)) continue;
      found.push(place);
      // A fence may be what makes stores worth a preemption that were left out, wherever they are.
      if (isNewDurable) found.push(HEADER_AT);
    }
    return found;
  }

  /** Whether it was not known that a task does that there. */
  #add(place: number, task: number, op: Op): boolean {
    let masks = this.#touched.get(place);
    if (masks === undefined) {
      masks = new Uint32Array(this.#taskCount);
      this.#touched.set(place, masks);
    }
    const before = masks[task] as number;
    masks[task] = before | (1 << op);
    return masks[task] !== before;
  }

  /** The places by which a preemption before a step may turn out to have been worth it. */
  places(op: Op, place: number): number[] {
    return this.#durable && foesOfDurable(op) !== 0 ? [place, HEADER_AT] : [place];
  }

  /** Whether two steps can be made in either order. */
  commute(op: Op, place: number, other: Op, otherPlace: number): boolean {
    if (this.#durable && (foesOfDurable(op) & (1 << other)) !== 0) return false;
    return place !== otherPlace || commute(op, other);
  }

  /** Whether some other task was seen to do what does not commute with this step. */
  known(task: number, op: Op, place: number): boolean {
    if (this.#others(task, against[op] as number, place)) return true;
    return this.#durable && this.#others(task, foesOfDurable(op), HEADER_AT);
  }

  /** Whether some other task was seen to do one of these at a place. */
  #others(task: number, foes: number, place: number): boolean {
    const masks = this.#touched.get(place);
    if (masks === undefined || foes === 0) return false;
    for (let other = 0; other < masks.length; other++) {
      if (other !== task && ((masks[other] as number) & foes) !== 0) return true;
    }
    return false;
  }
}
