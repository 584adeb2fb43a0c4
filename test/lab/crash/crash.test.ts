// Power failures, found, told and replayed.

import { expect, test } from "vitest";
import * as library from "../../../src/index.ts";
import { crashScenarios, designs, type PromiseName } from "../../../src/index.ts";
import { crash, explore } from "../../support/kept.ts";
import largeFile from "../fixtures/large-file.ts";

test("the proposal converts before the data is durable: stale bytes after a failure, and the text replays", async () => {
  const result = await library.crash("write-and-sync", { design: "ext4-xip-inline" });
  expect(result.violation?.promise).toBe("no-stale-data");
  expect(result.violation?.story).toContain("Lost when the power failed");
  expect(result.states).toBeGreaterThan(0);
  const { schedule = "" } = result.violation ?? {};
  const again = await library.replay(undefined, { schedule, times: 20 });
  expect(again.warning).toBe(undefined);
  expect(again.broken).toBe(20);
  expect(again.violation?.story).toBe(result.violation?.story);
});

/**
 * What breaks, by scenario and design; all else holds.  In the first patch nothing converts an unwritten extent, so what was
 * written into one is zeros after the next mount.  The others that break make zeros in the cache (clear_page), or leave
 * stores there, and have no fsync that flushes: that came with Linux 4.5, 9973c98ecfda.  A write of whole blocks goes
 * past the caches, and so do its zeros, which lie in the same lines.
 */
const history: Record<string, Record<string, PromiseName>> = {
  "write-and-sync": {
    "ext2-xip": "no-stale-data",
    "ext4-xip-v2": "no-lost-write",
    "ext4-xip-inline": "no-stale-data",
    "dax-4.0": "no-stale-data",
  },
  "split-and-sync": { "ext4-xip-v2": "no-lost-write" },
  "sync-beside-write": { "ext4-xip-v2": "no-lost-write" },
  "store-and-sync": {
    "ext2-xip": "no-stale-data",
    "ext4-xip-v2": "no-lost-write",
    "ext4-xip-inline": "no-stale-data",
    "dax-4.0": "no-stale-data",
  },
  "reserve-and-write": {
    "ext4-xip-v2": "no-lost-write",
    "ext4-xip-inline": "no-stale-data",
    "dax-4.0": "no-stale-data",
  },
  "zero-range-crash": { "dax-4.0": "no-stale-data" },
};

/** The designs in which flushes and fences are where they have to be. */
const FLUSHES = new Set(["ext4-xip-serialized", "dax-4.9", "dax-6.1"]);

test.each([...crashScenarios.keys()])("%s does under each design what it did in history", async (name) => {
  const cells = [...designs.keys()].map(async (design) => {
    const { violation, points, states, flushes } = await crash(name, { design, workers: 1 });
    expect(violation?.promise, violation?.message ?? `${design} keeps every promise`).toBe(
      history[name]?.[design],
    );
    // Each has an fsync; some ways are left at most of the points.
    expect(points).toBeGreaterThan(1);
    expect(states).toBeGreaterThan(1);
    const missing = flushes.filter(({ kind }) => kind === "missing").map(({ message }) => message);
    if (FLUSHES.has(design)) expect(missing, design).toEqual([]);
    // Whoever loses bytes that were in a cache lacks a flush.
    else if (violation?.promise === "no-stale-data") expect(missing, design).not.toEqual([]);
  });
  await Promise.all(cells);
});

test.each([
  ["sync-beside-write", "ext4-xip-serialized"],
  ["two-syncs", "ext4-xip-serialized"],
])("%s under %s holds in every schedule with at most one preemption", async (name, design) => {
  // An fsync meets a conversion, or another fsync whose commit it shares.
  const { violation, finished, runs, flushes } = await crash(name, { design, preemptions: 1, maxLines: 1 });
  expect(violation?.message).toBe(undefined);
  expect(finished).toBe(true);
  expect(runs).toBeGreaterThan(20);
  expect(flushes.filter(({ kind }) => kind === "missing")).toEqual([]);
});

test("with caches that are saved when the power fails the proposal's first write is safe, too", async () => {
  const { violation, states } = await crash("write-and-sync", { design: "ext4-xip-inline", domain: "eadr" });
  expect(states).toBeGreaterThan(2);
  expect(violation?.message).toBe(undefined);
});

test("failures during recovery lose nothing, either, and are counted apart", async () => {
  const options = { design: "ext4-xip-serialized", workers: 1 };
  const once = await crash("rename-over", options);
  const { nested, violation, ...rest } = await crash("rename-over", { ...options, nested: true });
  expect(violation?.message).toBe(undefined);
  expect(once.nested).toBe(undefined);
  expect({ ...rest, elapsed: 0 }).toEqual({ ...once, elapsed: 0 });
  // Recovery has three fences at least, but where there is nothing to recover.
  expect(nested?.points).toBeGreaterThan(once.distinct);
  expect(nested?.states).toBeGreaterThan(nested?.points ?? Infinity);
});

test("the power fails in a schedule that explore has printed, and in no other", async () => {
  const design = "ext4-xip-v2";
  const { violation } = await explore("sync-beside-write", { design, strategy: "exhaustive" });
  const schedule = violation?.schedule ?? "";
  const preempted = await crash("sync-beside-write", { design, schedule, workers: 1 });
  expect(preempted).toMatchObject({ runs: 1, finished: true });
  // Without preemption the writer comes first, and its write is lost.
  const first = await crash("sync-beside-write", { design, workers: 1 });
  expect(first.violation?.promise).toBe("no-lost-write");
  expect(preempted.violation).toBe(undefined);
  const other = schedule.replace(/[0-9a-f]{8}(?=\/)/, "00000000");
  await expect(crash("sync-beside-write", { design, schedule: other })).rejects.toThrow(/the steps are not/);
  await expect(crash("two-syncs", { design, schedule })).rejects.toThrow(/is of scenario sync-beside-write/);
});

test("of a large file the part that is compared is no short read", async () => {
  const { violation, states } = await crash(largeFile, { design: "ext4-xip-serialized" });
  expect(states).toBeGreaterThan(2);
  expect(violation?.message).toBe(undefined);
});

test.each([
  [{ design: "ext4-xip-inline", domain: "bbu" }, /there is no domain "bbu"/],
  [{ design: "ext4-xip-inline", maxLines: 17 }, /maxLines/],
  [{ design: "ext4-xip-inline", nested: 1 }, /nested/],
  [{ design: "ext4-xip-inline", schedule: "v1/a/b/-/00000000/end", runs: 2 }, /with a schedule there is one/],
  [{ design: "ext4-xip-inline", schedule: "v1/a/b/-/00000000/end/crash=x" }, /replay runs it/],
  [{ design: "ext4-xip-inline", schedule: "v1/a" }, /cut short/],
  [{ design: "nobody" }, /there is no design/],
])("%j is refused", async (options, message) => {
  await expect(crash("write-and-sync", options as never)).rejects.toThrow(message);
});
