// What a test of a historical bug asserts: who breaks which promise, and who keeps all.

import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import type { PromiseName, Violation } from "../../src/index.ts";
import { crash, explore, replay } from "../support/kept.ts";
import { writeMutant, type Change } from "../support/mutate.ts";

/** A scenario that stands beside the tests of history, by its name. */
export const besides = (name: string): string =>
  fileURLToPath(new URL(`./scenarios/${name}.js`, import.meta.url));

/**
 * The design breaks the promise in the scenario, and the schedule that is printed breaks it again, with the
 * same story.
 */
export async function breaks(
  design: string,
  scenario: string,
  promise: PromiseName,
  options: { lockdep?: 0 | 1 } = {},
): Promise<Violation> {
  const { violation } = await explore(scenario, { design, strategy: "exhaustive", options });
  if (violation === undefined) throw new Error(`${design} keeps every promise in ${scenario}`);
  expect(violation.promise, violation.message).toBe(promise);
  const { schedule, story } = violation;
  const again = await replay(scenario, { design, schedule, times: 2 });
  expect(again.warning).toBe(undefined);
  expect(again.broken).toBe(2);
  expect(again.violation?.promise).toBe(promise);
  expect(again.violation?.story).toBe(story);
  return violation;
}

/** The design keeps every promise in every schedule with at most so many preemptions. */
export async function survives(design: string, scenario: string, preemptions = 2): Promise<void> {
  const found = await explore(scenario, { design, strategy: "exhaustive", preemptions });
  expect(found.violation?.message).toBe(undefined);
  expect(found.complete).toBe(true);
}

/** The same of power failures: a state breaks the promise, and the text that is printed brings it back. */
export async function breaksInCrash(
  design: string,
  scenario: string,
  promise: PromiseName,
  preemptions = 0,
): Promise<Violation> {
  const { violation } = await crash(scenario, { design, preemptions, workers: 1 });
  if (violation === undefined) throw new Error(`${design} keeps every promise in ${scenario}`);
  expect(violation.promise, violation.message).toBe(promise);
  const { schedule, story } = violation;
  const again = await replay(scenario, { design, schedule, times: 2 });
  expect(again.broken).toBe(2);
  expect(again.violation?.story).toBe(story);
  return violation;
}

/** No state breaks anything; `complete`: and those were all that there are. */
export async function survivesCrash(
  design: string,
  scenario: string,
  complete: boolean,
  preemptions = 0,
): Promise<void> {
  const found = await crash(scenario, { design, preemptions, workers: 1 });
  expect(found.violation?.message).toBe(undefined);
  expect(found.finished).toBe(true);
  expect(found.complete).toBe(complete);
}

/** Lends a design with a change, such as the undoing of a fix. */
export async function withChange(
  design: string,
  change: Change,
  use: (changed: string) => Promise<void>,
  module?: string,
): Promise<void> {
  const { path, remove } = writeMutant(design, change, module);
  try {
    await use(path);
  } finally {
    remove();
  }
}
