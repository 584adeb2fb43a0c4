// crash: lets the power fail at every point of the runs of a scenario, brings up every state of the media that this can
// leave, and reports the first that breaks a promise.
//
// Crashes and interleavings are explored together: by default the one run without preemption, with `preemptions` every
// schedule within the bound, with `schedule` that one.  The search ends with the first run in which something broke.
//
// The states are shared out among several machines (states.ts).  Each takes one core: its lead works alone, but for the
// runs themselves.

import { Crews } from "./host/crews.ts";
import { checkJobOptions, Jobs, type JobOptions } from "./host/jobs.ts";
import { loadDesign, loadScenario } from "./load.ts";
import { checkOptions, optionsFromText, type MachineOptions } from "./options.ts";
import { parseSchedule, ScheduleMisfit, turnsOf, type Schedule } from "../sched/schedule.ts";
import { refuseOther, warningOf } from "./replay.ts";
import type { Domain } from "../machine/pmem/crash.ts";
import type { Design } from "../xip/design.ts";
import { merged, type CrashCounts } from "./crash/merge.ts";
import { DOMAINS } from "./crash/text.ts";
import { shardOf } from "./explore.ts";
import { coreCount } from "./host/cores.ts";
import type { ShardReport } from "./run/shard.ts";
import { withKjournald } from "./run/kjournald.ts";
import { taskNames, type Scenario } from "./scenario.ts";
import { knownKeys, list, shown, UsageError, wholeNumber } from "./usage.ts";

/** What `crash` takes beside the scenario. */
export interface CrashOptions extends JobOptions {
  /** A built-in design's name, or the path of a design's module. */
  design: string | Design;
  /**
   * What survives by itself: "adr" (default) what was flushed and fenced, "eadr" every store, "none" as adr, and caches
   * may also give up lines early.
   */
  domain?: Domain;
  /** Every schedule with at most so many preemptions; default 0. */
  preemptions?: number;
  /** This schedule alone, as `explore` prints it. */
  schedule?: string;
  /** Ends after so many schedules; default no end. */
  runs?: number;
  /** At a point where lines that may be lost leave more than 2 to this many ways, some are chosen; default 8. */
  maxLines?: number;
  /** The power also fails during recovery, at each of its points; default false. */
  nested?: boolean;
  /** How many machines share the states; default as many as there are cores.  What is found does not depend on it. */
  workers?: number;
  /** Tunables of the machine, over those of the scenario. */
  options?: MachineOptions;
}

/** What a search for power failures has found, and how long it took. */
export interface CrashResult extends CrashCounts {
  /** Milliseconds. */
  readonly elapsed: number;
}

const KEYS = [
  "design",
  "domain",
  "preemptions",
  "schedule",
  "runs",
  "maxLines",
  "nested",
  "workers",
  "options",
  "timeout",
  "signal",
  "onProgress",
] as const;
const MAX_RUNS = 1e12;

/**
 * Lets the power fail everywhere in the runs of a scenario.  Throws `UsageError` for wrong use, `ScheduleError` for a
 * schedule that is none or of something else, `ScheduleMisfit` when it can no longer be run, otherwise as `explore` does.
 */
export async function crash(given: string | Scenario, options: CrashOptions): Promise<CrashResult> {
  const crews = new Crews();
  try {
    return await crashWith(crews, given, options);
  } finally {
    await crews.close();
  }
}

/** The same with threads that the caller keeps for more. */
export async function crashWith(
  crews: Crews,
  given: string | Scenario,
  options: CrashOptions,
): Promise<CrashResult> {
  if (typeof options !== "object" || options === null) {
    throw new UsageError(`crash takes { design, domain, … }, not ${shown(options)}`);
  }
  knownKeys("crash", options, KEYS);
  checkJobOptions(options);
  const { domain = "adr", nested = false } = options;
  if (typeof nested !== "boolean") throw new UsageError(`nested is true or false, not ${shown(nested)}`);
  if (!DOMAINS.includes(domain)) {
    throw new UsageError(`there is no domain ${shown(domain)}; there are ${list(DOMAINS)}`);
  }
  const loaded = await loadScenario(given);
  const design = await loadDesign(options.design);
  const schedule = options.schedule === undefined ? undefined : oneSchedule(options);
  if (schedule !== undefined) {
    refuseOther("scenario", schedule.scenario, loaded.name);
    refuseOther("design", schedule.design, design.design.name);
  }
  const printed = optionsFromText((schedule?.options ?? {}) as Record<string, string>);
  const machine = { ...loaded.options, ...printed, ...checkOptions(options.options) };
  const scenario = withKjournald(loaded, machine);
  const shards = wholeNumber("workers", options.workers ?? coreCount, 1, 64);
  const maxLines = wholeNumber("maxLines", options.maxLines ?? 8, 0, 16);
  const plan = { domain, maxLines, nested, shards };
  const work = {
    kind: "crash" as const,
    strategy: "exhaustive" as const,
    seed: 1,
    preemptions: wholeNumber("preemptions", options.preemptions ?? 0, 0, 100),
    depth: 1,
    shard: 0,
    shards: 1,
    runs: wholeNumber("runs", options.runs ?? MAX_RUNS, 1, MAX_RUNS),
    ...(schedule !== undefined && { turns: turnsOf(schedule, taskNames(scenario)) }),
  };
  const jobs = new Jobs<ShardReport>(crews, options);
  const works = Array.from({ length: shards }, (_, shard) =>
    shardOf(scenario, design, machine, { ...work, plan: { ...plan, shard } }, 1),
  );
  const done = await jobs.run(works, ({ violation }) => violation?.run ?? false);
  const [first] = done;
  const misfit = schedule && warningOf(schedule, first?.report?.scheme, first?.report?.misfits);
  if (misfit !== undefined) throw new ScheduleMisfit(misfit);
  const counts = merged(
    done.map(({ report }) => report),
    taskNames(scenario),
    maxLines,
  );
  return { ...counts, elapsed: jobs.elapsed };
}

function oneSchedule({ schedule, preemptions, runs }: CrashOptions): Schedule {
  if (typeof schedule !== "string") throw new UsageError(`schedule is a text, not ${shown(schedule)}`);
  if (preemptions !== undefined || runs !== undefined)
    throw new UsageError("with a schedule there is one run: no preemptions and no runs");
  const parsed = parseSchedule(schedule);
  if (parsed.crash !== undefined)
    throw new UsageError("the schedule has its power failure already: replay runs it");
  return parsed;
}
