// explore: runs a scenario under a design in many schedules, and reports the first that breaks a promise.
//
// One exploration can use several machines at once, each with its tasks in threads of its own and its own
// seeds; cores are shared out among all explorations of the process (cores.ts).

import type { Job } from "../sched/pool.ts";
import type { Design } from "../xip/design.ts";
import { coreCount } from "./cores.ts";
import { Crews } from "./crews.ts";
import { loadDesign, loadScenario, placeOf } from "./load.ts";
import { bootMemory } from "./memory.ts";
import { checkOptions, type MachineOptions } from "./options.ts";
import { allocateResults } from "./run/results.ts";
import { askToStop, makeControl, type Control } from "./run/control.ts";
import type { SearchWork, ShardOrder, ShardReport } from "./run/shard.ts";
import { STRATEGIES, type SearchStrategy } from "./run/strategies.ts";
import type { Violation } from "./run/violation.ts";
import { taskNames, type Scenario } from "./scenario.ts";
import { knownKeys, list, shown, UsageError, wholeNumber } from "./usage.ts";

export interface Progress {
  readonly runs: number;
  /** Distinct states that runs have ended in. */
  readonly distinct: number;
  /** Runs that broke a promise. */
  readonly violations: number;
}

export interface SearchOptions {
  /** Default "random". */
  strategy?: SearchStrategy;
  /** Ends after so many runs.  Default 10,000, or no end when there is a timeout or the search is exhaustive. */
  runs?: number;
  /** random, pct: the same seed gives the same schedules; default 1. */
  seed?: number;
  /** exhaustive: every schedule with at most so many preemptions; default 2. */
  preemptions?: number;
  /** pct: how many ordered events make the bug; default 3. */
  depth?: number;
  /** Ends after so many milliseconds. */
  timeout?: number;
  /** How many machines search at once; default as many as there are cores for.  An exhaustive search uses one. */
  workers?: number;
  /** Runs every schedule twice, and throws when the two differ. */
  twice?: boolean;
  /** After a violation, goes on for up to so many runs, and counts those that broke a promise; default 0. */
  goOn?: number;
  /** Tunables of the machine, over those of the scenario. */
  options?: MachineOptions;
  /** Ends the search; what was found so far is the result. */
  signal?: AbortSignal;
  /** Called a few times a second. */
  onProgress?: (progress: Progress) => void;
}

export interface ExploreOptions extends SearchOptions {
  /** A built-in design's name, or the path of a design's module. */
  design: string | Design;
}

export interface ExploreResult {
  readonly runs: number;
  readonly distinct: number;
  /** Every schedule within the bound was run; never with random or pct. */
  readonly complete: boolean;
  /** exhaustive: how many of the runs were different schedules within the bound. */
  readonly schedules?: number;
  /** Runs that broke a promise: at most 1 for each machine unless `goOn`. */
  readonly broken: number;
  readonly violation?: Violation;
  /** Milliseconds. */
  readonly elapsed: number;
}

export const SEARCH_KEYS = [
  "strategy",
  "runs",
  "seed",
  "preemptions",
  "depth",
  "timeout",
  "workers",
  "twice",
  "goOn",
  "options",
  "signal",
  "onProgress",
] as const;
const DEFAULT_RUNS = 10_000;
const MAX_RUNS = 1e12;
const LOOK_MS = 100;
/** How long a lead that was asked to stop may take before its machine is halted. */
const GRACE_MS = 10_000;

/** Searches.  Throws `UsageError` for wrong use, `TaskError` when a thread dies, `NotDeterministic`. */
export async function explore(scenario: string | Scenario, options: ExploreOptions): Promise<ExploreResult> {
  const crews = new Crews();
  try {
    return await exploreWith(crews, scenario, options);
  } finally {
    await crews.close();
  }
}

/** The same with threads that the caller keeps for more. */
export async function exploreWith(
  crews: Crews,
  given: string | Scenario,
  options: ExploreOptions,
): Promise<ExploreResult> {
  if (typeof options !== "object" || options === null) {
    throw new UsageError(`explore takes { design, strategy, … }, not ${shown(options)}`);
  }
  knownKeys("explore", options, ["design", ...SEARCH_KEYS]);
  const scenario = await loadScenario(given);
  const design = placeOf(await loadDesign(options.design));
  const work = checkSearch(options, taskNames(scenario).length);
  const machineOptions = { ...scenario.options, ...checkOptions(options.options) };
  const begin = performance.now();
  const search = new Search(crews, scenario, design, machineOptions, options);
  const reports = await search.run(work);
  return { ...merge(reports), elapsed: performance.now() - begin };
}

/** The work of each machine. */
function checkSearch(options: SearchOptions, tasks: number): SearchWork[] {
  const { strategy = "random", signal, onProgress } = options;
  if (!STRATEGIES.includes(strategy)) {
    throw new UsageError(`there is no strategy ${shown(strategy)}; there are ${list(STRATEGIES)}`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new UsageError(`signal is an AbortSignal, not ${shown(signal)}`);
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw new UsageError(`onProgress is a function, not ${shown(onProgress)}`);
  }
  const endless = strategy === "exhaustive" || options.timeout !== undefined;
  const runs = wholeNumber("runs", options.runs ?? (endless ? MAX_RUNS : DEFAULT_RUNS), 1, MAX_RUNS);
  if (options.timeout !== undefined) wholeNumber("timeout", options.timeout, 1, 2 ** 31 - 1);
  const fitting = Math.max(1, Math.floor(coreCount / tasks));
  const asked = wholeNumber("workers", options.workers ?? fitting, 1, 64);
  const shards = strategy === "exhaustive" ? 1 : Math.min(asked, runs);
  const shared = {
    kind: "search" as const,
    strategy,
    seed: wholeNumber("seed", options.seed ?? 1, 0, 2 ** 32 - 1),
    preemptions: wholeNumber("preemptions", options.preemptions ?? 2, 0, 100),
    depth: wholeNumber("depth", options.depth ?? 3, 1, 16),
    twice: options.twice ?? false,
    goOn: wholeNumber("goOn", options.goOn ?? 0, 0, MAX_RUNS),
    shards,
  };
  return Array.from({ length: shards }, (_, shard) => ({
    ...shared,
    shard,
    runs: Math.floor(runs / shards) + (shard < runs % shards ? 1 : 0),
  }));
}

function merge(reports: readonly ShardReport[]): Omit<ExploreResult, "elapsed"> {
  const endStates = new Set<number>();
  for (const report of reports) for (const hash of report.endStates) endStates.add(hash);
  const sum = (pick: (report: ShardReport) => number): number =>
    reports.reduce((total, report) => total + pick(report), 0);
  const violation = reports.find((report) => report.violation !== undefined)?.violation;
  const schedules = reports[0]?.schedules;
  return {
    runs: sum(({ runs }) => runs),
    distinct: endStates.size,
    complete: reports.every(({ complete }) => complete),
    broken: sum(({ broken }) => broken),
    ...(schedules !== undefined && { schedules }),
    ...(violation !== undefined && { violation }),
  };
}

/** One exploration: its machines, and what stops them. */
export class Search {
  readonly #crews: Crews;
  readonly #scenario: Scenario;
  readonly #design: string;
  readonly #machine: MachineOptions;
  readonly #options: Pick<SearchOptions, "signal" | "timeout" | "onProgress">;
  readonly #controls: Control[] = [];
  readonly #hard = new AbortController();
  #grace: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    crews: Crews,
    scenario: Scenario,
    design: string,
    machine: MachineOptions,
    options: Pick<SearchOptions, "signal" | "timeout" | "onProgress">,
  ) {
    this.#crews = crews;
    this.#scenario = scenario;
    this.#design = design;
    this.#machine = machine;
    this.#options = options;
  }

  /** Each piece of work on a machine of its own.  What one finds stops the others. */
  async run(works: readonly ShardOrder["work"][]): Promise<ShardReport[]> {
    const { signal, timeout, onProgress } = this.#options;
    const stop = (): void => this.#stop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    const timer = timeout === undefined ? undefined : setTimeout(stop, timeout);
    const look = onProgress && setInterval(() => onProgress(this.#progress()), LOOK_MS);
    try {
      return await Promise.all(works.map((work) => this.#machineFor(work)));
    } catch (error) {
      stop();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
      clearTimeout(timer);
      clearTimeout(this.#grace);
      clearInterval(look);
      onProgress?.(this.#progress());
    }
  }

  async #machineFor(work: ShardOrder["work"]): Promise<ShardReport> {
    const tasks = taskNames(this.#scenario);
    const result = await this.#crews.run<ShardReport>(tasks, () => this.#job(work, tasks.length));
    const report = result.values[0] ?? cutShort(this.#controls);
    if (report.violation !== undefined && work.kind === "search" && work.goOn === 0) this.#stop();
    return report;
  }

  /** Boots the machine; called when there are cores for it, so that no more machines exist than run. */
  #job(work: ShardOrder["work"], tasks: number): Job {
    const { url, size } = this.#scenario;
    const mem = bootMemory({ size: size as number, options: this.#machine });
    const control = makeControl(mem);
    this.#controls.push(control);
    if (this.#stopped) askToStop(control);
    const order: ShardOrder = {
      scenario: url,
      design: this.#design,
      options: this.#machine,
      control: control.at,
      results: allocateResults(mem, tasks),
      work,
    };
    return {
      mem,
      module: new URL("./run/shard.js", import.meta.url).href,
      entry: "runShard",
      data: order,
      signal: this.#hard.signal,
    };
  }

  #stop(): void {
    this.#stopped = true;
    for (const control of this.#controls) askToStop(control);
    this.#grace ??= setTimeout(() => this.#hard.abort(), GRACE_MS);
  }

  #progress(): Progress {
    const sum = (pick: (control: Control) => number): number =>
      this.#controls.reduce((total, control) => total + pick(control), 0);
    return {
      runs: sum(({ runs }) => runs),
      distinct: sum(({ distinct }) => distinct),
      violations: sum(({ broken }) => broken),
    };
  }
}

/** What is known of a search whose machine had to be halted. */
function cutShort(controls: readonly Control[]): ShardReport {
  const { runs = 0, broken = 0 } = controls.at(-1) ?? {};
  return { runs, broken, complete: false, endStates: new Float64Array() };
}
