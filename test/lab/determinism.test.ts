// The same schedule, run twice, makes the same steps and ends in the same state: in every schedule of a small
// scenario and in random schedules of a larger one, under a design that loses data and under the sound one.

import { describe, expect, test } from "vitest";
import { explore } from "../support/kept.ts";

describe.each(["ext4-xip-inline", "ext4-xip-serialized"])("%s", (design) => {
  test("no schedule with at most one preemption of a store beside a truncate differs from itself", async () => {
    const search = { design, strategy: "exhaustive", preemptions: 1, goOn: 1e6, twice: true } as const;
    const { complete, runs } = await explore("store-beside-truncate", search);
    expect(complete).toBe(true);
    expect(runs).toBeGreaterThan(20);
  });

  test("no random schedule of three tasks about a truncate differs from itself", async () => {
    const search = { design, strategy: "random", runs: 150, goOn: 1e6, twice: true, workers: 1 } as const;
    const { runs } = await explore("truncate-and-reuse", search);
    expect(runs).toBe(150);
  });
});
