// Every flush and every fence between a program's bytes and a durable transaction is needed: left out, a scenario for power
// failures notices.

import { afterAll, expect, test } from "vitest";
import { Copy } from "./copy.ts";
import { mutants } from "./mutants.ts";

const copy = new Copy();
afterAll(() => copy.remove());

test.each(mutants)("without $without, $scenario breaks $breaks", async (mutant) => {
  const { module, change, scenario, breaks, design = "ext4-xip-serialized", preemptions = 0 } = mutant;
  const { crash } = copy.load<typeof import("../../../src/lab/crash.ts")>("lab/crash");
  const { violation } = await copy.with(module, change, () => crash(scenario, { design, preemptions }));
  expect(violation?.promise, violation?.message ?? "every promise was kept").toBe(breaks);
});
