// The percpu rwsem: who gets in and who sleeps; all schedules of tiny programs, up to a number of preemptions; and that
// each order in which it looks at its words is needed.  Under real threads: rwsem-stress.test.ts.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { LockClass } from "../../src/locks/classes.ts";
import { initLockdep } from "../../src/locks/lockdep.ts";
import {
  initPercpuRwSem,
  percpuDownRead,
  percpuDownWrite,
  PercpuRwSem,
  percpuUpRead,
  percpuUpWrite,
} from "../../src/locks/percpu-rwsem.ts";
import { Op, runAs } from "../../src/machine/cpu.ts";
import { allocate, createMemory } from "../../src/machine/layout.ts";
import { HOST_TASK, MAX_TASKS, MIB } from "../../src/machine/limits.ts";
import { initSnapshot } from "../../src/machine/snapshot.ts";
import { initTrace } from "../../src/machine/trace.ts";
import { Crew } from "../../src/sched/pool.ts";
import { initSched } from "../../src/sched/state.ts";
import { replacing, withAbsoluteImports, type Change } from "../support/mutate.ts";
import type { Exploration, Explored } from "./explore-tasks.ts";
import { percpuPrograms, PercpuToy, type PercpuName } from "./percpu-tasks.ts";

function newSem(): PercpuRwSem {
  const mem = createMemory(1 * MIB);
  const sem = PercpuRwSem.of(mem, allocate(mem, PercpuRwSem));
  initPercpuRwSem(sem, LockClass.none);
  return sem;
}

describe("one thread as many tasks", () => {
  /** An engine under which a task that would sleep gives up: it stays as it was when it fell asleep. */
  const impatient = {
    step() {},
    wake() {},
    park(): never {
      throw new Error("would sleep");
    },
  };

  /** Whether a task would sleep doing this. */
  function sleeps(task: number, work: (sem: PercpuRwSem) => void, sem: PercpuRwSem): boolean {
    runAs(task, impatient);
    try {
      work(sem);
      return false;
    } catch (error) {
      if ((error as Error).message !== "would sleep") throw error;
      return true;
    } finally {
      runAs(HOST_TASK);
    }
  }

  afterEach(() => void runAs(HOST_TASK));

  test("readers share; a writer that waits for them keeps new ones out", () => {
    const sem = newSem();
    expect(sleeps(1, percpuDownRead, sem)).toBe(false);
    expect(sleeps(HOST_TASK, percpuDownRead, sem)).toBe(false);
    expect(sleeps(3, percpuDownWrite, sem)).toBe(true);
    expect(sleeps(4, percpuDownRead, sem)).toBe(true);
  });

  test("a writer keeps out readers and writers", () => {
    const sem = newSem();
    expect(sleeps(HOST_TASK, percpuDownWrite, sem)).toBe(false);
    expect(sleeps(1, percpuDownRead, sem)).toBe(true);
    expect(sleeps(2, percpuDownWrite, sem)).toBe(true);
  });

  test("a full house of readers that wait for a writer gets in when he leaves, before the writer who waits", () => {
    const sem = newSem();
    const readers = Array.from({ length: MAX_TASKS - 1 }, (_, index) => index + 1);
    percpuDownWrite(sem);
    for (const task of readers) expect(sleeps(task, percpuDownRead, sem)).toBe(true);
    percpuUpWrite(sem);
    expect(sleeps(0, percpuDownWrite, sem)).toBe(true);
    for (const task of readers) expect(sleeps(task, percpuUpRead, sem)).toBe(false);
    expect(sem.readers.map(({ word }) => word.load())).toEqual(Array(MAX_TASKS + 1).fill(0));
  });

  // The search would need four preemptions to come here.
  test("a reader who finds the writer gone, and then the next one there before he is in, sleeps for that one", () => {
    const mem = createMemory(1 * MIB);
    const { openSem: sem } = PercpuToy.of(mem, allocate(mem, PercpuToy));
    const { word } = sem.readers[1] as (typeof sem.readers)[number];
    const meanwhile = (task: number, work: typeof percpuUpWrite): void => {
      const before = runAs(task);
      work(sem);
      runAs(before.task, before.engine);
    };
    // What happens before the reader marks his word, before he says that he waits, and before he marks it again.
    const script = [() => {}, () => meanwhile(0, percpuUpWrite), () => meanwhile(2, percpuDownWrite)];
    const scripted = {
      ...impatient,
      step: (_: Op, at: number) => void (at === word.at && script.shift()?.()),
    };
    initPercpuRwSem(sem, LockClass.none);
    meanwhile(0, percpuDownWrite);
    runAs(1, scripted);
    expect(() => percpuDownRead(sem)).toThrow("would sleep");
    meanwhile(2, percpuUpWrite);
    meanwhile(1, percpuUpRead); // he has the lock
  });

  test("the read side taken twice, and sides released that are not held, are bugs without lockdep, too", () => {
    const sem = newSem();
    expect(() => percpuUpRead(sem)).toThrow("a read lock that it does not hold");
    expect(() => percpuUpWrite(sem)).toThrow("a write lock that it does not hold");
    percpuDownRead(sem);
    expect(() => percpuDownRead(sem)).toThrow("takes a read lock that it holds");
  });
});

const crews = new Map([2, 3].map((count) => [count, new Crew(count)]));
afterAll(() => Promise.all([...crews.values()].map((crew) => crew.close())));

const TASKS = new URL("./percpu-tasks.js", import.meta.url);

/** All schedules of a program with so many preemptions. */
async function explore(
  program: PercpuName,
  preemptions: number,
  lockdep = true,
  module = TASKS.href,
  crew = crews.get(percpuPrograms[program].tasks.length) as Crew,
): Promise<Explored> {
  const mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  initSched(mem);
  initLockdep(mem);
  const at = allocate(mem, PercpuToy);
  const data: Exploration<PercpuName> = { program, preemptions, lockdep, reduce: true, at };
  const { values } = await crew.run<Explored>({ mem, module, entry: "run", data });
  const explored = values[0] as Explored;
  expect(explored.complete).toBe(true);
  return explored;
}

describe("all schedules", () => {
  test.each<[PercpuName, number, string]>([
    ["writers", Infinity, "all"],
    ["three writers", 2, "all"],
    ["open writers", 3, "all"],
    ["open, three writers", 2, "all"],
    ["one reader", Infinity, "whole"],
    ["two readers", 2, "whole"],
    ["two writers and a reader", 2, "whole"],
    ["open, one reader", 6, "whole"],
    ["open, two readers", 2, "whole"],
    ["open, two writers and a reader", 2, "whole"],
  ])(
    "%s: with %d preemptions nothing is lost or torn, nobody sleeps for ever",
    async (program, most, good) => {
      const { schedules, shown, restless } = await explore(program, most);
      expect(shown).toEqual({ [good]: schedules });
      expect(schedules).toBeGreaterThanOrEqual(16);
      expect(restless).toBe(0);
    },
  );

  test("two readers are inside together in some, and what they change under the read side gets lost in some", async () => {
    expect((await explore("two readers inside", 1)).shown["together"]).toBeGreaterThan(0);
    expect((await explore("for reading by mistake", 1)).shown["lost"]).toBeGreaterThan(0);
  });
});

interface Mutant {
  /** The end of the sentence "without …". */
  readonly without: string;
  readonly change: Change;
  readonly program: PercpuName;
  readonly shows: "torn" | "deadlock" | "livelock" | "bug";
  readonly preemptions?: number;
}

const mutants: Mutant[] = [
  {
    without: "marking his word before he looks for a writer",
    change: replacing(
      "percpuDownRead",
      /(if \(!word\.swapIf[^;]*;)\s*if \(sem\.state\.load\(\) !== 0\)/,
      "const seen = sem.state.load(); $1 if (seen !== 0)",
    ),
    program: "open, one reader",
    shows: "torn",
  },
  {
    without: "saying that he waits before he looks whether the writer is still there",
    change: replacing(
      "awaitShared",
      /(word\.store\(WAITS\);[^]*while \()state\.load\(\)/,
      "const seen = state.load(); $1seen",
    ),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "waking the writer for whom he makes way",
    change: replacing("awaitShared", /wake\(word\);/, ""),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "clearing his word before he looks for a writer to wake",
    change: replacing(
      "percpuUpRead",
      /(if \(!word\.swapIf[^;]*;)\s*if \(sem\.state\.load\(\) !== 0\)/,
      "const seen = sem.state.load(); $1 if (seen !== 0)",
    ),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "waking the writer when he leaves",
    change: replacing("percpuUpRead", /wake\(word\);/, ";"),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "saying that he is there before he looks for readers",
    change: replacing("percpuDownWrite", /(sem\.state\.store[^;]*;)([^]*?)(acquired)/, "$2 $1 $3"),
    program: "open, one reader",
    shows: "torn",
  },
  {
    without: "letting readers be who only wait",
    change: replacing("percpuDownWrite", /word\.load\(\) === HOLDS/, "word.load() !== 0"),
    program: "open, one reader",
    shows: "livelock",
  },
  {
    without: "clearing the state before he looks for readers who wait",
    change: replacing("percpuUpWrite", /(if \(!sem\.state[^]*?\n {4}\})([^]*)(disown)/, "$2 $1 $3"),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "waking the readers who wait",
    change: replacing("percpuUpWrite", /wake\(word\);/, ";"),
    program: "open, one reader",
    shows: "deadlock",
  },
  {
    without: "keeping the next writer out until the readers who wait have got the lock",
    change: replacing("percpuUpWrite", /(for \([^]*)(disown\(sem\.writer\);)/, "$2 $1"),
    program: "open, two writers and a reader",
    shows: "torn",
  },
  {
    without: "keeping other writers out",
    change: replacing("percpuDownWrite", /own\(sem\.writer\);/, "sem.writer.add(currentTask() + 1);"),
    program: "open writers",
    shows: "bug",
  },
];

describe("a mistake", () => {
  const LOCK = new URL("../../src/locks/percpu-rwsem.js", import.meta.url);
  const folder = mkdtempSync(join(tmpdir(), "unwritten-percpu-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** What the threads run, with a change in the lock. */
  function written(change: Change): string {
    const text = readFileSync(LOCK, "utf8");
    const changed = change(text);
    expect(changed).not.toBe(text);
    writeFileSync(join(folder, "lock.mjs"), withAbsoluteImports(changed, LOCK));
    const tasks = withAbsoluteImports(readFileSync(TASKS, "utf8"), TASKS);
    expect(tasks).toContain(`"${LOCK.href}"`);
    writeFileSync(join(folder, "tasks.mjs"), tasks.replace(`"${LOCK.href}"`, `"./lock.mjs"`));
    return pathToFileURL(join(folder, "tasks.mjs")).href;
  }

  test.each(mutants)("without $without there is a schedule that shows: $shows", async (mutant) => {
    const { program, preemptions = 2, change, shows } = mutant;
    const crew = new Crew(percpuPrograms[program].tasks.length);
    try {
      const { shown, messages } = await explore(program, preemptions, false, written(change), crew);
      expect(Object.keys(shown), JSON.stringify(messages)).toContain(shows);
    } finally {
      await crew.close();
    }
  });
});
