// Explorations with real worker threads, from the first run to the printed schedule and back.
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import {
  explore,
  matrix,
  NotDeterministic,
  RecordsFull,
  replay,
  ScheduleError,
  TaskError,
  UsageError,
  type ExploreOptions,
  type ExploreResult,
} from "../../src/index.ts";
import { Crews } from "../../src/lab/host/crews.ts";
import * as kept from "../support/kept.ts";

const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url));
const SERIALIZED = "ext4-xip-serialized";
const INLINE = "ext4-xip-inline";

/** The promise that broke and the sentence that says how. */
async function broken(
  scenario: string,
  design: string,
  more: Partial<ExploreOptions> = {},
): Promise<[string, string]> {
  const { violation } = await kept.explore(scenario, { design, strategy: "exhaustive", ...more });
  return [violation?.promise ?? "held", violation?.message ?? ""];
}

/** What a schedule is refused with. */
const misfit = async (text: string, scenario?: string, design?: string): Promise<string> => {
  const options = design === undefined ? { schedule: text } : { schedule: text, design };
  const error: unknown = await replay(scenario, options).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ScheduleError);
  return (error as Error).message;
};

/** What an exploration is refused with. */
const refused = async (scenario: unknown, options: object): Promise<string> => {
  const error: unknown = await explore(scenario as string, options as ExploreOptions).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as Error).message;
};

const begun = (): never => {
  throw new Error("it was begun");
};

const once = async (): Promise<unknown> => {
  const options = { design: INLINE, strategy: "random" as const, seed: 11, workers: 1 };
  const { runs, violation } = await kept.explore("write-beside-load", options);
  return [runs, violation];
};

describe("the inline proposal, a write beside a read", () => {
  let found: ExploreResult;
  beforeAll(async () => {
    found = await explore("write-beside-read", { design: INLINE, strategy: "random", seed: 3 });
  });

  test("loses the write, and one preemption is enough for that", () => {
    const { violation } = found;
    expect(violation?.promise).toBe("no-lost-write");
    expect(violation?.switches).toBe(1);
    expect(found.broken).toBe(1);
    expect(found.complete).toBe(false);
  });

  test("is told as a story: claim, a column for each task, the two steps, the promise, the schedule", () => {
    const { story = "", schedule = "" } = found.violation ?? {};
    const lines = story.split("\n");
    expect(lines[0]).toMatch(/^A reader of preallocated space sees zeros/);
    expect(lines[2]).toMatch(/^ +writer +reader$/);
    expect(story).toMatch(/\n +\d+ {3}pwrite \/file 4096\+512\n/);
    const [, wrote, zeroed] =
      /Step (\d+) wrote to media block \d+ before step (\d+) zeroed/.exec(story) ?? [];
    expect(lines[2 + Number(wrote)]).toMatch(/^ +\d+ +copy into media block/);
    expect(lines[2 + Number(zeroed)]).toMatch(/^ +\d+ +zero media block/);
    expect(lines.at(-1)).toBe(
      `The promise broken: no-lost-write (a read returns the last write completed before it, or one that ran beside it).   Design: ${INLINE}.   Schedule: ${schedule}`,
    );
  });

  test("replays from its text to the same story, twenty times out of twenty", async () => {
    const { schedule = "", story } = found.violation ?? {};
    const again = await replay(undefined, { schedule, times: 20 });
    expect(again.broken).toBe(20);
    expect(again.reproduced).toBe(true);
    expect(again.warning).toBe(undefined);
    expect(again.violation?.story).toBe(story);
  });

  test("does not reproduce under the sound design, nor without its preemption", async () => {
    const { schedule = "" } = found.violation ?? {};
    const [version, , scenario, options, scheme] = schedule.split("/");
    const sound = [version, SERIALIZED, scenario, options, scheme, schedule.split("/")[5]].join("/");
    const other = await kept.replay(undefined, { schedule: sound });
    expect(other.reproduced).toBe(false);
    expect(other.warning).toMatch(/steps are not those/);
    const calm = [version, INLINE, scenario, options, scheme, "end"].join("/");
    expect(await kept.replay(undefined, { schedule: calm })).toEqual({
      reproduced: false,
      runs: 1,
      broken: 0,
    });
  });

  test("a schedule that does not fit is refused with what is wrong", async () => {
    const { schedule = "" } = found.violation ?? {};
    expect(await misfit(schedule.slice(0, -5))).toMatch(/cut short/);
    expect(await misfit(schedule.replace("v1/", "v9/"))).toMatch(/version v9/);
    expect(await misfit(schedule, "two-readers")).toMatch(
      /is of scenario write-beside-read, not of two-readers/,
    );
    expect(await misfit(schedule, undefined, SERIALIZED)).toMatch(/is of design ext4-xip-inline, not of/);
    expect(await misfit(schedule.replaceAll("reader*", "raeder*"))).toMatch(/task "raeder"/);
  });
});

describe("verdicts", () => {
  test("the serialized design holds in every schedule with at most two preemptions, and that is complete", async () => {
    const result = await kept.explore("write-beside-read", { design: SERIALIZED, strategy: "exhaustive" });
    expect(result.violation).toBe(undefined);
    expect(result.complete).toBe(true);
    expect(result.schedules).toBeGreaterThan(100);
  });

  test("a block that was written but not converted is seen by whoever reads the image", async () => {
    const [promise, message] = await broken(fixture("whole-block"), "ext4-xip-v2");
    expect(promise).toBe("doors-agree");
    expect(message).toBe("byte 0 of /file is 0xaa for pread, 0x00 for who reads the image");
  });

  test("a mapping that outlives its block is found in the page tables", async () => {
    const result = await broken("store-beside-truncate", INLINE);
    expect(result[0]).toMatch(/no-freed-mapping|no-lost-write|no-stale-data/);
    expect(result[1]).toMatch(/still maps media block \d+ for page 0 of \/old, which the file has given up/);
  });

  test("a wrong count on the media is found by the checker", async () => {
    const [promise, message] = await broken(fixture("truncates"), fixture("miscounts"));
    expect(promise).toBe("consistent");
    expect(message).toMatch(/free/i);
  });

  test("locks in opposite orders deadlock, and are reported as an inversion where lockdep looks", async () => {
    const design = fixture("opposite-locks");
    const deadlock = await broken(fixture("truncates"), design, { options: { lockdep: 0 } });
    expect(deadlock[0]).toBe("no-deadlock");
    expect(deadlock[1]).toMatch(/writer waits for .*rwsem.*reader waits for .*spareSem|reader waits for/);
    const inversion = await broken(fixture("truncates"), design);
    expect(inversion[0]).toBe("no-bug");
    expect(inversion[1]).toMatch(/inode\.spareSem/);
  });

  test("a lock that a task keeps is reported at its end", async () => {
    const [promise, message] = await broken(fixture("truncates"), fixture("keeps-lock"));
    expect(promise).toBe("no-bug");
    expect(message).toMatch(/^task reader ended while it held inode\.spareSem/);
  });

  test("the scenario's own claim is checked with what the tasks returned", async () => {
    const [promise, message] = await broken(fixture("all-or-nothing"), "ext2-xip");
    expect(promise).toBe("claim");
    expect(message).toMatch(/^the reader saw 0x(11 and 0x22|22 and 0x11)$/);
    expect(await broken(fixture("all-or-nothing"), SERIALIZED)).toEqual(["held", ""]);
  });

  test("a check that throws says that the claim is broken", async () => {
    const [promise, message] = await broken(fixture("failing/check-throws"), SERIALIZED);
    expect(promise).toBe("claim");
    expect(message).toMatch(
      /^the check threw: SysError: ENOENT: no such file or directory, open '\/missing'$/,
    );
  });

  test("a task that throws breaks the claim, and is named", async () => {
    const [promise, message] = await broken(fixture("failing/throws"), SERIALIZED);
    expect(promise).toBe("claim");
    expect(message).toMatch(
      /^task reader threw: SysError: ENOENT: no such file or directory, open '\/missing'/,
    );
  });
});

describe("what ends an exploration", () => {
  test("a thread that dies rejects with the task's name, and nothing hangs", async () => {
    const error: unknown = await explore(fixture("failing/dies"), { design: SERIALIZED }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(TaskError);
    expect((error as TaskError).task).toBe("reader");
    expect((error as TaskError).message).toMatch(/^task reader: /);
  });

  test("a setup that throws is told as such", async () => {
    await expect(explore(fixture("failing/bad-setup"), { design: SERIALIZED })).rejects.toThrow(
      /^the setup of scenario bad-setup threw: SysError: ENOENT/,
    );
  });

  test("a run that does more than can be recorded is told as such", async () => {
    await expect(explore(fixture("failing/too-much"), { design: SERIALIZED })).rejects.toThrow(RecordsFull);
  });

  test("a check that returns no sentence is refused", async () => {
    expect(await refused(fixture("failing/check-says-no"), { design: SERIALIZED })).toBe(
      "the check of scenario check-says-no returns a sentence or undefined, not false",
    );
  });

  test("a signal ends it with what was found so far", async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const result = await explore("write-beside-read", {
      design: SERIALIZED,
      strategy: "random",
      runs: 1e9,
      signal: stop.signal,
      onProgress({ runs }) {
        seen.push(runs);
        if (runs > 0) stop.abort();
      },
    });
    expect(result.runs).toBeGreaterThan(0);
    expect(result.runs).toBeLessThan(1e9);
    expect(seen.at(-1)).toBe(result.runs);
  });

  test("the end of the time ends it with what was found so far", async () => {
    const result = await explore("write-beside-read", { design: SERIALIZED, timeout: 1500 });
    expect(result.runs).toBeGreaterThan(0);
    expect(result.complete).toBe(false);
  });

  test("a machine that has waited for cores until nobody wants it any more is not begun", async () => {
    const crews = new Crews();
    const options = { size: 1024 * 1024 };
    expect(await crews.run(["task"], options, () => false, begun, begun)).toBe(undefined);
    await expect(crews.run(["task"], options, () => true, begun, begun)).rejects.toThrow("it was begun");
    await crews.close();
  });

  test("a replay that is stopped says how often it was run", async () => {
    const { violation } = await explore("write-beside-read", { design: INLINE, strategy: "exhaustive" });
    const result = await replay(undefined, {
      schedule: violation?.schedule ?? "",
      times: 1e6,
      timeout: 1500,
    });
    expect(result.runs).toBeGreaterThan(0);
    expect(result.runs).toBeLessThan(1e6);
    expect(result).toMatchObject({ broken: result.runs, reproduced: true });
  });

  test("wrong use is refused with one sentence before anything starts", async () => {
    const design = SERIALIZED;
    expect(await refused("nothing", { design })).toMatch(
      /^there is no scenario "nothing"; there are preallocated-write/,
    );
    expect(await refused("./nothing.js", { design })).toMatch(
      /^the scenario module \.\/nothing\.js does not load: /,
    );
    expect(await refused(fixture("miscounts"), { design })).toMatch(/is no scenario/);
    expect(await refused("two-readers", { design: "nothing" })).toMatch(/^there is no design "nothing"/);
    expect(await refused("two-readers", { design: fixture("failing/throws") })).toMatch(
      /is no design|has a name of|no function/,
    );
    expect(await refused("two-readers", { design, strategy: "dfs" })).toMatch(
      /no strategy "dfs"; there are random, pct/,
    );
    expect(await refused("two-readers", { design, runs: 0 })).toMatch(/^runs is a whole number from 1/);
    expect(await refused("two-readers", { design, seed: -1 })).toMatch(/^seed is/);
    expect(await refused("two-readers", { design, timeout: 0.5 })).toMatch(/^timeout is/);
    expect(await refused("two-readers", { design, preemptoins: 2 })).toMatch(/^explore has no "preemptoins"/);
    expect(await refused("two-readers", { design, options: { piece: 65 } })).toMatch(
      /^piece is a power of two/,
    );
  });
});

describe("determinism", () => {
  test("every schedule of a scenario, run twice, makes the same steps and the same state", async () => {
    for (const strategy of ["random", "pct"] as const) {
      const result = await kept.explore("split-in-three", {
        design: SERIALIZED,
        strategy,
        runs: 150,
        twice: true,
      });
      expect(result.runs).toBe(150);
      expect(result.violation).toBe(undefined);
    }
  });

  test("a task that draws random numbers is found, with the first step that differs", async () => {
    const error: unknown = await explore(fixture("draws"), { design: SERIALIZED, twice: true }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NotDeterministic);
    expect((error as Error).message).toMatch(/^one schedule, run twice: step \d+ was reader: /);
  });

  test("the same seed finds the same violation in the same run", async () => {
    expect(await once()).toEqual(await once());
  });
});

test("a matrix has a cell for each scenario and design, also for what cannot be run", async () => {
  const reported: string[] = [];
  const { cells } = await matrix({
    scenarios: ["write-beside-read", fixture("failing/bad-setup")],
    designs: [INLINE, SERIALIZED],
    strategy: "exhaustive",
    onCell: ({ scenario, design }) => reported.push(`${scenario} ${design}`),
  });
  expect(cells.map(({ scenario, design, sound, verdict }) => [scenario, design, sound, verdict])).toEqual([
    ["write-beside-read", INLINE, false, "broken"],
    ["write-beside-read", SERIALIZED, true, "held"],
    ["bad-setup", INLINE, false, "error"],
    ["bad-setup", SERIALIZED, true, "error"],
  ]);
  expect(reported).toHaveLength(4);
  const [inline, serialized, bad] = cells;
  expect(inline?.broken).toBeGreaterThan(1);
  expect(inline?.broken).toBeLessThan(inline?.runs ?? 0);
  expect(serialized?.complete).toBe(true);
  expect(bad?.error).toMatch(/^the setup of scenario bad-setup threw/);
  await expect(matrix({ designs: ["nothing"] })).rejects.toThrow(UsageError);
});

test("pct says with which probability one run meets a bug of its depth, and nobody else does", async () => {
  const asked = { design: SERIALIZED, strategy: "pct", runs: 40, workers: 1 } as const;
  const steps = async (depth: number): Promise<number> => {
    const { bound } = await kept.explore("two-readers", { ...asked, depth });
    return 1 / (bound ?? 0) / 2;
  };
  // One in as many as there are tasks; for each further event one in as many as there are steps.
  expect(await steps(1)).toBe(1);
  expect(await steps(2)).toBeGreaterThan(20);
  expect((await kept.explore("two-readers", { ...asked, strategy: "random" })).bound).toBe(undefined);
});
