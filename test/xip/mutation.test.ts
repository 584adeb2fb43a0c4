// Every line of defence of the serialized design is needed: taken out, a built-in scenario notices.

import { expect, test } from "vitest";
import { explore } from "../../src/index.ts";
import { mutants, writeMutant } from "./mutants.ts";

test.each(mutants)("without $without, $scenario breaks a promise", async (mutant) => {
  const { path, remove } = writeMutant(mutant);
  try {
    const { violation } = await explore(mutant.scenario, {
      design: path,
      strategy: "exhaustive",
      preemptions: 2,
      timeout: 60_000,
      // The races must be found, not the assertions that a lock is held.
      options: { lockdep: 0 },
    });
    expect(violation, `a design without ${mutant.without} kept every promise`).toBeDefined();
  } finally {
    remove();
  }
});
