// Every lock in every schedule, up to a number of preemptions, of tiny programs for two and three tasks.
//
// An "open" program goes through the inside of the lock as well: each access to its words is a step.

import { afterAll, describe, expect, test } from "vitest";
import { initLockdep } from "../../src/locks/lockdep.ts";
import { allocate, createMemory } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import { initSnapshot } from "../../src/machine/snapshot.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { Crew } from "../../src/sched/pool.ts";
import { initSched } from "../../src/sched/state.ts";
import { programs, Toy } from "./explore-programs.ts";
import type { Exploration, Explored } from "./explore-tasks.ts";

type Name = Exploration["program"];

const crews = new Map([2, 3].map((count) => [count, new Crew(count)]));
afterAll(() => Promise.all([...crews.values()].map((crew) => crew.close())));

/** How a search differs from the usual one. */
interface Options {
  lockdep?: boolean;
  reduce?: boolean;
}

/** All schedules of a program with so many preemptions. */
async function explore(program: Name, preemptions: number, options: Options = {}): Promise<Explored> {
  const mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  initSched(mem);
  initLockdep(mem);
  const crew = crews.get(programs[program].tasks.length) as Crew;
  const at = allocate(mem, Toy);
  const data: Exploration = { program, preemptions, lockdep: true, reduce: true, at, ...options };
  const module = new URL("./explore-tasks.js", import.meta.url).href;
  const { values } = await crew.run<Explored>({ mem, module, entry: "run", data });
  const explored = values[0] as Explored;
  expect(explored.complete).toBe(true);
  return explored;
}

const ALL = Infinity;

describe("an unlocked increment", () => {
  test("loses an update in 12 of the 20 schedules of two tasks", async () => {
    expect((await explore("no lock", ALL, { reduce: false })).shown).toEqual({ all: 8, lost: 12 });
  });

  test("loses an update already with one preemption", async () => {
    expect((await explore("no lock", 1)).shown).toMatchObject({ lost: expect.any(Number) });
    expect((await explore("no lock", 0)).shown).toEqual({ all: 2 });
  });

  test.each<Name>([
    "no lock, three tasks",
    "one task locks",
    "rwsem for reading by mistake",
    "another bit by mistake",
  ])("still loses updates with %s", async (program) => {
    const { shown } = await explore(program, 2);
    expect(shown["lost"]).toBeGreaterThan(0);
    expect(shown["all"]).toBeGreaterThan(0);
  });
});

describe("no schedule loses an update", () => {
  test.each<[Name, number]>([
    ["spinlock", ALL],
    ["mutex", ALL],
    ["rwsem for writing", ALL],
    ["bit", ALL],
    ["spinlock, three tasks", 2],
    ["mutex, three tasks", 2],
    ["rwsem for writing, three tasks", 2],
    ["bit, three tasks", 2],
    ["open spinlock", 3],
    ["open mutex", 3],
    ["open rwsem for writing", 3],
    ["open bit", 3],
    ["open mutex, three tasks", 2],
    ["open rwsem for writing, three tasks", 2],
    ["open bit, three tasks", 2],
  ])("under %s, with %d preemptions", async (program, preemptions) => {
    const { schedules, shown, restless } = await explore(program, preemptions);
    expect(shown).toEqual({ all: schedules });
    // Nothing held for want of schedules: two tasks that take a lock twice meet in 16 ways that differ.
    expect(schedules).toBeGreaterThanOrEqual(16);
    expect(restless).toBe(0);
  });
});

describe("readers and writers", () => {
  test.each<[Name, number]>([
    ["rwsem, one reader", ALL],
    ["rwsem, two readers", 2],
    ["rwsem tries", 2],
    ["open rwsem, one reader", 3],
    ["open rwsem, two readers", 2],
    ["open rwsem tries", 2],
  ])("%s: no schedule with %d preemptions shows half a write", async (program, preemptions) => {
    const { schedules, shown, restless } = await explore(program, preemptions);
    expect(shown).toEqual({ whole: schedules });
    expect(restless).toBe(0);
  });

  test("a reader without the lock sees half a write in some schedules", async () => {
    expect((await explore("rwsem, a reader without it", 1)).shown["torn"]).toBeGreaterThan(0);
  });

  test("two readers are inside together in some schedules", async () => {
    expect((await explore("two readers inside", 1)).shown["together"]).toBeGreaterThan(0);
  });

  test.each<[Name, number]>([
    ["downgrade", 3],
    ["open downgrade", 3],
  ])("%s: nobody writes between a write and the read it was downgraded to", async (program, preemptions) => {
    const { schedules, shown, restless } = await explore(program, preemptions);
    expect(shown).toEqual({ kept: schedules });
    expect(restless).toBe(0);
  });

  test("a lock whose hint for waiting writers is in a word of its own loses a wakeup", async () => {
    const { shown } = await explore("a reader-writer lock in two words", 2);
    expect(shown["deadlock"]).toBeGreaterThan(0);
  });
});

describe("a try", () => {
  test.each<[Name, number]>([
    ["try", ALL],
    ["open try", 3],
  ])(
    "%s: fails only when another has the mutex, and counts only when it succeeds",
    async (program, preemptions) => {
      const { shown } = await explore(program, preemptions);
      expect(Object.keys(shown).toSorted()).toEqual(["1 of 2, 1 tried in vain", "2 of 2, 0 tried in vain"]);
    },
  );
});

describe("a sequence count", () => {
  test.each<[Name, number]>([
    ["sequence count", 3],
    ["open sequence count", 3],
    ["sequence count, tried", 3],
  ])("%s: what it lets pass is whole", async (program, preemptions) => {
    const { schedules, shown } = await explore(program, preemptions);
    expect(shown).toEqual({ whole: schedules });
  });

  test("two writers that look first and then enter both do", async () => {
    const { shown } = await explore("sequence count, tried in two operations", 2);
    expect(Object.keys(shown)).toContain("bug");
  });

  test("who does not look again sees half a write in some schedules", async () => {
    expect((await explore("sequence count without looking again", 2)).shown["torn"]).toBeGreaterThan(0);
  });
});

describe("a completion", () => {
  test.each<[Name, number]>([
    ["completion", ALL],
    ["completion for two", 2],
    ["completeAll", 2],
    ["open completion", 3],
    ["open completion for two", 2],
    ["open completeAll", 2],
  ])("%s: everybody gets through, nobody early", async (program, preemptions) => {
    const { schedules, shown } = await explore(program, preemptions);
    expect(shown).toEqual({ whole: schedules });
  });

  test("lets one task through for one complete: a second waiter waits in every schedule", async () => {
    const { schedules, shown } = await explore("one completion, two waiters", 2);
    expect(shown).toEqual({ deadlock: schedules });
  });
});

describe("a group mutex", () => {
  test.each<[Name, number, number]>([
    ["group", ALL, 2],
    ["group, three tasks", 2, 3],
    ["open group", 3, 2],
    ["open group, three tasks", 2, 3],
  ])(
    "%s: everybody's change is in a round that is done, some share one",
    async (program, preemptions, most) => {
      const { shown } = await explore(program, preemptions);
      const rounds = Array.from({ length: most }, (_, index) => `${index + 1} rounds`);
      expect(Object.keys(shown).toSorted()).toEqual(rounds);
    },
  );

  test("who does the round and wakes nobody for the next leaves tasks asleep", async () => {
    const { shown } = await explore("open group without a next", 2, { lockdep: false });
    expect(shown["deadlock"]).toBeGreaterThan(0);
  });
});

describe("a deadlock", () => {
  test("a release that wakes nobody is one in some schedules, and no other outcome is wrong", async () => {
    const { shown } = await explore("a mutex without its wake", 2);
    expect(Object.keys(shown).toSorted()).toEqual(["all", "deadlock"]);
  });

  test("two orders of two mutexes are one in some schedules while lockdep is off", async () => {
    const { shown } = await explore("two orders", 2, { lockdep: false });
    expect(Object.keys(shown).toSorted()).toEqual(["deadlock", "passed"]);
  });

  test("lockdep reports it in every schedule instead, also in those that would have passed", async () => {
    const { schedules, shown, messages } = await explore("two orders", 2);
    expect(shown).toEqual({ bug: schedules });
    expect(messages["bug"]).toContain("but the order seen before is design.first, then design.second");
  });

  test("one order of two mutexes is none in any schedule", async () => {
    const { schedules, shown } = await explore("one order", ALL);
    expect(shown).toEqual({ passed: schedules });
  });
});

test.each<Name>([
  "one task locks",
  "rwsem for reading by mistake",
  "rwsem, two readers",
  "rwsem, a reader without it",
  "two readers inside",
  "a reader-writer lock in two words",
  "a mutex without its wake",
  "sequence count without looking again",
  "open completion",
  "two orders",
])("what the search leaves out shows nothing new: %s", async (program) => {
  const [reduced, all] = [
    await explore(program, 3, { lockdep: false }),
    await explore(program, 3, { lockdep: false, reduce: false }),
  ];
  expect(Object.keys(reduced.shown).toSorted()).toEqual(Object.keys(all.shown).toSorted());
  expect(reduced.schedules).toBeLessThanOrEqual(all.schedules);
});
