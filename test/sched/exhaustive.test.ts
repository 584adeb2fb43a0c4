import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { Crew } from "../../src/sched/pool.ts";
import { instructions, programMachine, type Explored, type Program } from "./programs.ts";

const crews = [undefined, new Crew(1), new Crew(2), new Crew(3)];
afterAll(async () => {
  for (const crew of crews) await crew?.close();
});

async function explore(programs: Program[], preemptions: number, reduce = true): Promise<Explored[]> {
  const { mem, at } = programMachine();
  const module = new URL("./programs.js", import.meta.url).href;
  const crew = crews[programs[0]?.length ?? 0] as Crew;
  const data = { at, programs, preemptions, reduce };
  const { values } = await crew.run<Explored[]>({ mem, module, entry: "exploreAll", data });
  return values[0] as Explored[];
}

const one = async (...args: Parameters<typeof explore>): Promise<Explored> =>
  (await explore(...args))[0] as Explored;

const both = (...task: Program[number]): Program => [task, task];

/** How many schedules left `a` at 20: no update was lost. */
const kept = ({ ends }: Explored): number =>
  Object.entries(ends).reduce((sum, [end, count]) => sum + (end.startsWith("20 ") ? count : 0), 0);

test("a racy increment has twenty schedules, and twelve lose an update", async () => {
  const all = await one([both("raise a")], Infinity, false);
  expect(all).toMatchObject({ schedules: 20, complete: true, twice: 0 });
  expect(kept(all)).toBe(8);
});

test("an increment under the read side of a semaphore has 252 schedules, and 120 lose an update", async () => {
  const all = await one([both("down read", "raise a", "up read")], Infinity, false);
  expect(all).toMatchObject({ schedules: 252, complete: true, twice: 0 });
  expect(kept(all)).toBe(132);
});

test("an increment under the write side loses none in any schedule", async () => {
  const all = await one([both("down write", "raise a", "up write")], Infinity, false);
  expect(all).toMatchObject({ complete: true, twice: 0 });
  expect(all.schedules).toBeGreaterThan(30);
  expect(kept(all)).toBe(all.schedules);
});

test("with no preemption allowed two tasks have two schedules, with one allowed a lost update is found", async () => {
  expect(await one([both("raise a")], 0)).toMatchObject({ schedules: 2, complete: true, most: 0 });
  const single = await one([both("raise a")], 1);
  expect(single).toMatchObject({ complete: true, most: 1, twice: 0 });
  expect(kept(single)).toBeLessThan(single.schedules);
});

test("a lock order that can deadlock is found with one preemption and not with none", async () => {
  const program: Program = [
    ["lock", "lock other", "unlock other", "unlock"],
    ["lock other", "lock", "unlock", "unlock other"],
  ];
  expect((await one([program], 0)).ends["deadlock"]).toBeUndefined();
  expect((await one([program], 1)).ends["deadlock"]).toBeGreaterThan(0);
});

test("tasks that share nothing need two schedules with the reduction, whatever they do", async () => {
  const program: Program = [
    ["store a", "load a", "store a"],
    ["store b", "load b", "store b"],
  ];
  expect(await one([program], Infinity)).toMatchObject({ schedules: 2, complete: true });
  expect(await one([program], Infinity, false)).toMatchObject({ schedules: 70, complete: true });
});

test("a place that turns out to be shared late makes the exploration start again", async () => {
  // Only a reader that sees the first store of the other takes the lock that this one holds: `try` fails.
  const program: Program = [
    ["lock", "load b", "unlock", "load a"],
    ["store a", "try", "store a", "store b"],
  ];
  const [reduced, brute] = [await one([program], 2), await one([program], 2, false)];
  expect(Object.keys(reduced.ends).toSorted()).toEqual(Object.keys(brute.ends).toSorted());
  expect(reduced.runs).toBeGreaterThan(reduced.schedules);
});

// Locks are taken and given back in order, so that programs run to their end; the order of two locks
// is not, so that some deadlock.
const section = fc
  .tuple(
    fc.constantFrom<[Program[0][0], Program[0][0]]>(
      ["lock", "unlock"],
      ["lock other", "unlock other"],
      ["down read", "up read"],
      ["down write", "up write"],
    ),
    fc.array(fc.constantFrom(...instructions.slice(0, 6), "try" as const), { maxLength: 2 }),
  )
  .map(([[take, give], inside]) =>
    take === "lock" && inside.includes("try") ? inside : [take, ...inside, give],
  );
const task = fc
  .array(
    fc.oneof(
      fc.constantFrom(...instructions.slice(0, 6)).map((only) => [only]),
      section,
    ),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((parts) => parts.flat());

const sum = (all: Explored[]): number => all.reduce((total, { schedules }) => total + schedules, 0);

async function sameEnds(tasks: number, count: number, preemptions: number, seed: number): Promise<void> {
  const programs = fc.sample(fc.array(task, { minLength: tasks, maxLength: tasks }), {
    numRuns: count,
    seed,
  });
  const reduced = await explore(programs, preemptions);
  const brute = await explore(programs, preemptions, false);
  for (const [i, program] of programs.entries()) {
    const [less, more] = [reduced[i] as Explored, brute[i] as Explored];
    const where = JSON.stringify(program);
    expect(Object.keys(less.ends).toSorted(), where).toEqual(Object.keys(more.ends).toSorted());
    expect([less.complete, more.complete, less.twice, more.twice], where).toEqual([true, true, 0, 0]);
    expect(less.schedules, where).toBeLessThanOrEqual(more.schedules);
    expect(more.most, where).toBeLessThanOrEqual(preemptions);
  }
  expect(sum(reduced)).toBeLessThan(sum(brute));
}

test.each([1, 2])(
  "the reduction keeps every end state of two random tasks, with at most %i preemptions",
  (preemptions) => sameEnds(2, 60, preemptions, preemptions),
);

test("the reduction keeps every end state of two random tasks in all schedules", () =>
  sameEnds(2, 8, Infinity, 9));

test("the reduction keeps every end state of three random tasks with one preemption", () =>
  sameEnds(3, 12, 1, 5));
