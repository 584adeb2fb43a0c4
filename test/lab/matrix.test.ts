// The matrix of the designs that history left behind, in every schedule with at most two preemptions.  What
// is printed for a broken cell breaks it again: twenty times in this process, and in processes that know
// nothing but the text.
//
// The sound design is here with the scenarios of one and two tasks; with three it takes longer than all of
// this file, and the README's matrix, which is run as a test, has those.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { designs, matrix, replay, scenarios, type Cell, type PromiseName } from "../../src/index.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

/** What breaks, by scenario and design; all else holds. */
const history: Record<string, Record<string, PromiseName>> = {
  "preallocated-write": { "ext4-xip-v2": "no-stale-data" },
  "write-beside-read": { "ext4-xip-v2": "no-stale-data", "ext4-xip-inline": "no-lost-write" },
  "write-beside-load": {
    "ext4-xip-v2": "no-stale-data",
    "ext4-xip-inline": "no-lost-write",
    "dax-4.0": "no-lost-write",
    "dax-4.9": "no-freed-mapping",
  },
  "write-beside-store": {
    "ext4-xip-v2": "no-stale-data",
    "ext4-xip-inline": "no-lost-write",
    "dax-4.0": "no-lost-write",
  },
  "two-store-faults": {
    "ext4-xip-v2": "no-stale-data",
    "ext4-xip-inline": "no-lost-write",
    "dax-4.0": "no-lost-write",
  },
  "two-writers": { "ext4-xip-v2": "no-stale-data" },
  "two-readers": { "ext4-xip-v2": "no-stale-data" },
  "split-in-three": { "ext4-xip-v2": "no-stale-data", "ext4-xip-inline": "no-lost-write" },
  "truncate-and-reuse": {
    "ext2-xip": "no-stale-data",
    "ext4-xip-v2": "no-stale-data",
    "ext4-xip-inline": "no-stale-data",
  },
  "write-from-own-mapping": {
    "ext4-xip-v2": "no-stale-data",
    "ext4-xip-inline": "no-lost-write",
    "dax-4.0": "no-lost-write",
  },
  "zero-page": { "dax-4.0": "no-lost-write", "dax-4.9": "no-lost-write" },
  "write-into-new-block": {
    "ext2-xip": "no-lost-write",
    "ext4-xip-v2": "no-lost-write",
    "ext4-xip-inline": "no-lost-write",
    "dax-4.0": "no-lost-write",
    "dax-6.1": "no-lost-write",
  },
  "fallocate-next-door": { "ext4-xip-v2": "no-stale-data" },
  "store-beside-fallocate": { "ext4-xip-v2": "no-stale-data", "ext4-xip-inline": "no-lost-write" },
  "store-beside-truncate": {
    "ext2-xip": "no-freed-mapping",
    "ext4-xip-v2": "no-freed-mapping",
    "ext4-xip-inline": "no-freed-mapping",
  },
  "punch-beside-store": { "dax-4.0": "no-freed-mapping" },
  "zero-beside-store": { "dax-4.0": "no-lost-write" },
};
const broken = Object.entries(history).flatMap(([scenario, row]) =>
  Object.entries(row).map(([design, promise]) => ({ scenario, design, promise })),
);

const isDax = (name: string): boolean => name.startsWith("dax-");
const names = {
  sound: namesOf(true),
  dax: namesOf(false).filter(isDax),
  old: namesOf(false).filter((name) => !isDax(name)),
};
/** What designs that keep nearly everything are searched in here; the README's matrix has all of it. */
const small = [...scenarios.values()].filter(({ tasks }) => Object.keys(tasks).length <= 2);

function namesOf(sound: boolean): string[] {
  return [...designs.values()].filter((design) => design.sound === sound).map(({ name }) => name);
}

let cells: Cell[] = [];
beforeAll(async () => {
  const search = { strategy: "exhaustive", preemptions: 2, goOn: 0 } as const;
  const old = await matrix({ ...search, designs: names.old });
  const sound = await matrix({ ...search, designs: names.sound, scenarios: small });
  const dax = await matrix({ ...search, designs: names.dax, scenarios: small });
  cells = [...old.cells, ...sound.cells, ...dax.cells];
}, 400_000);

function cellOf(scenario: string, design: string): Cell {
  const cell = cells.find((one) => one.scenario === scenario && one.design === design);
  if (cell === undefined) throw new Error(`there is no cell for ${scenario} under ${design}`);
  return cell;
}

test("the designs of history break where history did, and nowhere else; the sound one nowhere", () => {
  const found = cells.map(({ scenario, design, verdict, violation, error }) => [
    scenario,
    design,
    error ?? violation?.promise ?? verdict,
  ]);
  const expected = (rows: Iterable<string>, columns: string[]): string[][] =>
    [...rows].flatMap((scenario) =>
      columns.map((design) => [scenario, design, history[scenario]?.[design] ?? "held"]),
    );
  expect(found).toEqual([
    ...expected(scenarios.keys(), names.old),
    ...[names.sound, names.dax].flatMap((columns) =>
      expected(
        small.map(({ name }) => name),
        columns,
      ),
    ),
  ]);
  expect(Object.values(history).some((row) => names.sound.some((name) => name in row))).toBe(false);
});

test("a cell that held was searched to the end", () => {
  const held = cells.filter(({ verdict }) => verdict === "held");
  expect(held.filter(({ complete }) => !complete)).toEqual([]);
  // Nothing held because there was nothing to run: one task has one schedule, two have many.
  const short = held.filter(({ schedules = 0 }) => schedules < 100).map(({ scenario }) => scenario);
  expect(new Set(short)).toEqual(new Set(["preallocated-write"]));
});

interface Told {
  readonly reproduced: boolean;
  readonly warning?: string;
  readonly violation?: { promise: string; story: string };
}

/** What the program says, in a process of its own, with nothing but the schedule. */
async function inFreshProcess(schedule: string): Promise<[number | null, Told]> {
  const child = spawn(process.execPath, [MAIN, "replay", "--json", schedule], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  return [code, JSON.parse(text) as Told];
}

async function expectFresh(cell: Cell, times: number): Promise<void> {
  const { promise, schedule = "", story } = cell.violation ?? {};
  for (let done = 0; done < times; done += 2) {
    const pair = await Promise.all([inFreshProcess(schedule), inFreshProcess(schedule)]);
    for (const [code, { reproduced, warning, violation }] of pair) {
      expect(warning).toBe(undefined);
      expect(reproduced).toBe(true);
      expect(violation?.promise).toBe(promise);
      expect(violation?.story).toBe(story);
      expect(code).toBe(1);
    }
  }
}

describe.each(broken)("what is printed for $scenario under $design", ({ scenario, design, promise }) => {
  test("replays twenty times out of twenty, to the same promise and the same story", async () => {
    const { violation } = cellOf(scenario, design);
    const again = await replay(undefined, { schedule: violation?.schedule ?? "", times: 20 });
    expect(again.warning).toBe(undefined);
    expect(again.broken).toBe(20);
    expect(again.violation?.promise).toBe(promise);
    expect(again.violation?.story).toBe(violation?.story);
  });

  test("replays in two processes that know only its text", async () => {
    await expectFresh(cellOf(scenario, design), 2);
  });
});

test("one of them replays in twenty fresh processes out of twenty", async () => {
  await expectFresh(cellOf("write-beside-load", "ext4-xip-inline"), 20);
});
