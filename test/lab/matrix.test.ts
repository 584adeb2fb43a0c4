// The matrix that the README prints: which designs break where history did, in every schedule with at most two
// preemptions, and that what stands there for a broken cell breaks it again: twenty times, in a process that knows
// nothing but the text.  This is such a process: it has explored nothing, and has read the README.
//
// That the README says what the program prints is readme.test.ts's affair, which runs the command; it is not run a
// second time here.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { designs, scenarios, type PromiseName } from "../../src/index.ts";
import { replay } from "../support/kept.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const README = fileURLToPath(new URL("../../../README.md", import.meta.url));

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

/** The words behind a printed schedule. */
const promiseOf: Record<string, PromiseName> = {
  "stale data": "no-stale-data",
  "lost write": "no-lost-write",
  "freed mapping": "no-freed-mapping",
};

interface Printed {
  readonly verdict: string;
  readonly counts: string;
}

const [, matrixText = ""] =
  /^```console\n\$ unwritten matrix\n([^]*?)^```$/m.exec(readFileSync(README, "utf8")) ?? [];

/** Every cell of the printed tables, as "scenario design". */
function printedCells(): Map<string, Printed> {
  const cells = new Map<string, Printed>();
  let columns: { design: string; at: number }[] = [];
  const lines = matrixText.split("\n");
  for (const [index, line] of lines.entries()) {
    const words = line.trim().split(/\s{2,}/);
    if (words.length > 0 && words.every((word) => designs.has(word))) {
      columns = words.map((design) => ({
        design,
        at: line.search(new RegExp(`(?<=\\s)${design}(?=\\s|$)`)),
      }));
      continue;
    }
    const [scenario = ""] = line.split(" ");
    if (!scenarios.has(scenario)) continue;
    const counts = lines[index + 1] ?? "";
    for (const [column, { design, at }] of columns.entries()) {
      const end = columns[column + 1]?.at;
      const cut = (text: string): string => text.slice(at, end).trim();
      cells.set(`${scenario} ${design}`, { verdict: cut(line), counts: cut(counts) });
    }
  }
  return cells;
}

const cells = printedCells();
const schedules = new Map(
  [...matrixText.matchAll(/^unwritten replay '(v1\/([^/]+)\/([^/]+)\/\S+)' {2}# (.+)$/gm)].map(
    ([, schedule = "", design, scenario, words = ""]) => [
      `${scenario} ${design}`,
      { schedule, promise: promiseOf[words] },
    ],
  ),
);

test("the designs of history break where history did, and nowhere else; the sound one nowhere", () => {
  const all = [...scenarios.keys()].flatMap((scenario) =>
    [...designs.keys()].map((design) => `${scenario} ${design}`),
  );
  expect([...cells.keys()].toSorted()).toEqual(all.toSorted());
  const breaks = [...cells].filter(([, { verdict }]) => verdict !== "held").map(([cell]) => cell);
  expect(breaks.toSorted()).toEqual(broken.map(({ scenario, design }) => `${scenario} ${design}`).toSorted());
  for (const { scenario, design, promise } of broken) {
    expect(schedules.get(`${scenario} ${design}`)?.promise, `${scenario} under ${design}`).toBe(promise);
  }
  expect(schedules.size).toBe(broken.length);
  const sound = [...designs.values()].filter((design) => design.sound).map(({ name }) => name);
  expect(sound.length).toBeGreaterThan(0);
  expect(broken.filter(({ design }) => sound.includes(design))).toEqual([]);
});

test("a cell that held was searched to the end", () => {
  for (const [cell, { verdict, counts }] of cells) {
    if (verdict !== "held") continue;
    const [, number = ""] = /^all ([\d,]+)$/.exec(counts) ?? [];
    // Nothing held because there was nothing to run: one task has one schedule, two have many.
    const least = cell.startsWith("preallocated-write ") ? 1 : 30;
    expect(Number(number.replaceAll(",", "")), `${cell}: ${counts}`).toBeGreaterThanOrEqual(least);
  }
});

function scheduleOf(scenario: string, design: string): string {
  const found = schedules.get(`${scenario} ${design}`);
  if (found === undefined) throw new Error(`nothing is printed for ${scenario} under ${design}`);
  return found.schedule;
}

test.each(broken)(
  "what is printed for $scenario under $design replays twenty times out of twenty",
  async ({ scenario, design, promise }) => {
    const schedule = scheduleOf(scenario, design);
    const { violation, ...rest } = await replay(undefined, { schedule, times: 20 });
    // No warning: the schedule fits.
    expect(rest).toEqual({ reproduced: true, runs: 20, broken: 20 });
    expect(violation?.promise).toBe(promise);
  },
);

interface Told {
  readonly reproduced: boolean;
  readonly broken: number;
  readonly warning?: string;
  readonly violation?: { promise: string; story: string };
}

/** The story that the program tells, in a process of its own, with nothing but the schedule. */
async function storyInFreshProcess(schedule: string, promise: PromiseName): Promise<string> {
  const child = spawn(process.execPath, [MAIN, "replay", "--json", schedule], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (text += part));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  const { reproduced, broken: count, warning, violation } = JSON.parse(text) as Told;
  expect({ code, reproduced, count, warning, promise: violation?.promise }).toEqual({
    code: 1,
    reproduced: true,
    count: 1,
    warning: undefined,
    promise,
  });
  return violation?.story ?? "";
}

test("a printed schedule replays in twenty fresh processes out of twenty, as in this one", async () => {
  const schedule = scheduleOf("write-beside-load", "ext4-xip-inline");
  const { violation } = await replay(undefined, { schedule });
  expect(violation?.story).toMatch(/\n +\d+ +pwrite /);
  for (let pair = 0; pair < 10; pair++) {
    const stories = await Promise.all([1, 2].map(async () => storyInFreshProcess(schedule, "no-lost-write")));
    expect(stories).toEqual([violation?.story, violation?.story]);
  }
});
