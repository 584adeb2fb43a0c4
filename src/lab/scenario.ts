// A scenario: a claim, a setup, tasks, and perhaps a check of its own.
//
// It is a module, because functions cannot be sent to workers: every worker imports the module and picks
// its task by name.  So a scenario knows where it lies (`import.meta`), and its name is the module's.

import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import { MAX_TASKS } from "../machine/limits.ts";
import type { Sys } from "../syscalls/sys.ts";
import { checkOptions, checkSize, type MachineOptions } from "./options.ts";
import { knownKeys, shown, UsageError } from "./usage.ts";

/**
 * One task.  What it returns is `seen.<name>` in the check: bytes, a number, a string, anything `structuredClone` takes.
 */
export type Task = (sys: Sys) => unknown;

/** What the tasks returned, by name. */
export type Seen = Record<string, any>;

/** What `scenario` takes. */
export interface ScenarioDefinition {
  /** What must hold in every schedule: one sentence. */
  claim: string;
  /** Runs alone, before the tasks, once for a machine: every run starts from the state it leaves. */
  setup?: (sys: Sys) => void;
  /** One to sixteen tasks by name; they run at once. */
  tasks: Record<string, Task>;
  /** Runs alone, after the tasks.  A sentence when the claim is broken, undefined when it holds. */
  check?: (sys: Sys, seen: Seen) => string | undefined;
  /** Tasks that share a process, by the process's name; a task that is not named is a process of its own. */
  process?: Record<string, string>;
  /** Tunables that the machine needs for this scenario. */
  options?: MachineOptions;
  /** The persistent memory in bytes; default 16 MiB. */
  size?: number;
}

/** A definition that was checked, with the place it was read from. */
export interface Scenario extends Readonly<ScenarioDefinition> {
  readonly name: string;
  /** The module's URL, which every worker imports. */
  readonly url: string;
}

const KEYS = ["claim", "setup", "tasks", "check", "process", "options", "size"] as const;
const NAME = /^[A-Za-z][A-Za-z0-9_-]*$/;
const scenarios = new WeakSet<object>();

/** Where every copy of this module says on a scenario which copy has made it. */
const MAKER = Symbol.for("unwritten.scenario");

/**
 * Checks a definition; the module's default export is what it returns.
 * Throws `UsageError` with one sentence for the first mistake.
 */
export function scenario(meta: ImportMeta | { url: string }, definition: ScenarioDefinition): Scenario {
  const { name, url } = placeOf(meta);
  const what = `scenario ${name}`;
  if (typeof definition !== "object" || definition === null || Array.isArray(definition)) {
    throw new UsageError(`${what} is defined by an object with a claim and tasks, not ${shown(definition)}`);
  }
  knownKeys(what, definition, KEYS);
  if (typeof definition.claim !== "string" || definition.claim.trim() === "") {
    throw new UsageError(`${what} needs a claim: a sentence that says what must hold in every schedule`);
  }
  checkTasks(what, definition.tasks);
  optionalFunction(what, "setup", definition.setup);
  optionalFunction(what, "check", definition.check);
  checkProcesses(what, definition);
  const checked = {
    ...definition,
    name,
    url,
    options: checkOptions(definition.options),
    size: checkSize(definition.size),
  };
  const made = Object.freeze(Object.defineProperty(checked, MAKER, { value: import.meta.url }));
  scenarios.add(made);
  return made;
}

/** Whether a value came out of `scenario()` in this thread. */
export function isScenario(value: unknown): value is Scenario {
  return typeof value === "object" && value !== null && scenarios.has(value);
}

/**
 * Throws `UsageError` for a value that came out of the `scenario()` of another copy of this package: its scenarios are for
 * its own machines.
 */
export function refuseForeign(what: string, value: unknown): void {
  const maker: unknown = (value as { [MAKER]?: unknown } | null | undefined)?.[MAKER];
  if (typeof maker !== "string" || isScenario(value)) return;
  const [theirs, ours] = [maker, import.meta.url].map((url) => fileURLToPath(url));
  throw new UsageError(
    `${what} was made by another copy of unwritten (${theirs}) than the one that is to run it (${ours})`,
  );
}

/** The names of the tasks, in the order of the definition: the first is task 0. */
export function taskNames(of: Scenario): string[] {
  return Object.keys(of.tasks);
}

/** Which process each task belongs to: the number of its first task. */
export function processesOf(of: Scenario): number[] {
  const names = taskNames(of);
  const owners = names.map((name) => of.process?.[name]);
  return owners.map((owner, task) => (owner === undefined ? task : owners.indexOf(owner)));
}

function placeOf(meta: { url: string }): { name: string; url: string } {
  const url = (meta as Partial<ImportMeta> | undefined)?.url;
  if (typeof url !== "string" || !URL.canParse(url)) {
    throw new UsageError(
      "scenario(import.meta, { … }): the first argument is import.meta, by which workers find the module",
    );
  }
  const path = url.startsWith("file:") ? fileURLToPath(url) : new URL(url).pathname;
  const name = basename(path, extname(path));
  if (!NAME.test(name)) {
    throw new UsageError(
      `a scenario is named after its module, and ${shown(name)} does not do: letters, digits, - and _, a letter first`,
    );
  }
  return { name, url };
}

function checkTasks(what: string, tasks: unknown): void {
  if (typeof tasks !== "object" || tasks === null || Array.isArray(tasks)) {
    throw new UsageError(`${what} needs tasks: an object of functions by name, not ${shown(tasks)}`);
  }
  const entries = Object.entries(tasks);
  if (entries.length === 0) throw new UsageError(`${what} has no tasks; give it at least one`);
  if (entries.length > MAX_TASKS) {
    throw new UsageError(`${what} has ${entries.length} tasks; a machine runs at most ${MAX_TASKS}`);
  }
  for (const [name, task] of entries) {
    if (!NAME.test(name)) {
      throw new UsageError(
        `${what}: a task cannot be named ${shown(name)}; letters, digits, - and _, a letter first`,
      );
    }
    if (typeof task !== "function") {
      throw new UsageError(`${what}: task ${name} is a function (sys) => result, not ${shown(task)}`);
    }
    synchronous(what, `task ${name}`, task);
  }
}

function optionalFunction(what: string, key: string, value: unknown): void {
  if (value === undefined) return;
  if (typeof value !== "function") {
    throw new UsageError(`${what}: ${key} is a function, not ${shown(value)}`);
  }
  synchronous(what, key, value);
}

/** Neither async nor a generator: nobody would wait for the rest of it. */
function synchronous(what: string, key: string, { constructor }: Function): void {
  if (constructor.name === "Function") return;
  throw new UsageError(`${what}: ${key} is an ordinary function; system calls do not wait for promises`);
}

function checkProcesses(what: string, { process, tasks }: ScenarioDefinition): void {
  if (process === undefined) return;
  if (typeof process !== "object" || process === null || Array.isArray(process)) {
    throw new UsageError(`${what}: process maps names of tasks to names of processes, not ${shown(process)}`);
  }
  for (const [task, owner] of Object.entries(process)) {
    if (!Object.hasOwn(tasks, task)) {
      throw new UsageError(`${what}: process names ${shown(task)}, which is no task of it`);
    }
    if (typeof owner !== "string" || owner === "") {
      throw new UsageError(`${what}: process.${task} is the name of a process, not ${shown(owner)}`);
    }
  }
}
