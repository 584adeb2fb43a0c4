import { expect, test } from "vitest";
import {
  allocateResults,
  clearResults,
  hashResults,
  loadResult,
  storeResult,
} from "../../../src/lab/run/results.ts";
import { createMemory } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";

const mem = createMemory(1 * MIB);
const results = allocateResults(mem, 3);

const values: unknown[] = [
  undefined,
  0,
  -1.5,
  NaN,
  "",
  "grüße",
  new Uint8Array(0),
  new Uint8Array([1, 2, 3]),
  new Uint8Array(4096).fill(0xaa),
  { code: "SIGBUS", at: [1, 2] },
  [new Uint8Array([7])],
  null,
  true,
  12n,
];

test("what a task returns comes back equal, also after something longer lay in its slot", () => {
  for (const value of values) {
    storeResult(mem, results, 1, new Uint8Array(5000).fill(0xff));
    storeResult(mem, results, 1, value);
    expect(loadResult(mem, results, 1)).toEqual(value);
  }
});

test("equal results have equal hashes whatever lay there before, different ones differ", () => {
  const hashes = values.map((value) => {
    const [first, second] = [0, 0xff].map((fill) => {
      clearResults(mem, results, 3);
      storeResult(mem, results, 2, new Uint8Array(5000).fill(fill));
      storeResult(mem, results, 2, value);
      return hashResults(mem, results, 3);
    });
    expect(second).toBe(first);
    return first;
  });
  expect(new Set(hashes).size).toBe(values.length);
});

test("results in another order of tasks have another hash", () => {
  clearResults(mem, results, 3);
  storeResult(mem, results, 0, "a");
  const one = hashResults(mem, results, 3);
  clearResults(mem, results, 3);
  storeResult(mem, results, 1, "a");
  expect(hashResults(mem, results, 3)).not.toBe(one);
});

test("what cannot be carried is refused", () => {
  expect(() => storeResult(mem, results, 0, () => 1)).toThrow();
  expect(() => storeResult(mem, results, 0, new Uint8Array(1 << 20))).toThrow(/at most 262144 bytes/);
});
