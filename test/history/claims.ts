// What a test of a historical bug asserts: who breaks which promise, and who keeps all.

import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { explore, replay, type PromiseName, type Violation } from "../../src/index.ts";
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

/** Lends a design with a change, such as the undoing of a fix. */
export async function withChange(
  design: string,
  change: Change,
  use: (changed: string) => Promise<void>,
): Promise<void> {
  const { path, remove } = writeMutant(design, change);
  try {
    await use(path);
  } finally {
    remove();
  }
}
