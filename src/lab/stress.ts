// stress: the tasks of a scenario, or of a random workload, run free on real cores, again and again.  The
// same promises are checked after each round; no scheduler takes part, only the hardware and, when asked
// for, random delays.

import { DEFAULT_MEDIA, MAX_TASKS } from "../machine/limits.ts";
import type { Design } from "../xip/design.ts";
import { Crews } from "./host/crews.ts";
import { checkJobOptions, Jobs, type JobOptions } from "./host/jobs.ts";
import { loadDesign, loadScenario, placeOf } from "./load.ts";
import { checkOptions, type MachineOptions } from "./options.ts";
import { allocateResults } from "./run/results.ts";
import { makeRounds, type FreeViolation, type RoundsOrder, type RoundsReport } from "./run/rounds.ts";
import { withKjournald } from "./run/kjournald.ts";
import { taskNames, type Scenario } from "./scenario.ts";
import { knownKeys, shown, UsageError, wholeNumber } from "./usage.ts";
import { checkWeights, workloadScenario, type Weights, type Workload } from "./workload/workload.ts";

/** What `stress` takes. */
export interface StressOptions extends JobOptions {
  /** A built-in design's name, or the path of a design's module. */
  design: string | Design;
  /** Whose tasks run; default a random workload. */
  scenario?: string | Scenario;
  /** Workload: how often each call is made, relative to the others. */
  ops?: Weights;
  /** Workload: how many tasks; default 4. */
  tasks?: number;
  /** Workload: how many files they share; default 2. */
  files?: number;
  /** The same seed makes the same calls; how they overlap is up to the hardware.  Default 1. */
  seed?: number;
  /** The share of steps before which a task is delayed, 0 to 1; default 0. */
  chaos?: number;
  /** Ends after so many rounds.  Default: no end but the timeout, which is 10 s unless given. */
  rounds?: number;
  /** Tunables of the machine, over those of the scenario. */
  options?: MachineOptions;
}

/** What came of free running. */
export interface StressResult {
  /** How often all tasks have run. */
  readonly rounds: number;
  readonly violation?: FreeViolation;
  /** Milliseconds. */
  readonly elapsed: number;
}

const KEYS = [
  "design",
  "scenario",
  "ops",
  "tasks",
  "files",
  "seed",
  "chaos",
  "rounds",
  "options",
  "timeout",
  "signal",
  "onProgress",
];
const TIMEOUT_MS = 10_000;
const MAX_ROUNDS = 2 ** 32 - 2;
const MAX_FILES = 16;

/** Runs until the time is over, a promise breaks or the signal comes.  Throws as `explore` does. */
export async function stress(options: StressOptions): Promise<StressResult> {
  if (typeof options !== "object" || options === null) {
    throw new UsageError(`stress takes { design, scenario or ops, … }, not ${shown(options)}`);
  }
  knownKeys("stress", options, KEYS);
  checkJobOptions(options);
  const given = options.scenario === undefined ? workloadOf(options) : await loadScenario(options.scenario);
  if (options.scenario !== undefined) refuseWorkload(options);
  const placed = await loadDesign(options.design);
  const design = placeOf(placed);
  const chaos = options.chaos ?? 0;
  if (typeof chaos !== "number" || !(chaos >= 0 && chaos <= 1)) {
    throw new UsageError(`chaos is a share of steps from 0 to 1, not ${shown(chaos)}`);
  }
  const loaded = "weights" in given ? workloadScenario(given, () => 0) : given;
  const machine = { ...loaded.options, ...checkOptions(options.options) };
  const scenario = withKjournald(loaded, machine);
  const tasks = taskNames(scenario);
  const limit = wholeNumber("rounds", options.rounds ?? MAX_ROUNDS, 1, MAX_ROUNDS);
  const seed = wholeNumber("seed", options.seed ?? 1, 0, 2 ** 32 - 1);
  const timeout = options.timeout ?? (options.rounds === undefined ? TIMEOUT_MS : undefined);
  const crews = new Crews();
  try {
    const jobs = new Jobs<RoundsReport>(crews, { ...options, ...(timeout !== undefined && { timeout }) });
    const order = (mem: Parameters<typeof makeRounds>[0], control: number): RoundsOrder => ({
      scenario: "weights" in given ? given : given.url,
      design,
      options: machine,
      control,
      results: allocateResults(mem, tasks.length),
      rounds: makeRounds(mem),
      seed,
      chaos,
      limit,
    });
    const spec = { size: scenario.size ?? DEFAULT_MEDIA, options: { ...placed.design.options, ...machine } };
    const work = { tasks, machine: spec, module: "../run/rounds.js", entry: "runRounds", order };
    const [done] = await jobs.run([work], () => false);
    const violation = done?.report?.violation;
    const rounds = done?.report?.rounds ?? done?.runs ?? 0;
    return { rounds, ...(violation !== undefined && { violation }), elapsed: jobs.elapsed };
  } finally {
    await crews.close();
  }
}

function workloadOf({ ops, tasks = 4, files = 2, seed = 1 }: StressOptions): Workload {
  return {
    weights: checkWeights(ops),
    tasks: wholeNumber("tasks", tasks, 1, MAX_TASKS),
    files: wholeNumber("files", files, 1, MAX_FILES),
    seed,
  };
}

function refuseWorkload(options: StressOptions): void {
  for (const key of ["ops", "tasks", "files"] as const) {
    if (options[key] !== undefined)
      throw new UsageError(`${key} is for the random workload, not for a scenario`);
  }
}
