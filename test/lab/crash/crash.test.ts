// Power failures, found, told and replayed.

import { afterAll, expect, test } from "vitest";
import { crash, crashScenarios, replay } from "../../../src/index.ts";
import { crashWith } from "../../../src/lab/crash.ts";
import { Crews } from "../../../src/lab/host/crews.ts";
import largeFile from "../fixtures/large-file.ts";

const crews = new Crews();
afterAll(async () => crews.close());

test("the proposal converts before the data is durable: stale bytes after a failure, and the text replays", async () => {
  const result = await crash("write-and-sync", { design: "ext4-xip-inline" });
  expect(result.violation?.promise).toBe("no-stale-data");
  expect(result.violation?.story).toContain("Lost when the power failed");
  expect(result.states).toBeGreaterThan(0);
  const { schedule = "" } = result.violation ?? {};
  const again = await replay(undefined, { schedule, times: 20 });
  expect(again.warning).toBe(undefined);
  expect(again.broken).toBe(20);
  expect(again.violation?.story).toBe(result.violation?.story);
});

/** What breaks under the proposal, which flushes nothing but what it copies; all else holds. */
const broken = new Set(["write-and-sync", "store-and-sync", "reserve-and-write"]);

test.each([...crashScenarios.keys()])(
  "%s: the designs that flush hold, the proposal as its time had it",
  async (name) => {
    for (const design of ["ext4-xip-serialized", "dax-6.1"]) {
      const { violation, points, states } = await crashWith(crews, name, { design, workers: 1 });
      expect(violation?.message, design).toBe(undefined);
      // Each has an fsync; some ways are left at most of the points.
      expect(points).toBeGreaterThan(1);
      expect(states).toBeGreaterThan(points);
    }
    const { violation } = await crashWith(crews, name, { design: "ext4-xip-inline", workers: 1 });
    expect(violation?.promise).toBe(broken.has(name) ? "no-stale-data" : undefined);
  },
);

test("with caches that are saved when the power fails the proposal's first write is safe, too", async () => {
  const { violation, states } = await crash("write-and-sync", { design: "ext4-xip-inline", domain: "eadr" });
  expect(states).toBeGreaterThan(2);
  expect(violation?.message).toBe(undefined);
});

test("failures during recovery lose nothing, either, and are counted apart", async () => {
  const options = { design: "ext4-xip-serialized", workers: 1 };
  const once = await crashWith(crews, "rename-over", options);
  const { nested, violation, ...rest } = await crashWith(crews, "rename-over", { ...options, nested: true });
  expect(violation?.message).toBe(undefined);
  expect(once.nested).toBe(undefined);
  expect({ ...rest, elapsed: 0 }).toEqual({ ...once, elapsed: 0 });
  // Recovery has three fences at least, but where there is nothing to recover.
  expect(nested?.points).toBeGreaterThan(once.distinct);
  expect(nested?.states).toBeGreaterThan(nested?.points ?? Infinity);
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
  [{ design: "nobody" }, /there is no design/],
])("%j is refused", async (options, message) => {
  await expect(crash("write-and-sync", options as never)).rejects.toThrow(message);
});
