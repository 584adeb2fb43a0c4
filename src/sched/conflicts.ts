// Which steps another task can tell apart, learnt from the runs so far.
//
// Two steps commute when they touch different places, or the same one and both only read; then it does not
// matter which came first.  A place is an address, but a page on the media and among the pages, because
// a copy is announced by its first byte only.  Two entries of system calls commute, and two returns: what
// the oracles see is whether one call was over before another began.

import { Op, onlyReads } from "../machine/cpu.ts";
import { header } from "../machine/layout.ts";
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
export function commute(op: Op, other: Op): boolean {
  if (op === Op.start || other === Op.start) return true;
  if (op === other && (op === Op.call || op === Op.return)) return true;
  return onlyReads(op) && onlyReads(other);
}

export class Conflicts {
  readonly #mem: Memory;
  readonly #taskCount: number;
  /** For each place, one mask of ops a task. */
  readonly #touched = new Map<number, Uint32Array>();

  constructor(mem: Memory, taskCount: number) {
    this.#mem = mem;
    this.#taskCount = taskCount;
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
      const task = log.task(step);
      const op = log.op(step);
      let masks = this.#touched.get(place);
      if (masks === undefined) {
        masks = new Uint32Array(this.#taskCount);
        this.#touched.set(place, masks);
      }
      const before = masks[task] as number;
      if ((before & (1 << op)) !== 0) continue;
      masks[task] = before | (1 << op);
      if (this.known(task, op, place)) found.push(place);
    }
    return found;
  }

  /** Whether some other task was seen to do what does not commute with this step. */
  known(task: number, op: Op, place: number): boolean {
    const masks = this.#touched.get(place);
    if (masks === undefined) return false;
    const foes = against[op] as number;
    for (let other = 0; other < masks.length; other++) {
      if (other !== task && ((masks[other] as number) & foes) !== 0) return true;
    }
    return false;
  }
}
