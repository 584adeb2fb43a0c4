// Whatever is in a journal, mount ends: at the last complete transaction, or with a sentence.

import { expect, test } from "vitest";
import { makeBase } from "./build.ts";
import { fuzzJournals } from "./fuzz.ts";

test("damaged journals neither crash nor hang the mount, nor reach beyond the file system", () => {
  const { mounted, refused, problems } = fuzzJournals(makeBase(), 50, 1);
  expect(problems).toEqual([]);
  expect(mounted).toBeGreaterThan(20);
  expect([...refused.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
  expect(refused.size).toBeGreaterThan(3);
});
