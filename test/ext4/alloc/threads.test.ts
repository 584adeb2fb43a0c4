// Allocators in many groups at once: each group has a lock of its own, so tasks meet in some groups and not in others.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { Errno } from "../../../src/machine/errors.ts";
import { allocateControl } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { allocateBlocks, ALLOCATE_CREDITS, freeBlocks, freeCredits } from "../../../src/ext4/alloc/blocks.ts";
import type { Run } from "../../../src/ext4/alloc/blocks.ts";
import { freeInode, INODE_CREDITS } from "../../../src/ext4/alloc/inodes.ts";
import { freeBlockCount, freeInodeCount } from "../../../src/ext4/alloc/open-group.ts";
import { check } from "../../../src/ext4/check/check.ts";
import { firstBlockOf } from "../../../src/ext4/group.ts";
import { freeze } from "../../../src/ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../../src/ext4/journal/handle.ts";
import type { Handle } from "../../../src/ext4/journal/state.ts";
import type { SuperBlock } from "../../../src/ext4/super.ts";
import { Crew } from "../../../src/sched/pool.ts";
import { initSched } from "../../../src/sched/state.ts";
import { e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { imageOf, mountedMachine } from "../../support/machine.ts";
import { both, replacing, type Change } from "../../support/mutate.ts";
import { startThreads } from "../../support/threads.ts";
import { wrongCounts } from "./counts.ts";
import type { Asked, Explored, grab, Owned } from "./threads-tasks.ts";

const TASKS = new URL("./threads-tasks.js", import.meta.url).href;
const threads = startThreads(3, TASKS);
const crew = new Crew(2);
afterAll(() => Promise.all([threads.close(), crew.close()]));

function inHandle<T>(sb: SuperBlock, credits: number, work: (handle: Handle) => T): T {
  const handle = journalStart(sb, credits);
  if (typeof handle === "number") throw new Error(`journalStart returned ${handle}`);
  const result = work(handle);
  expect(journalStop(handle)).toBe(0);
  return result;
}

function free(sb: SuperBlock, { start, count }: Run): void {
  expect(inHandle(sb, freeCredits(sb, count), (handle) => freeBlocks(handle, sb, start, count))).toBe(0);
}

const blocksIn = (runs: readonly Run[]): number[] =>
  runs.flatMap(({ start, count }) => Array.from({ length: count }, (_, index) => start + index));

/** Allocates all there is and frees these runs: only they are free then.  There is no journal that would hold them. */
function leaveFree(sb: SuperBlock, runs: readonly Run[]): void {
  const take = (handle: Handle): Run | number => allocateBlocks(handle, sb, 0, sb.blockCount);
  while (typeof inHandle(sb, ALLOCATE_CREDITS, take) !== "number");
  for (const run of runs) free(sb, run);
  expect(freeBlockCount(sb)).toBe(blocksIn(runs).length);
}

test("three threads that allocate and free all over six groups never share a block or an inode", async () => {
  const { mem, sb } = mountedMachine({ image: mkfs(24 * MIB, ["-g", "1024", "-O", "^flex_bg"]) });
  expect(sb.groupCount).toBe(6);
  const before = { blocks: freeBlockCount(sb), inodes: freeInodeCount(sb) };
  const owned = (await threads.run(mem, ["wander", "wander", "wander"], 0, 1500)) as Owned[];
  const runs = owned.flatMap((each) => each.runs);
  const blocks = blocksIn(runs);
  const inodes = owned.flatMap((each) => each.inodes);
  expect(new Set(blocks).size).toBe(blocks.length);
  expect(new Set(inodes).size).toBe(inodes.length);
  expect(blocks.length).toBeGreaterThan(40);
  expect(new Set(blocks.map((block) => block >>> 10)).size).toBeGreaterThan(2);
  expect(wrongCounts(mem)).toBe(undefined);
  const left = { blocks: freeBlockCount(sb) + blocks.length, inodes: freeInodeCount(sb) + inodes.length };
  expect(left).toEqual(before);
  for (const run of runs) free(sb, run);
  for (const inode of inodes)
    expect(inHandle(sb, INODE_CREDITS, (handle) => freeInode(handle, sb, inode, false))).toBe(0);
  expect(freeze(sb)).toBe(0);
  expect(check(mem)).toEqual([]);
  expect(e2fsck(imageOf(mem))).toBe("");
});

test("of what is left in crumbs each of three threads gets some until nothing is, and no block goes twice", async () => {
  const { mem, sb } = mountedMachine({
    image: mkfs(24 * MIB, ["-g", "1024", "-O", "^flex_bg,^has_journal"]),
  });
  // Runs of one to seven blocks, with a block in use between them.
  const crumbs = Array.from({ length: 6 * 90 }, (_, index) => ({
    start: firstBlockOf(sb, index % 6) + 200 + 8 * Math.floor(index / 6),
    count: 1 + (index % 7),
  }));
  leaveFree(sb, crumbs);
  const results = (await threads.run(mem, ["grab", "grab", "grab"], 1024, 0)) as ReturnType<typeof grab>[];
  expect(results.map(({ error }) => error)).toEqual(Array(3).fill(-Errno.ENOSPC));
  const taken = blocksIn(results.flatMap(({ runs }) => runs));
  expect(taken.toSorted((a, b) => a - b)).toEqual(blocksIn(crumbs).toSorted((a, b) => a - b));
  expect(freeBlockCount(sb)).toBe(0);
  expect(wrongCounts(mem)).toBe(undefined);
});

const TWO_GROUPS = mkfs(8 * MIB, ["-g", "1024", "-N", "64", "-O", "^flex_bg,^has_journal"]);
const BLOCKS = new URL("../../../src/ext4/alloc/blocks.js", import.meta.url);

/** Two tasks want four blocks each, where three are free and, in the second of these groups, two more. */
async function explore([three, two]: readonly [number, number], module: string): Promise<Explored> {
  const { mem, sb } = mountedMachine({ image: TWO_GROUPS });
  expect(sb.groupCount).toBe(2);
  leaveFree(sb, [
    { start: firstBlockOf(sb, three) + 500, count: 3 },
    { start: firstBlockOf(sb, two) + 600, count: 2 },
  ]);
  initSched(mem);
  const goals = [firstBlockOf(sb, three), firstBlockOf(sb, two)];
  const data: Asked = { module, goals, count: 4, at: allocateControl(mem as Memory, 64) };
  const { values } = await crew.run<Explored>({ mem, module: TASKS, entry: "explore", data });
  return values[0] as Explored;
}

test.each([
  ["one group", [0, 0]],
  ["two groups", [0, 1]],
  ["two groups, the other way round", [1, 0]],
] as const)("two tasks share what is left in %s, in every schedule", async (_, groups) => {
  const { complete, shown } = await explore(groups, BLOCKS.href);
  expect(complete).toBe(true);
  expect(Object.keys(shown).toSorted()).toEqual(["2 and 3", "3 and 2"]);
});

const mutants: { without: string; change: Change; shown: string }[] = [
  {
    without: "one lock around looking and marking",
    change: replacing(
      "takeInTurn",
      /takeOpen\(handle, group, found\)/,
      "(closeGroup(group), openGroup(sb, group.number), takeOpen(handle, group, found))",
    ),
    shown: `3 and ${-Errno.EUCLEAN}`,
  },
  {
    without: "looking again where most was",
    change: both(
      replacing("takeInTurn", /: found\.count;/, ": (fromGoal.seen = found).count;"),
      both(
        replacing(
          "fromGoal",
          /\[longest, where\] =.*;/,
          "[longest, fromGoal.best] = [found, fromGoal.seen];",
        ),
        replacing("fromGoal", /takeInTurn\(request, where, 1\)/, "take(request.handle, sb, fromGoal.best)"),
      ),
    ),
    shown: `3 and ${-Errno.EUCLEAN}`,
  },
  {
    without: "starting again when what was seen is gone",
    change: replacing("fromGoal", /return found;\n {4}\}/, `return found;\n return ${-Errno.ENOSPC};\n    }`),
    shown: `3 and ${-Errno.ENOSPC}`,
  },
];

test.each(mutants)("without $without two tasks in two groups show $shown", async ({ change, shown }) => {
  const folder = mkdtempSync(join(tmpdir(), "unwritten-mutant-"));
  const text = change(readFileSync(BLOCKS, "utf8"));
  const file = join(folder, "blocks.mjs");
  writeFileSync(
    file,
    text.replace(/from "(\.[^"]+)"/g, (_, name: string) => `from "${new URL(name, BLOCKS).href}"`),
  );
  const found = await explore([0, 1], pathToFileURL(file).href);
  rmSync(folder, { recursive: true });
  expect(Object.keys(found.shown)).toContain(shown);
});
