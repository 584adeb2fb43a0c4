// replay: one schedule, given as text, run again.  A text that does not fit the scenario, the design or
// the program is refused with a ScheduleError that says why; nothing is run then.

import type { Turn } from "../sched/decide.ts";
import { parseSchedule, ScheduleError, turnsOf, type Schedule } from "../sched/schedule.ts";
import type { Design } from "../xip/design.ts";
import { Crews } from "./host/crews.ts";
import { shardOf } from "./explore.ts";
import { checkJobOptions, Jobs, type JobOptions } from "./host/jobs.ts";
import { loadDesign, loadScenario } from "./load.ts";
import { optionsFromText } from "./options.ts";
import { parseFailure } from "./crash/text.ts";
import type { CrashReplayWork, ReplayWork, ShardReport } from "./run/shard.ts";
import type { Violation } from "./run/violation.ts";
import { withKjournald } from "./run/kjournald.ts";
import { taskNames, type Scenario } from "./scenario.ts";
import { knownKeys, shown, UsageError, wholeNumber } from "./usage.ts";

/** What `replay` takes beside the scenario. */
export interface ReplayOptions extends Omit<JobOptions, "onProgress"> {
  /** What `explore` printed. */
  schedule: string;
  /** How often the schedule is run; default 1. */
  times?: number;
  /** Default: the built-in design that the schedule names. */
  design?: string | Design;
}

/** What became of a schedule that was run again. */
export interface ReplayResult {
  /** Whether a promise broke again, every time. */
  readonly reproduced: boolean;
  /** How often it was run: `times`, unless it was stopped. */
  readonly runs: number;
  /** How often it broke. */
  readonly broken: number;
  readonly violation?: Violation;
  /** Why the schedule may mean something else than when it was printed; undefined when it fits. */
  readonly warning?: string;
}

/**
 * Runs a schedule.  The scenario is the one that the schedule names, unless it is given.
 * Throws `ScheduleError` for a text that is no schedule, is cut short, or is one of another version, scenario or
 * design, `ScheduleMisfit` (one of them) when the scenario has changed too much, otherwise as `explore` does.
 */
export async function replay(
  scenario: string | Scenario | undefined,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const crews = new Crews();
  try {
    return await replayWith(crews, scenario, options);
  } finally {
    await crews.close();
  }
}

/** The same with threads that the caller keeps for more. */
export async function replayWith(
  crews: Crews,
  given: string | Scenario | undefined,
  options: ReplayOptions,
): Promise<ReplayResult> {
  if (typeof options !== "object" || options === null || typeof options.schedule !== "string") {
    throw new UsageError(`replay takes { schedule, design }, not ${shown(options)}`);
  }
  knownKeys("replay", options, ["schedule", "design", "times", "timeout", "signal"]);
  checkJobOptions(options);
  const schedule = parseSchedule(options.schedule);
  const loaded = await loadScenario(given ?? schedule.scenario);
  const design = await loadDesign(options.design ?? schedule.design);
  refuseOther("scenario", schedule.scenario, loaded.name);
  refuseOther("design", schedule.design, design.design.name);
  const machine = optionsFromText(schedule.options as Record<string, string>);
  const scenario = withKjournald(loaded, machine);
  const turns = turnsOf(schedule, taskNames(scenario));
  const times = wholeNumber("times", options.times ?? 1, 1, 1_000_000);
  const jobs = new Jobs<ShardReport>(crews, options);
  const work = shardOf(scenario, design, machine, workOf(schedule, turns, times));
  const [done] = await jobs.run([work], () => false);
  if (done?.report === undefined)
    return { reproduced: false, runs: 0, broken: 0, warning: "the replay was stopped before its end" };
  return resultOf(schedule, done.report);
}

/** A schedule with a power failure has nothing but that looked at. */
function workOf({ crash }: Schedule, turns: readonly Turn[], times: number): ReplayWork | CrashReplayWork {
  if (crash === undefined) return { kind: "replay", turns, times };
  const { domain, failure } = parseFailure(crash);
  return {
    kind: "crash-replay",
    turns,
    times,
    failure,
    plan: { domain, maxLines: 0, nested: false, shard: 0, shards: 1 },
  };
}

/** Throws `ScheduleError` for a schedule of another scenario or design. */
export function refuseOther(what: string, named: string, given: string): void {
  if (named !== given) throw new ScheduleError(`the schedule is of ${what} ${named}, not of ${given}`);
}

function resultOf(
  schedule: Schedule,
  { violation, scheme, misfits, broken, runs }: ShardReport,
): ReplayResult {
  const warning = warningOf(schedule, scheme, misfits);
  return {
    reproduced: violation !== undefined && broken === runs,
    runs,
    broken,
    ...(violation !== undefined && { violation }),
    ...(warning !== undefined && { warning }),
  };
}

/** Why a schedule may mean something else than when it was printed. */
export function warningOf({ scheme: printed }: Schedule, scheme = printed, misfits = 0): string | undefined {
  if (scheme !== printed) {
    return `the steps are not those that the schedule was printed for (step scheme ${scheme}, the schedule says ${printed}): the scenario or the kernel has changed`;
  }
  if (misfits === 0) return undefined;
  return `${misfits} of the schedule's turns could not be run as they say: their tasks were blocked or done before`;
}
