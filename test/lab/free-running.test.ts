// The races are real: without any scheduler, on real threads, the proposal breaks a promise.  The serialized
// design keeps them all, and what it leaves on the media after seconds of mixed calls from four threads, with
// nothing restored in between, is a clean file system.

import { afterAll, expect, test } from "vitest";
import { stress } from "../../src/index.ts";
import { check } from "../../src/ext4/check/check.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { bootMemory } from "../../src/lab/host/memory.ts";
import { workloadScenario } from "../../src/lab/workload/workload.ts";
import { DEFAULT_MEDIA, HOST_TASK } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { imageOf } from "../support/machine.ts";
import { startThreads } from "../support/threads.ts";
import { WORKLOAD } from "./free-bodies.ts";

const threads = startThreads(WORKLOAD.tasks, new URL("./free-bodies.js", import.meta.url).href);
afterAll(() => threads.close());

test("the proposal breaks a promise under four tasks of mixed calls, by hardware and delays alone", async () => {
  const { violation } = await stress({ design: "ext4-xip-inline", chaos: 0.3, timeout: 60_000 });
  // Mostly what a task saw, now and then what is left: a block that a fault put behind the end of a truncated file.
  expect(violation?.promise).toMatch(/^(no-.*|consistent)$/);
});

test("the serialized design keeps every promise under four tasks of mixed calls", async () => {
  const ops = WORKLOAD.weights;
  const { violation, rounds } = await stress({
    design: "ext4-xip-serialized",
    ops,
    chaos: 0.02,
    timeout: 5000,
  });
  expect(violation?.story).toBe(undefined);
  expect(rounds).toBeGreaterThan(10);
});

/** A machine of the serialized design with what the setup of the workload made. */
function machine(): Memory {
  const design = designs.get("ext4-xip-serialized");
  if (design === undefined) throw new Error("there is no serialized design");
  const mem = bootMemory({ size: DEFAULT_MEDIA, options: {} });
  const { setup } = workloadScenario(WORKLOAD, () => 0);
  setup?.(new Sys(mem, design, HOST_TASK));
  return mem;
}

/** Runs a body in four threads for so many milliseconds, and looks at what they leave. */
async function leavesClean(body: string, milliseconds: number): Promise<void> {
  const mem = machine();
  const times = await threads.run(mem, Array<string>(WORKLOAD.tasks).fill(body), 0, milliseconds);
  for (const each of times) expect(each).toBeGreaterThan(10);
  expect(freeze(superBlock(mem))).toBe(0);
  expect(check(mem)).toEqual([]);
  expect(e2fsck(imageOf(mem))).toBe("");
}

test("what four threads leave behind after seconds of mixed calls is clean to e2fsck and to our checker", async () => {
  await leavesClean("mixed", 5000);
});

test("a tree that gives a block up does nothing more to it: another file's tree may have it", async () => {
  await leavesClean("churnTrees", 2000);
});
