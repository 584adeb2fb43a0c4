import { afterAll, expect, test } from "vitest";
import { Op } from "../../src/machine/cpu.ts";
import { Crew } from "../../src/sched/pool.ts";
import { pctBound, type Plan } from "../../src/sched/decide.ts";
import { firstDifference } from "../../src/sched/session.ts";
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
  const long = [{ task: 1, steps: 9 }];
  const [short] = (await run(
    ["nothing", "increment"],
    [plan(0, { strategy: "run-on", switches: [{ task: 0, steps: 1 }, ...long] })],
  )) as [ToyRun];
  expect(short.outcome).toMatchObject({ kind: "done", misfits: 1, steps: 4 });
});

test("sleeping tasks are woken first in, first out, and only as many as asked for", async () => {
  const switches = [2, 0, 1].map((task) => ({ task, steps: 2 }));
  const tasks: ToyName[] = ["sleepsAtGate", "sleepsAtGate", "sleepsAtGate", "wakesOneByOne"];
  const [only] = (await run(tasks, [
    plan(0, { strategy: "run-on", switches: [...switches, { task: 3, steps: 5 }] }),
  ])) as [ToyRun];
  const masks = only.steps.filter(({ task }) => task === 3).map(({ runnable }) => runnable.toString(2));
  expect(masks).toEqual(["1000", "1000", "1100", "1101", "1111"]);
  expect(only.outcome.kind).toBe("done");
});

test("pct finds a bug of depth two at least as often as it promises, and none with depth one", async () => {
  const tasks: ToyName[] = ["increment", "increment"];
  const lost = async (depth: number): Promise<number> => {
    const plans = seeds(1000).map((seed) => plan(seed, { strategy: "pct", depth, length: 6 }));
    return (await run(tasks, plans)).filter(({ counter }) => counter === 1).length;
  };
  expect(await lost(1)).toBe(0);
  expect(await lost(2)).toBeGreaterThan(1000 * pctBound(2, 6, 2));
});

test("state outside the machine is found by running a schedule twice, and the step is named", async () => {
  const twice = plan(0, { strategy: "run-on" });
  const [first, second] = (await run(["hasMemory", "increment"], [twice, twice])) as [ToyRun, ToyRun];
  const { mem } = toyMachine();
  const words = firstDifference(mem, first.steps, second.steps, ["one", "two"]);
  expect(words).toMatch(
    /^step 1 was one: load at toy\.(counter|other) \(could run: one two\); the second time one: load at toy/,
  );
  expect(firstDifference(mem, first.steps, first.steps)).toBeUndefined();
  expect(firstDifference(mem, first.steps, first.steps.slice(0, 2))).toContain("no step: the run was over");
});

test("the step scheme stays when addresses move, and changes with the steps", async () => {
  const sequential = [plan(0, { strategy: "run-on" })];
  const scheme = async (...tasks: ToyName[]): Promise<string> =>
    ((await run(tasks, sequential)) as [ToyRun])[0].scheme;
  const base = await scheme("increment", "increment");
  expect(base).toMatch(/^[0-9a-f]{8}$/);
  expect(await scheme("increment", "increment")).toBe(base);
  expect(await scheme("increment", "lockedIncrement")).not.toBe(base);
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
