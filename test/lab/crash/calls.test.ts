// What states after power failures say of calls, and that it does not matter how many machines look at them.

import { expect, test } from "vitest";
import type { CrashOptions, CrashResult } from "../../../src/lab/crash.ts";
import { crash } from "../../support/kept.ts";
import overwrites from "./scenarios/overwrites.ts";

test("a word is written whole, two lines are not; after fsync one state is left", async () => {
  const { calls, complete, recovered } = await crash(overwrites, {
    design: "dax-6.1",
    workers: 1,
  });
  const words = calls.map(({ number, call, atomic, states, after }) => [number, call, atomic, states, after]);
  expect(complete).toBe(true);
  expect(words).toEqual([
    [1, "open", true, 0, undefined],
    [2, "pwrite", true, 1, undefined],
    [3, "fsync", true, 0, 1],
    // Each of two lines may have arrived or not.
    [4, "pwrite", false, 3, undefined],
    [5, "fsync", true, 0, 1],
  ]);
  expect(recovered).toBe(5);
});

test.each<[string, CrashOptions]>([
  ["two-syncs", { design: "ext4-xip-serialized", preemptions: 1, runs: 2 }],
  ["write-and-sync", { design: "ext4-xip-inline" }],
  ["unlink-while-open", { design: "dax-6.1", nested: true }],
  ["zero-range-crash", { design: "dax-6.1", domain: "eadr" }],
])("%s, %j: one machine and two find and count the same", async (scenario, options) => {
  const found: Omit<CrashResult, "elapsed">[] = [];
  for (const workers of [1, 2]) {
    const { elapsed: _elapsed, ...rest } = await crash(scenario, { ...options, workers });
    found.push(rest);
  }
  expect(found[0]?.states).toBeGreaterThan(50);
  expect(found[1]).toEqual(found[0]);
});
