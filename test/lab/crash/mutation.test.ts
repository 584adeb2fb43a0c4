// Every flush and every fence between a program's bytes and a durable transaction is needed: left out, a scenario for power
// failures notices; or e2fsck, where our own recovery could do without.

import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { readTree } from "../../../src/ext4/check/tree.ts";
import { header } from "../../../src/machine/layout.ts";
import { e2fsckRecover } from "../../support/e2fsprogs.ts";
import { bareMachine } from "../../support/machine.ts";
import { bodiesOf, type Change } from "../../support/mutate.ts";
import { Copy, sourceText } from "./copy.ts";
import { mutants, orderMutants, type OrderMutant } from "./mutants.ts";
import * as orders from "./orders.ts";

const copy = new Copy();
afterAll(() => copy.remove());

test.each(mutants.filter(({ nested }) => nested === undefined))(
  "without $without, $scenario breaks $breaks",
  async (mutant) => {
    const { module, change, scenario, breaks, design = "ext4-xip-serialized", preemptions = 0 } = mutant;
    const { crash } = copy.load<typeof import("../../../src/lab/crash.ts")>("src/lab/crash");
    const { violation } = await copy.with(module, change, () =>
      crash(scenario, { design, preemptions, workers: 1 }),
    );
    expect(violation?.promise, violation?.message ?? "every promise was kept").toBe(breaks);
  },
);

test.each(mutants.filter(({ nested }) => nested === true))(
  "without $without, a failure during recovery breaks $breaks in $scenario, one failure does not, and the text replays",
  async ({ module, change, scenario, breaks }) => {
    const { crash } = copy.load<typeof import("../../../src/lab/crash.ts")>("src/lab/crash");
    const { replay } = copy.load<typeof import("../../../src/lab/replay.ts")>("src/lab/replay");
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

const reader = bareMachine({ size: orders.MEDIA });

type Wrong = Generator<string>;

function* wrongInLife(from: typeof orders): Wrong {
  for (const { image, size } of from.leftByLife()) {
    const { findings, image: mended } = e2fsckRecover(image);
    reader.write(header(reader).media.start, mended);
    const found = findings === "" ? (readTree(reader).get("/file")?.size ?? -1) : 0;
    yield findings !== "" || found >= size ? findings : `/file has ${found} bytes, not ${size}`;
  }
}

function* wrongAfterRecovery(from: typeof orders): Wrong {
  let right: string | undefined;
  for (const { image, found } of from.leftByRecovery(false)) {
    right ??= found;
    yield found === right ? e2fsckRecover(image).findings : found;
  }
}

const ERROR = "the image is marked as having errors: run e2fsck on it first";
const unless = (found: string): string => (found === ERROR ? "" : found);

const wrongIn: Record<OrderMutant["seenIn"], (from: typeof orders) => Wrong> = {
  "a life": wrongInLife,
  "a recovery": wrongAfterRecovery,
  *"a recovery of an error"(from) {
    for (const { found } of from.leftByRecovery(true)) yield unless(found);
  },
  *"an abort"(from) {
    for (const found of from.foundAfterAbort()) yield unless(found);
  },
};

/** The first thing that is wrong with what a power failure leaves, and in which state. */
function firstWrong(seenIn: OrderMutant["seenIn"], from: typeof orders): { wrong: string; states: number } {
  let states = 0;
  for (const wrong of wrongIn[seenIn](from)) {
    states += 1;
    if (wrong !== "") return { wrong, states };
  }
  return { wrong: "", states };
}

describe("whenever the power fails, what is left of", () => {
  test.each(["a life", "a recovery", "a recovery of an error", "an abort"] as const)(
    "%s is right",
    (seenIn) => {
      const { wrong, states } = firstWrong(seenIn, orders);
      expect(wrong).toBe("");
      expect(states).toBeGreaterThan(seenIn === "an abort" ? 0 : 15);
    },
  );

  test.each(orderMutants)("$seenIn without $without is not", async ({ module, change, seenIn }) => {
    const changed = new Copy();
    const { wrong } = await changed.with(module, change, () =>
      firstWrong(seenIn, changed.load<typeof orders>("test/lab/crash/orders")),
    );
    changed.remove();
    expect(wrong).not.toBe("");
  });
});

/** Each flush and fence in a module, as "function: call". */
function callsIn(text: string): string[] {
  return bodiesOf(text).flatMap(({ name, body }) =>
    [...body.matchAll(/\b(?:flush|fence)\([^;]*\);/g)].map(([call]) => `${name}: ${call}`),
  );
}

function missingAfter(change: Change, text: string): string[] {
  const left = callsIn(change(text));
  return callsIn(text).filter((call) => {
    const at = left.indexOf(call);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

test("some mutant leaves out each flush and each fence that the kernel makes", () => {
  const src = fileURLToPath(new URL("../../../src/", import.meta.url));
  // But for the two that are a program's own: sys.flush and sys.drain.
  const kernel = /^(?:locks|mm|ext4|xip|syscalls)\/(?!sys\.js$).*\.js$/;
  const modules = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((path) => kernel.test(path));
  let count = 0;
  for (const module of modules.map((path) => path.slice(0, -".js".length))) {
    const text = sourceText(module);
    const calls = callsIn(text);
    count += calls.length;
    // No call escapes the pattern.
    expect(text.match(/\b(?:flush|fence)\(/g) ?? [], module).toHaveLength(calls.length);
    const mine = [...mutants, ...orderMutants].filter((mutant) => mutant.module === module);
    const missing = new Set(mine.flatMap(({ change }) => missingAfter(change, text)));
    expect(
      calls.filter((call) => !missing.has(call)),
      module,
    ).toEqual([]);
  }
  expect(count).toBeGreaterThan(9);
});
