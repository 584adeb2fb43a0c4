// The ways that pending lines leave: all where they are few, and their text says them exactly.

import { array, assert, integer, nat, option, property, tuple, uniqueArray } from "fast-check";
import { expect, test } from "vitest";
import { LINE, type PendingLine, type Survivors } from "../../../src/machine/pmem/crash.ts";
import type { LogEntry } from "../../../src/machine/pmem/log.ts";
import { choicesOf, parseSurvivors, printSurvivors } from "../../../src/lab/crash/survivors.ts";
import { parseFailure, printFailure } from "../../../src/lab/crash/text.ts";

const store = (dataAt: number): LogEntry => ({
  event: 1,
  writer: 0,
  task: 0,
  step: 0,
  offset: 0,
  length: 8,
  dataAt,
});

/** A line with whole stores of so many words each, the first `open` of which may have arrived. */
function line(number: number, words: readonly number[], open: number): PendingLine {
  const ends = words.map((_, index) => words.slice(0, index + 1).reduce((all, one) => all + one, 0));
  const reach = open === 0 ? 0 : (ends[open - 1] as number);
  return { offset: number * LINE, stores: words.map((_, index) => store(number * 10 + index)), ends, reach };
}

const textOf = (survivors: Survivors): string =>
  [...survivors]
    .filter(([, words]) => words > 0)
    .map(([offset, words]) => `${offset / LINE}:${words}`)
    .toSorted()
    .join();

const pending = array(
  tuple(array(integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 3 }), nat(3)).map(([words, open]) => ({
    words,
    open: Math.min(open, words.length),
  })),
  { maxLength: 4 },
);

test("few lines leave every combination of their stores, each once", () => {
  assert(
    property(pending, (given) => {
      const lines = given.map(({ words, open }, index) => line(index + 1, words, open));
      const { complete, ways } = choicesOf(lines, 16, 1);
      expect(complete).toBe(true);
      let model = [""];
      for (const [index, { open }] of given.entries()) {
        const { ends } = lines[index] as PendingLine;
        const kept = [0, ...ends.slice(0, open)];
        model = model.flatMap((before) =>
          kept.map((words) =>
            [before, words === 0 ? "" : `${index + 1}:${words}`].filter((part) => part !== "").join(),
          ),
        );
      }
      const found = [...ways].map(textOf);
      expect(new Set(found).size).toBe(found.length);
      expect(found.toSorted()).toEqual(model.toSorted());
    }),
  );
});

test("many lines leave chosen ways: none lost, all lost, and no more words than can have arrived", () => {
  const lines = Array.from({ length: 200 }, (_, index) => line(index, [8], index % 5 === 0 ? 0 : 1));
  const { complete, ways } = choicesOf(lines, 4, 1);
  expect(complete).toBe(false);
  const found = [...ways];
  const open = lines.filter(({ reach }) => reach > 0);
  expect(found.map(textOf)).toContain(
    open
      .map(({ offset }) => `${offset / LINE}:8`)
      .toSorted()
      .join(),
  );
  expect(found.map(textOf)).toContain("");
  expect(found.some((way) => [...way.values()].some((words) => words % 8 !== 0))).toBe(true);
  for (const way of found) {
    for (const [offset, words] of way) {
      expect(words).toBeLessThanOrEqual(lines.find((one) => one.offset === offset)?.reach ?? 0);
    }
  }
});

test("text says survivors exactly", () => {
  const survivors = uniqueArray(tuple(nat(300), integer({ min: 1, max: 40 })), {
    selector: ([number]) => number,
  });
  assert(
    property(survivors, (pairs) => {
      const given = new Map(pairs.map(([number, words]) => [number * LINE, words]));
      expect(textOf(parseSurvivors(printSurvivors(given)))).toBe(textOf(given));
    }),
  );
});

const survivorsOf = (pairs: [number, number][]): Map<number, number> =>
  new Map(pairs.toSorted(([a], [b]) => a - b).map(([number, words]) => [number * LINE, words]));

test("a schedule's text says a failure exactly, and one during recovery", () => {
  const lines = uniqueArray(tuple(nat(300), integer({ min: 1, max: 40 })), {
    selector: ([number]) => number,
  });
  const second = option(tuple(nat(99), lines), { nil: undefined });
  assert(
    property(nat(9999), nat(9999), lines, second, (entries, steps, first, again) => {
      const failure = {
        point: { entries, steps },
        survivors: survivorsOf(first),
        ...(again && { again: { entries: again[0], survivors: survivorsOf(again[1]) } }),
      };
      expect(parseFailure(printFailure("none", failure))).toEqual({ domain: "none", failure });
    }),
  );
});

test.each([
  "adr@1:none",
  "adr@1.2:",
  "bbu@1.2:none",
  "adr@1.2:none+",
  "adr@1.2:none+3",
  "adr@1.2:none+3.4:none",
])("%j is refused as a power failure", (text) => {
  expect(() => parseFailure(text)).toThrow(/a power failure is|lines/);
});

test.each(["", "1f0", "1f0.0*8", "1f0.2", "zz.1*1", "1f0.1*8-", "1f0.99999999*1"])(
  "%j is refused as a list of lines",
  (text) => {
    expect(() => parseSurvivors(text)).toThrow(/lines/);
  },
);
