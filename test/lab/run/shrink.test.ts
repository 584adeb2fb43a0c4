import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Turn } from "../../../src/sched/decide.ts";
import { shrink, without, type Failure } from "../../../src/lab/run/shrink.ts";

// A toy machine: each task has so many steps; a schedule's turns are run as far as they go, then the
// tasks run on in order.  A run is the sequence of (task, step) it makes.
const LENGTHS = [6, 6, 4];

interface Toy extends Failure {
  order: string[];
}

function run(turns: readonly Turn[]): Toy {
  const done = LENGTHS.map(() => 0);
  const order: string[] = [];
  const real: Turn[] = [];
  let preemptions = 0;
  const go = (task: number, steps: number): void => {
    const ran = Math.min(steps, (LENGTHS[task] as number) - (done[task] as number));
    if (ran <= 0) return;
    for (let i = 0; i < ran; i++) order.push(`${task}.${(done[task] as number) + i}`);
    const last = real.at(-1);
    if (last?.task === task) real[real.length - 1] = { task, steps: last.steps + ran };
    else {
      if (last !== undefined && (done[last.task] as number) < (LENGTHS[last.task] as number))
        preemptions += 1;
      real.push({ task, steps: ran });
    }
    done[task] = (done[task] as number) + ran;
  };
  for (const { task, steps } of turns) go(task, steps);
  const last = real.at(-1)?.task;
  if (last !== undefined) go(last, Infinity);
  for (const task of LENGTHS.keys()) go(task, Infinity);
  return { turns: real, preemptions, order };
}

const schedules = fc.array(
  fc.record({ task: fc.nat(LENGTHS.length - 1), steps: fc.integer({ min: 1, max: 3 }) }),
  { minLength: 5, maxLength: 20 },
);

/** Task 1's second step falls between task 0's third and fourth. */
const fails = ({ order }: Toy): boolean =>
  order.indexOf("0.2") < order.indexOf("1.1") && order.indexOf("1.1") < order.indexOf("0.3");

function attempt(turns: readonly Turn[]): Failure | undefined {
  const toy = run(turns);
  return fails(toy) ? toy : undefined;
}

test("a bug that needs one step between two others is shrunk to two preemptions, and still fails", () => {
  let shrunk = 0;
  fc.assert(
    fc.property(schedules, (turns) => {
      const first = run(turns);
      if (!fails(first)) return;
      shrunk += 1;
      const best = shrink(first, attempt);
      expect(fails(run(best.turns))).toBe(true);
      // Task 0 is left once; task 1 may be left too or run to its end: never more than one preemption is needed.
      expect(best.preemptions).toBe(1);
    }),
    { numRuns: 500 },
  );
  expect(shrunk).toBeGreaterThan(20);
});

test("what fails only in the given schedule is left as it was", () => {
  const first = run([
    { task: 0, steps: 1 },
    { task: 1, steps: 1 },
    { task: 0, steps: 2 },
  ]);
  expect(shrink(first, () => undefined)).toBe(first);
});

test("a budget of runs is kept", () => {
  let runs = 0;
  const first = run(Array.from({ length: 20 }, (_, i) => ({ task: i % 2, steps: 1 })));
  shrink(
    first,
    () => {
      runs += 1;
      return undefined;
    },
    7,
  );
  expect(runs).toBe(7);
});

test("turns that are left out give their steps to a neighbour of their task, and neighbours merge", () => {
  const turns = [
    { task: 0, steps: 2 },
    { task: 1, steps: 3 },
    { task: 0, steps: 4 },
    { task: 1, steps: 1 },
  ];
  expect(without(turns, 1, 1, "later")).toEqual([
    { task: 0, steps: 6 },
    { task: 1, steps: 4 },
  ]);
  expect(without(turns, 2, 1, "earlier")).toEqual([
    { task: 0, steps: 6 },
    { task: 1, steps: 4 },
  ]);
  expect(without(turns, 1, 1, "dropped")).toEqual([
    { task: 0, steps: 6 },
    { task: 1, steps: 1 },
  ]);
});
