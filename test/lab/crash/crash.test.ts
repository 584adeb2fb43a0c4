// Power failures, found, told and replayed.

import { expect, test } from "vitest";
import { crash, replay } from "../../../src/index.ts";

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

test("with caches that are saved when the power fails, the same write is safe until its fsync", async () => {
  const eadr = await crash("write-and-sync", { design: "ext4-xip-inline", domain: "eadr" });
  // The conversion is in a cache of blocks, not of lines: until the commit nobody can find it.
  expect(eadr.violation?.promise).not.toBe("no-stale-data");
});

test.each([
  [{ design: "ext4-xip-inline", domain: "bbu" }, /there is no domain "bbu"/],
  [{ design: "ext4-xip-inline", maxLines: 17 }, /maxLines/],
  [{ design: "ext4-xip-inline", nested: 1 }, /nested/],
  [{ design: "nobody" }, /there is no design/],
])("%j is refused", async (options, message) => {
  await expect(crash("write-and-sync", options as never)).rejects.toThrow(message);
});
