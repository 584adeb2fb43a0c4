import { afterAll, expect, test } from "vitest";
import { Op } from "../../src/machine/cpu.ts";
import { Crew } from "../../src/sched/pool.ts";
import type { Plan } from "../../src/sched/decide.ts";
import { plan, toyMachine, type ToyName, type ToyRun } from "./toys.ts";

const crews = new Map<number, Crew>();
afterAll(async () => {
  for (const crew of crews.values()) await crew.close();
});

async function run(tasks: ToyName[], plans: Plan[], cores?: number): Promise<ToyRun[]> {
  const crew = crews.get(tasks.length) ?? new Crew(tasks.length);
  crews.set(tasks.length, crew);
  const { mem, at } = toyMachine();
  const module = new URL("./toys.js", import.meta.url).href;
  const job = { mem, module, entry: "runToys", data: { at, tasks, plans }, ...(cores && { cores }) };
  return (await crew.run<ToyRun[]>(job)).values[0] as ToyRun[];
}

const seeds = (count: number): number[] => Array.from({ length: count }, (_, seed) => seed);

test("a racy increment of two tasks loses an update in some random schedules and not in others", async () => {
  const runs = await run(
    ["increment", "increment"],
    seeds(200).map((seed) => plan(seed)),
  );
  expect(new Set(runs.map(({ counter }) => counter))).toEqual(new Set([1, 2]));
  expect(runs.every(({ outcome }) => outcome.kind === "done" && outcome.steps === 6)).toBe(true);
});

test("a locked increment loses no update, whatever the schedule", async () => {
  const tasks: ToyName[] = ["lockedIncrement", "lockedIncrement", "lockedIncrement"];
  const runs = await run(
    tasks,
    seeds(500).map((seed) => plan(seed)),
  );
  expect(new Set(runs.map(({ counter, outcome }) => `${outcome.kind} ${counter}`))).toEqual(
    new Set(["done 3"]),
  );
  expect(runs.some(({ steps }) => steps.some(({ op }) => op === Op.park))).toBe(true);
});

test("a plan gives the same run every time, on one core and on many", async () => {
  const tasks: ToyName[] = ["lockedIncrement", "increment", "tenOperations"];
  const plans = seeds(40).map((seed) => plan(seed, seed % 2 === 0 ? {} : { strategy: "pct", depth: 3 }));
  const first = await run(tasks, plans, 1);
  expect(await run(tasks, plans, 1)).toEqual(first);
  expect(await run(tasks, plans, 3)).toEqual(first);
  expect(new Set(first.map(({ turns }) => JSON.stringify(turns))).size).toBeGreaterThan(20);
});

test("the turns of a run, given as a plan, repeat it twenty times out of twenty", async () => {
  const tasks: ToyName[] = ["lockedIncrement", "lockedIncrement", "tenOperations"];
  const [model] = (await run(tasks, [plan(11)])) as [ToyRun];
  const again = plan(0, { strategy: "run-on", switches: model.turns });
  const runs = await run(
    tasks,
    seeds(20).map(() => again),
  );
  for (const { steps, outcome } of runs) {
    expect(steps).toEqual(model.steps);
    expect(outcome).toEqual({ ...model.outcome, misfits: 0 });
  }
});

test("without turns, run-on switches only where it must and counts no preemption", async () => {
  const [only] = (await run(["increment", "increment"], [plan(0, { strategy: "run-on" })])) as [ToyRun];
  expect(only.turns).toEqual([
    { task: 0, steps: 3 },
    { task: 1, steps: 3 },
  ]);
  expect(only.outcome.preemptions).toBe(0);
});

test("a switch away from a task that could go on is a preemption, one from a finished task is none", async () => {
  const switches = [
    { task: 0, steps: 2 },
    { task: 1, steps: 3 },
  ];
  const [only] = (await run(["increment", "increment"], [plan(0, { strategy: "run-on", switches })])) as [
    ToyRun,
  ];
  expect(only.counter).toBe(1);
  expect(only.outcome.preemptions).toBe(1);
});

test("a turn that its task cannot run is skipped and counted", async () => {
  const switches = [
    { task: 0, steps: 9 },
    { task: 1, steps: 1 },
    { task: 0, steps: 1 },
  ];
  const [only] = (await run(["increment", "increment"], [plan(0, { strategy: "run-on", switches })])) as [
    ToyRun,
  ];
  expect(only.outcome).toMatchObject({ kind: "done", misfits: 2, steps: 6 });
});

test("two locks taken in opposite orders end in a reported deadlock, and the next run is none the worse", async () => {
  const switches = [
    { task: 0, steps: 2 },
    { task: 1, steps: 2 },
  ];
  const stuck = plan(0, { strategy: "run-on", switches });
  const fine = plan(0, { strategy: "run-on" });
  const runs = await run(["firstThenSecond", "secondThenFirst"], [stuck, fine, stuck]);
  expect(runs.map(({ outcome }) => outcome.kind)).toEqual(["deadlock", "done", "deadlock"]);
});

test("a task that finishes while the others sleep for ever is a deadlock too", async () => {
  const runs = await run(
    ["nothing", "waitsForEver", "increment"],
    seeds(20).map((seed) => plan(seed)),
  );
  expect(new Set(runs.map(({ outcome }) => outcome.kind))).toEqual(new Set(["deadlock"]));
});

test("a task that never comes to an end is a livelock after the allowed steps", async () => {
  const runs = await run(["increment", "spinsForEver"], [plan(1, { maxSteps: 77 }), plan(2)]);
  expect(runs.map(({ outcome }) => outcome)).toMatchObject([
    { kind: "livelock", steps: 77, task: 1 },
    { kind: "livelock", steps: 1000, task: 1 },
  ]);
});

test("an exception and a broken invariant are told apart, with task and words", async () => {
  const [threw] = (await run(["increment", "throws"], [plan(1)])) as [ToyRun];
  expect(threw.outcome).toMatchObject({ kind: "threw", task: 1, message: "RangeError: thrown by a toy" });
  expect(threw.outcome.stack).toContain("toys");
  const [broken] = (await run(["findsBug", "increment"], [plan(1)])) as [ToyRun];
  expect(broken.outcome).toMatchObject({ kind: "bug", task: 0, message: "a broken invariant of the toy" });
});

test("a task that is a promise is refused", async () => {
  const [only] = (await run(["isAsync", "increment"], [plan(1)])) as [ToyRun];
  expect(only.outcome).toMatchObject({ kind: "threw", task: 0 });
  expect(only.outcome.message).toContain("synchronous");
});

test("a task that catches Halted and goes on is stopped again at its next step", async () => {
  const [only] = (await run(["swallowsEverything", "findsBug"], [plan(3)])) as [ToyRun];
  expect(only.outcome).toMatchObject({ kind: "bug", task: 1 });
});
