import { expect, test } from "vitest";
import { checkOptions, checkSize, optionsFromText } from "../../src/lab/options.ts";
import {
  isScenario,
  processesOf,
  scenario,
  taskNames,
  type ScenarioDefinition,
} from "../../src/lab/scenario.ts";
import { UsageError } from "../../src/lab/usage.ts";

const meta = { url: "file:///somewhere/torn-read.ts" };
const claim = "A reader sees all or nothing.";
const task = (): void => {};
const refusal = (definition: unknown, where: unknown = meta): string => {
  try {
    scenario(where as { url: string }, definition as ScenarioDefinition);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return "not refused";
};

test("a scenario is named after its module, and its tasks are numbered in the order of the definition", () => {
  const made = scenario(meta, {
    claim,
    tasks: { writer: task, reader: task, other: task },
    process: { writer: "a", other: "a" },
  });
  expect(made.name).toBe("torn-read");
  expect(made.url).toBe(meta.url);
  expect(taskNames(made)).toEqual(["writer", "reader", "other"]);
  expect(processesOf(made)).toEqual([0, 1, 0]);
  expect(isScenario(made)).toBe(true);
  expect(isScenario({ ...made })).toBe(false);
});

test("every mistake in a definition is refused with one sentence that names it", () => {
  const many = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`t${i}`, task]));
  expect(refusal(undefined)).toMatch(/defined by an object/);
  expect(refusal({ tasks: { a: task } })).toMatch(/needs a claim/);
  expect(refusal({ claim: " ", tasks: { a: task } })).toMatch(/needs a claim/);
  expect(refusal({ claim })).toMatch(/needs tasks/);
  expect(refusal({ claim, tasks: {} })).toMatch(/has no tasks/);
  expect(refusal({ claim, tasks: { a: 3 } })).toBe(
    "scenario torn-read: task a is a function (sys) => result, not 3",
  );
  expect(refusal({ claim, tasks: { a: async () => {} } })).toMatch(/do not wait for promises/);
  expect(refusal({ claim, tasks: { "a b": task } })).toMatch(/cannot be named "a b"/);
  expect(refusal({ claim, tasks: { "1": task } })).toMatch(/cannot be named "1"/);
  expect(refusal({ claim, tasks: many })).toBe("scenario torn-read has 17 tasks; a machine runs at most 16");
  expect(refusal({ claim, tasks: { a: task }, stup: task })).toMatch(/has no "stup"; it has claim, setup/);
  expect(refusal({ claim, tasks: { a: task }, check: "x" })).toMatch(/check is a function, not "x"/);
  expect(refusal({ claim, tasks: { a: task }, setup: async () => {} })).toMatch(/do not wait for promises/);
  expect(refusal({ claim, tasks: { a: task }, process: { b: "p" } })).toMatch(/"b", which is no task/);
  expect(refusal({ claim, tasks: { a: task }, process: { a: 1 } })).toMatch(/process.a is the name/);
  expect(refusal({ claim, tasks: { a: task }, options: { pice: 64 } })).toMatch(/options has no "pice"/);
  expect(refusal({ claim, tasks: { a: task }, size: 5000 })).toMatch(/size is a whole number from 1048576/);
  expect(refusal({ claim, tasks: { a: task } }, {})).toMatch(/first argument is import.meta/);
  expect(refusal({ claim, tasks: { a: task } }, { url: "file:///x/a*b.ts" })).toMatch(
    /named after its module/,
  );
});

test("options are read from text as from numbers, and what is out of range is refused", () => {
  expect(optionsFromText({ piece: "64", extent_max_zeroout_kb: "32" })).toEqual(
    checkOptions({ piece: 64, extent_max_zeroout_kb: 32 }),
  );
  for (const bad of [
    { piece: 65 },
    { piece: 96 },
    { piece: 32 },
    { piece: "64" },
    { lockdep: 2 },
    [],
    3,
    null,
  ]) {
    expect(() => checkOptions(bad)).toThrow(UsageError);
  }
  for (const bad of [{ piece: "" }, { piece: "x" }, { other: "1" }] as Record<string, string>[]) {
    expect(() => optionsFromText(bad)).toThrow(UsageError);
  }
  for (const size of [0, -4096, 2 ** 20 + 1, 2 ** 32, 1.5 * 2 ** 20 + 0.5, "16"]) {
    expect(() => checkSize(size)).toThrow(UsageError);
  }
});
