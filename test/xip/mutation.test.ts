// Every line of defence of the serialized design is needed: taken out, a scenario notices.
//
// The mutants run without lockdep, so that what is found are races and not assertions that a lock is held;
// but for those that say so.

import { expect, test } from "vitest";
import { explore } from "../support/kept.ts";
import { bodiesOf, compiledText, writeMutant, type Change } from "../support/mutate.ts";
import { mutants } from "./mutants.ts";

const DESIGN = "ext4-xip-serialized";

test.each(mutants)("without $without, $scenario breaks $breaks", async (mutant) => {
  const { path, remove } = writeMutant(DESIGN, mutant.change, mutant.module);
  try {
    const { violation } = await explore(mutant.scenario, {
      design: path,
      strategy: "exhaustive",
      preemptions: 2,
      timeout: 100_000,
      options: { lockdep: mutant.lockdep ?? 0 },
    });
    expect(violation?.promise, violation?.message ?? "every promise was kept").toBe(mutant.breaks);
  } finally {
    remove();
  }
});

/** The names that a module imports from locks/. */
function lockNames(text: string): string {
  const imports = [...text.matchAll(/import \{([^}]*)\} from "[^"]*\/locks\/[^"]*";/g)];
  return imports.flatMap(([, names = ""]) => names.split(",").map((name) => name.trim())).join("|");
}

/** Each call of them, as "function: call". */
function lockCalls(text: string): string[] {
  const calls = new RegExp(String.raw`\b(?:${lockNames(text)})\([^()]*\);`, "g");
  return bodiesOf(text).flatMap(({ name, body }) =>
    [...body.matchAll(calls)].map(([call]) => `${name}: ${call}`),
  );
}

function missingAfter(change: Change, text: string): string[] {
  const left = lockCalls(change(text));
  return lockCalls(text).filter((call) => {
    const at = left.indexOf(call);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

// A handle holds commits off, too.  No mutant leaves one out: without it nothing can be changed at all.
test.each([`designs/${DESIGN}`, "space", "ranges"])(
  "some mutant leaves out each lock that %s takes",
  (module) => {
    const text = compiledText(module);
    const mine = mutants.filter(({ module: changed = `designs/${DESIGN}` }) => changed === module);
    const missing = new Set(mine.flatMap(({ change }) => missingAfter(change, text)));
    const calls = lockCalls(text);
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.filter((call) => !missing.has(call))).toEqual([]);
    // No call escapes the pattern.
    expect(text.match(new RegExp(String.raw`\b(?:${lockNames(text)})\(`, "g"))).toHaveLength(calls.length);
  },
);
