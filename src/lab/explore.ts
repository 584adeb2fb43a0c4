// explore: runs a scenario under a design in many schedules, and reports the first that breaks a promise.
//
// One exploration can use several machines at once, each with its tasks in threads of its own and its own
// seeds; cores are shared out among all explorations of the process (cores.ts).

import { DEFAULT_MEDIA } from "../machine/limits.ts";
import type { Design } from "../xip/design.ts";
import { coreCount } from "./host/cores.ts";
import { Crews } from "./host/crews.ts";
import { checkJobOptions, Jobs, type Done, type JobOptions, type Work } from "./host/jobs.ts";
import { loadDesign, loadScenario, placeOf, type PlacedDesign } from "./load.ts";
import { checkOptions, type MachineOptions } from "./options.ts";
import { allocateResults } from "./run/results.ts";
import type { SearchWork, ShardOrder, ShardReport } from "./run/shard.ts";
import { STRATEGIES, type SearchStrategy } from "./run/strategies.ts";
import type { Violation } from "./run/violation.ts";
import { withKjournald } from "./run/kjournald.ts";
import { taskNames, type Scenario } from "./scenario.ts";
import { knownKeys, list, shown, UsageError, wholeNumber } from "./usage.ts";

/** How schedules are searched, in one exploration or in each cell of a matrix. */
export interface SearchOptions extends JobOptions {
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
  /** How many machines search at once; default as many as there are cores for.  An exhaustive search uses one. */
  workers?: number;
  /** Runs every schedule twice, and throws when the two differ. */
  twice?: boolean;
  /** After a violation, goes on for up to so many runs, and counts those that broke a promise; default 0. */
  goOn?: number;
  /** Tunables of the machine, over those of the scenario. */
  options?: MachineOptions;
}

/** What `explore` takes beside the scenario. */
export interface ExploreOptions extends SearchOptions {
  /** A built-in design's name, or the path of a design's module. */
  design: string | Design;
}

/** What a search has found. */
export interface ExploreResult {
  /** How many schedules were run, some of them perhaps alike. */
  readonly runs: number;
  /** States that runs ended in. */
  readonly distinct: number;
  /** Every schedule within the bound was run; never with random or pct. */
  readonly complete: boolean;
  /** exhaustive: how many of the runs were different schedules within the bound. */
  readonly schedules?: number;
  /** pct: the probability, at least, with which one run meets a bug of the depth that was asked for. */
  readonly bound?: number;
  /** Runs that broke a promise: at most 1 for each machine unless `goOn`. */
  readonly broken: number;
  readonly violation?: Violation;
  /** Milliseconds. */
  readonly elapsed: number;
}

/** The depth of pct where none is asked for. */
export const PCT_DEPTH = 3;

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

/**
 * Runs a scenario in many schedules, until one breaks a promise.  Throws `UsageError` for wrong use, `SetupError` when
 * the setup throws, `TaskError` when a thread dies, `RecordsFull` when a run does more than can be recorded,
 * `NotDeterministic`.
 */
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
  const loaded = await loadScenario(given);
  const design = await loadDesign(options.design);
  const machineOptions = { ...loaded.options, ...checkOptions(options.options) };
  const scenario = withKjournald(loaded, machineOptions);
  const work = checkSearch(options, taskNames(scenario).length);
  const jobs = new Jobs<ShardReport>(crews, options);
  const done = await jobs.run(
    work.map((part) => shardOf(scenario, design, machineOptions, part)),
    ({ violation }) => violation !== undefined && (options.goOn ?? 0) === 0,
  );
  return { ...merge(done.map(reportOf)), elapsed: jobs.elapsed };
}

/** The work of each machine. */
function checkSearch(options: SearchOptions, tasks: number): SearchWork[] {
  const { strategy = "random" } = options;
  checkJobOptions(options);
  if (!STRATEGIES.includes(strategy)) {
    throw new UsageError(`there is no strategy ${shown(strategy)}; there are ${list(STRATEGIES)}`);
  }
  const endless = strategy === "exhaustive" || options.timeout !== undefined;
  const runs = wholeNumber("runs", options.runs ?? (endless ? MAX_RUNS : DEFAULT_RUNS), 1, MAX_RUNS);
  const fitting = Math.max(1, Math.floor(coreCount / tasks));
  const asked = wholeNumber("workers", options.workers ?? fitting, 1, 64);
  const shards = strategy === "exhaustive" ? 1 : Math.min(asked, runs);
  const shared = {
    kind: "search" as const,
    strategy,
    seed: wholeNumber("seed", options.seed ?? 1, 0, 2 ** 32 - 1),
    preemptions: wholeNumber("preemptions", options.preemptions ?? 2, 0, 100),
    depth: wholeNumber("depth", options.depth ?? PCT_DEPTH, 1, 16),
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
  const bounds = reports.flatMap(({ bound }) => bound ?? []);
  return {
    runs: sum(({ runs }) => runs),
    distinct: endStates.size,
    complete: reports.every(({ complete }) => complete),
    broken: sum(({ broken }) => broken),
    ...(schedules !== undefined && { schedules }),
    ...(bounds.length > 0 && { bound: Math.min(...bounds) }),
    ...(violation !== undefined && { violation }),
  };
}

/** The work of one machine of an exploration or a replay. */
export function shardOf(
  scenario: Scenario,
  placed: PlacedDesign,
  options: MachineOptions,
  work: ShardOrder["work"],
  cores?: number,
): Work {
  const design = placeOf(placed);
  const tasks = taskNames(scenario);
  return {
    tasks,
    ...(cores !== undefined && { cores }),
    machine: { size: scenario.size ?? DEFAULT_MEDIA, options: { ...placed.design.options, ...options } },
    module: "../run/shard.js",
    entry: "runShard",
    order: (mem, control): ShardOrder => ({
      scenario: scenario.url,
      design,
      options,
      control,
      results: allocateResults(mem, tasks.length),
      work,
    }),
  };
}

/** What is known of a search: its report, or, when it had to be halted, its counters. */
function reportOf({ report, runs, broken }: Done<ShardReport>): ShardReport {
  return report ?? { runs, broken, complete: false, endStates: new Float64Array() };
}
