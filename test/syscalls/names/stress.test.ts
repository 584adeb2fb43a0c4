// Names under several tasks: on real threads with lockdep and e2fsck as witnesses, and in every schedule of a bound.

import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { check } from "../../../src/ext4/check/check.ts";
import { inodesInUse } from "../../../src/ext4/inodes/cache.ts";
import { ROOT_INODE } from "../../../src/ext4/media/inode.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { imageNow } from "../../ext4/model.ts";
import { e2fsck } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";
import { explore } from "../../support/kept.ts";
import { startThreads } from "../../support/threads.ts";

const threads = startThreads(2, new URL("./stress-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

const scenarioAt = (name: string): string =>
  fileURLToPath(new URL(`./scenarios/${name}.js`, import.meta.url));
const bounds = { design: "ext4-xip-serialized", strategy: "exhaustive", preemptions: 2 } as const;

test.each([1, 0])(
  "two threads that make, move, link and remove the same names leave a spotless tree (lockdep=%i)",
  async (lockdep) => {
    const { mem, sys } = bootKernel(designs.get("ext4-xip-serialized") as Design, 4 * MIB);
    header(mem).lockdep = lockdep;
    const calls = sys();
    for (const path of ["/p", "/q", "/p/d"]) calls.mkdir(path);
    const answers = (await threads.run(mem, ["mover", "mover"], 0, 1500)) as Record<string, number>[];
    for (const seen of answers) expect(seen["none"]).toBeGreaterThan(150);
    expect(inodesInUse(mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
    expect(e2fsck(imageNow(superBlock(mem)))).toBe("");
    expect(check(mem)).toEqual([]);
  },
);

test("a name that is replaced always means a file, in every schedule with two preemptions", async () => {
  const result = await explore(scenarioAt("rename-over-file"), bounds);
  expect(result.violation).toBeUndefined();
  expect(result.complete).toBe(true);
});

// Without lockdep a task remembers directories by their names, and looks them up without a lock.
test.each([1, 0])(
  "a directory that is renamed never has two names, nor none, in every schedule with two preemptions (lockdep=%i)",
  async (lockdep) => {
    const result = await explore(scenarioAt("renamed-directory"), { ...bounds, options: { lockdep } });
    expect(result.violation).toBeUndefined();
    expect(result.complete).toBe(true);
  },
);

test.each([1, 0])(
  "no name of a directory that is gone leads into another one, in every schedule with two preemptions (lockdep=%i)",
  async (lockdep) => {
    const result = await explore(scenarioAt("removed-directory"), { ...bounds, options: { lockdep } });
    expect(result.violation).toBeUndefined();
    expect(result.complete).toBe(true);
  },
);

// Without lockdep the extent that was found last is looked at without a lock.
test.each([1, 0])(
  "an open gets its file though the inode's place is given to another, in every schedule with two preemptions (lockdep=%i)",
  async (lockdep) => {
    const result = await explore(scenarioAt("open-beside-reuse"), { ...bounds, options: { lockdep } });
    expect(result.violation).toBeUndefined();
    expect(result.complete).toBe(true);
  },
);

test("a file that two tasks open at once is one file, in every schedule with two preemptions", async () => {
  const result = await explore(scenarioAt("open-at-once"), bounds);
  expect(result.violation).toBeUndefined();
  expect(result.complete).toBe(true);
});

test("a name that is taken away and given again is missed by some schedule", async () => {
  const { violation } = await explore(scenarioAt("unlink-and-link"), bounds);
  expect(violation).toMatchObject({ promise: "claim" });
  expect(violation?.message).toContain("ENOENT");
});

test("two directories moved into each other: one move is refused, in every schedule with two preemptions", async () => {
  const result = await explore(scenarioAt("opposite-renames"), bounds);
  expect(result.violation).toBeUndefined();
  expect(result.complete).toBe(true);
});
