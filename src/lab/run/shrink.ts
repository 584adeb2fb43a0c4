// Makes a failing schedule as short as it gets: every candidate is run again, and counts only when the
// same promise breaks.  Fewest switches that nobody was forced to make first, then fewest turns, then
// fewest steps before the last turn.
//
// After the turns of a candidate the run goes on without preemption, so a prefix is a schedule too.

import type { Turn } from "../../sched/decide.ts";

/** A run that broke the promise: all its turns as they were run, and how many of the switches preempted. */
export interface Failure {
  readonly turns: readonly Turn[];
  readonly preemptions: number;
}

/** Runs a candidate; the failure when the same promise breaks, undefined when it does not. */
export type Attempt = (turns: readonly Turn[]) => Failure | undefined;

/** The smallest failure found within `budget` runs. */
export function shrink(first: Failure, attempt: Attempt, budget = 3000): Failure {
  let best = first;
  let left = budget;
  const tried = new Set<string>();
  const exhausted = (): boolean => left === 0;
  const better = (turns: readonly Turn[]): boolean => {
    const key = turns.map(({ task, steps }) => `${task}*${steps}`).join();
    if (exhausted() || tried.has(key)) return false;
    tried.add(key);
    left -= 1;
    const failure = attempt(turns);
    if (failure === undefined || !smaller(failure, best)) return false;
    best = failure;
    return true;
  };
  // A prefix first: most switches of a random schedule come after the damage is done, or do none.
  for (let length = 0; length < best.turns.length; length++) if (better(best.turns.slice(0, length))) break;
  while (!exhausted()) {
    if (!withoutChunks(() => best, better) && !shortened(() => best, better)) break;
  }
  return best;
}

function smaller(a: Failure, b: Failure): boolean {
  if (a.preemptions !== b.preemptions) return a.preemptions < b.preemptions;
  if (a.turns.length !== b.turns.length) return a.turns.length < b.turns.length;
  return stepsBeforeLast(a) < stepsBeforeLast(b);
}

function stepsBeforeLast({ turns }: Failure): number {
  return turns.slice(0, -1).reduce((sum, turn) => sum + turn.steps, 0);
}

/** Leaves out runs of turns, large ones first; the steps of those left out go to the task's next or last turn. */
function withoutChunks(best: () => Failure, better: (turns: Turn[]) => boolean): boolean {
  for (let size = best().turns.length >>> 1; size >= 1; size >>>= 1) {
    for (let from = 0; from + size <= best().turns.length; from++) {
      const { turns } = best();
      if (better(without(turns, from, size, "later"))) return true;
      if (better(without(turns, from, size, "earlier"))) return true;
      if (better(without(turns, from, size, "dropped"))) return true;
    }
  }
  return false;
}

/** The turns without some of them; neighbours of one task become one turn. */
export function without(
  turns: readonly Turn[],
  from: number,
  size: number,
  fate: "later" | "earlier" | "dropped",
): Turn[] {
  const left = [...turns];
  const gone = left.splice(from, size);
  for (const { task, steps } of fate === "dropped" ? [] : gone) {
    const at =
      fate === "later"
        ? left.findIndex((turn, i) => i >= from && turn.task === task)
        : left.findLastIndex((turn, i) => i < from && turn.task === task);
    if (at >= 0) left[at] = { task, steps: (left[at] as Turn).steps + steps };
  }
  return merged(left);
}

function merged(turns: readonly Turn[]): Turn[] {
  const result: Turn[] = [];
  for (const turn of turns) {
    const last = result.at(-1);
    if (last?.task === turn.task) result[result.length - 1] = { ...last, steps: last.steps + turn.steps };
    else result.push(turn);
  }
  return result;
}

/** Ends one turn earlier; what it did not do comes in the task's next turn. */
function shortened(best: () => Failure, better: (turns: Turn[]) => boolean): boolean {
  for (let i = 0; i < best().turns.length - 1; i++) {
    const { turns } = best();
    const { task, steps } = turns[i] as Turn;
    for (const fewer of new Set([1, steps >>> 1, steps - 1])) {
      if (fewer < 1 || fewer >= steps) continue;
      const candidate = [...turns.slice(0, i), { task, steps: fewer }, ...turns.slice(i + 1)];
      const next = candidate.findIndex((turn, at) => at > i && turn.task === task);
      if (next >= 0) {
        const turn = candidate[next] as Turn;
        candidate[next] = { task, steps: turn.steps + steps - fewer };
      }
      if (better(candidate)) return true;
    }
  }
  return false;
}
