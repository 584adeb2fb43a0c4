// Scenarios and designs by built-in name, by the path of a module, or as the object a module exports.
//
// What looks like a path is one: it has a slash, a backslash or a module's ending.  Everything else is a
// name.  Workers load both again by what `url` or `place` say, so these must lead to the same module there.

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Design } from "../xip/design.ts";
import { designs } from "../xip/designs/index.ts";
import { checkOptions } from "./options.ts";
import { isScenario, refuseForeign, type Scenario } from "./scenario.ts";
import { crashScenarios } from "./scenarios/crash/index.ts";
import { scenarios } from "./scenarios/index.ts";
import { didYouMean, list, shown, UsageError } from "./usage.ts";

/** A design, and by what another thread finds it: a built-in name, or the URL of its module. */
export interface PlacedDesign {
  readonly design: Design;
  readonly place: string;
}

const isPath = (text: string): boolean => /[/\\]|\.[cm]?[jt]s$/.test(text);

/** Throws `UsageError` with one sentence when there is no such scenario, or its module does not load. */
export async function loadScenario(given: unknown): Promise<Scenario> {
  if (isScenario(given)) return given;
  const module = given as { default?: unknown } | null | undefined;
  if (typeof given === "object" && isScenario(module?.default)) return module.default;
  if (typeof given !== "string") {
    refuseForeign("the scenario", module?.default ?? given);
    throw new UsageError(
      `a scenario is a name, a path, or what scenario(import.meta, { … }) returned, not ${shown(given)}`,
    );
  }
  if (!isPath(given) && !given.startsWith("file:")) {
    const known = scenarios.get(given) ?? crashScenarios.get(given);
    if (known !== undefined) return known;
    throw unknownName("scenario", given, [...scenarios.keys(), ...crashScenarios.keys()]);
  }
  const found = await importDefault("scenario", given);
  if (isScenario(found)) return found;
  refuseForeign(`the scenario in ${given}`, found);
  throw new UsageError(
    `${given} is no scenario: its default export is ${shown(found)}, not what scenario(import.meta, { … }) returns`,
  );
}

/** Throws `UsageError` with one sentence when there is no such design, or its module does not load. */
export async function loadDesign(given: unknown): Promise<PlacedDesign> {
  if (typeof given === "string") {
    const known = designs.get(given);
    if (known !== undefined) return { design: known, place: given };
    if (!isPath(given) && !given.startsWith("file:")) throw unknownName("design", given, [...designs.keys()]);
    return { design: checkDesign(given, await importDefault("design", given)), place: urlOf(given) };
  }
  if (given === undefined) {
    throw new UsageError(
      `there is no design given; there are ${list([...designs.keys()])}, and modules' paths`,
    );
  }
  const design = checkDesign("the design", given);
  return { design, place: designs.get(design.name) === design ? design.name : "" };
}

/** The place of a design that workers can load; refuses one that is only an object in this thread. */
export function placeOf({ design, place }: PlacedDesign): string {
  if (place !== "") return place;
  throw new UsageError(
    `design ${design.name} was given as an object; worker threads need its module: give the path`,
  );
}

/** Says which name is near, or, where none is, which there are. */
function unknownName(what: string, given: string, known: readonly string[]): UsageError {
  const better = didYouMean(given, known) || `; there are ${list(known)}`;
  return new UsageError(`there is no ${what} ${shown(given)}${better}`);
}

const urlOf = (path: string): string => (path.startsWith("file:") ? path : pathToFileURL(resolve(path)).href);

async function importDefault(what: string, path: string): Promise<unknown> {
  let loaded: { default?: unknown; design?: unknown };
  try {
    loaded = (await import(urlOf(path))) as typeof loaded;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const words = (error as NodeJS.ErrnoException).message.split("\n")[0];
    const hint =
      (error as NodeJS.ErrnoException).code === "ERR_UNKNOWN_FILE_EXTENSION"
        ? " (this Node loads no TypeScript; compile the module, or use a newer Node)"
        : "";
    throw new UsageError(`the ${what} module ${path} does not load: ${words}${hint}`, { cause: error });
  }
  return loaded.default ?? loaded.design;
}

const METHODS = ["read", "write", "fault", "truncate", "fallocate", "sync"] as const;

function checkDesign(where: string, given: unknown): Design {
  if (typeof given !== "object" || given === null) {
    throw new UsageError(`${where} is no design: its default export is ${shown(given)}`);
  }
  const design = given as Partial<Design>;
  if (typeof design.name !== "string" || !/^[a-z0-9][a-z0-9.-]*$/.test(design.name)) {
    throw new UsageError(
      `${where}: a design has a name of lower-case letters, digits, - and ., not ${shown(design.name)}`,
    );
  }
  for (const method of METHODS) {
    if (typeof design[method] !== "function") {
      throw new UsageError(`design ${design.name} has no function ${method}`);
    }
  }
  checkOptions(design.options);
  return design as Design;
}
