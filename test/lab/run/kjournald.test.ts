// A commit at any moment: the task that makes it ends, schedules with it replay, and between two steps of a write it
// leaves what no fsync of the writer does.

import { expect, test } from "vitest";
import { boot, scenario } from "../../../src/index.ts";
import { crash, explore, replay } from "../../support/kept.ts";

const background = { kjournald: 1 };

test.each(["ext4-xip-serialized", "dax-6.1"])(
  "under %s a commit between the steps of a write leaves zeros where it converted, and breaks no promise",
  async (design) => {
    const alone = await crash("write-and-sync", { design });
    const beside = await crash("write-and-sync", {
      design,
      preemptions: 1,
      maxLines: 1,
      options: background,
    });
    expect([alone.violation?.message, beside.violation?.message]).toEqual([undefined, undefined]);
    // By itself a write is there or not; a commit that comes before its copy lets parts of it be there.
    expect(alone.recovered).toBe(2);
    expect(beside.recovered).toBeGreaterThan(2);
  },
);

test("what a background commit breaks is told with kjournald as a task, and replays", async () => {
  const { violation } = await crash("write-and-sync", {
    design: "ext4-xip-inline",
    maxLines: 2,
    options: background,
  });
  expect(violation?.schedule).toContain("/kjournald=1/");
  expect(violation?.story).toMatch(/writer +kjournald/);
  const again = await replay(undefined, { schedule: violation?.schedule ?? "", times: 2 });
  expect(again.broken).toBe(2);
});

test("it ends after its commits: every schedule of two of them beside two tasks is run", async () => {
  const { violation, complete } = await explore("two-readers", {
    design: "ext4-xip-serialized",
    strategy: "exhaustive",
    preemptions: 1,
    options: { kjournald: 2 },
  });
  expect(violation?.message).toBe(undefined);
  expect(complete).toBe(true);
});

test("a machine of one thread has no such task, and a scenario cannot have another of that name", async () => {
  const design = "ext4-xip-serialized";
  await expect(boot({ design, options: background })).rejects.toThrow(/kjournald is a task/);
  const own = scenario({ url: "file:///own.js" }, { claim: "None.", tasks: { kjournald() {} } });
  await expect(explore(own, { design, options: background })).rejects.toThrow(/of its own/);
});
