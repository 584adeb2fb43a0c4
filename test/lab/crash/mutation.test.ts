// Every flush and every fence between a program's bytes and a durable transaction is needed: left out, a scenario for power
// failures notices.

import { afterAll, expect, test } from "vitest";
import { Copy } from "./copy.ts";
import { mutants } from "./mutants.ts";

const copy = new Copy();
afterAll(() => copy.remove());

test.each(mutants.filter(({ nested }) => nested === undefined))(
  "without $without, $scenario breaks $breaks",
  async (mutant) => {
    const { module, change, scenario, breaks, design = "ext4-xip-serialized", preemptions = 0 } = mutant;
    const { crash } = copy.load<typeof import("../../../src/lab/crash.ts")>("lab/crash");
    const { violation } = await copy.with(module, change, () =>
      crash(scenario, { design, preemptions, workers: 1 }),
    );
    expect(violation?.promise, violation?.message ?? "every promise was kept").toBe(breaks);
  },
);

test.each(mutants.filter(({ nested }) => nested === true))(
  "without $without, a failure during recovery breaks $breaks in $scenario, one failure does not, and the text replays",
  async ({ module, change, scenario, breaks }) => {
    const { crash } = copy.load<typeof import("../../../src/lab/crash.ts")>("lab/crash");
    const { replay } = copy.load<typeof import("../../../src/lab/replay.ts")>("lab/replay");
    const design = "ext4-xip-serialized";
    await copy.with(module, change, async () => {
      expect((await crash(scenario, { design, workers: 1 })).violation?.message).toBe(undefined);
      const { violation, broken } = await crash(scenario, { design, nested: true, workers: 1 });
      expect(violation?.promise).toBe(breaks);
      expect(violation?.story).toMatch(/^(Lost when it|It) failed again/m);
      expect(broken).toBeGreaterThan(0);
      const again = await replay(undefined, { schedule: violation?.schedule ?? "", times: 3 });
      expect(again.broken).toBe(3);
      expect(again.violation?.story).toBe(violation?.story);
    });
  },
);
