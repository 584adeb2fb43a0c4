// What the worker threads of an exploration run: task 0 leads the search or the replay, the others follow.
// Every thread loads the scenario and the design by itself, because functions cannot be sent.

import { Halted } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import type { Turn } from "../../sched/decide.ts";
import { follow } from "../../sched/session.ts";
import { serveFaults } from "../../xip/fault.ts";
import { loadDesign, loadScenario } from "../load.ts";
import type { MachineOptions } from "../options.ts";
import { CrashLead } from "../crash/lead.ts";
import type { CrashPlan, Failure, RunStates } from "../crash/states.ts";
import type { PromiseName } from "../oracles/promises.ts";
import { askedToStop, controlAt, runLimit, type Control } from "./control.ts";
import { runTwice } from "./determinism.ts";
import { bodyOf, withKjournald } from "./kjournald.ts";
import { Judge } from "./judge.ts";
import { Lead } from "./lead.ts";
import { storeResult } from "./results.ts";
import { chooserOf, onlyChooser, type SearchPlan } from "./strategies.ts";
import { tell, violationOf, type Violation } from "./violation.ts";

/** What the host tells every thread of one machine. */
export interface ShardOrder {
  /** The URL of the scenario's module. */
  readonly scenario: string;
  /** A built-in name, or a URL. */
  readonly design: string;
  readonly options: MachineOptions;
  /** Addresses in the control area. */
  readonly control: number;
  readonly results: number;
  readonly work: SearchWork | ReplayWork | CrashWork | CrashReplayWork;
}

export interface SearchWork extends SearchPlan {
  readonly kind: "search";
  readonly runs: number;
  readonly twice: boolean;
  /** After a run that broke a promise, counts more of them in up to so many runs. */
  readonly goOn: number;
}

export interface ReplayWork {
  readonly kind: "replay";
  readonly turns: readonly Turn[];
  /** How often. */
  readonly times: number;
}

/** As a search; in each run the power fails everywhere. */
export interface CrashWork extends SearchPlan {
  readonly kind: "crash";
  readonly runs: number;
  /** One schedule, instead of a search. */
  readonly turns?: readonly Turn[];
  readonly plan: CrashPlan;
}

/** One failure of one run. */
export interface CrashReplayWork {
  readonly kind: "crash-replay";
  readonly turns: readonly Turn[];
  readonly times: number;
  readonly plan: CrashPlan;
  readonly failure: Failure;
}

/** What the lead found. */
export interface ShardReport {
  readonly runs: number;
  /** Every schedule within the bound was run. */
  readonly complete: boolean;
  readonly broken: number;
  /** exhaustive: different schedules. */
  readonly schedules?: number;
  /** pct: the probability, at least, with which one run meets a bug of the depth that was asked for. */
  readonly bound?: number;
  /** Hashes of the states that runs ended in. */
  readonly endStates: Float64Array;
  readonly violation?: Violation;
  /** Replay: the scheme of the steps now, and how many turns could not be run as they say. */
  readonly scheme?: string;
  readonly misfits?: number;
  /** What a search for crashes has seen, run by run. */
  readonly crash?: readonly RunStates[];
}

/** The job of every worker thread: see `sched/pool.ts`. */
export async function runShard(
  mem: Memory,
  task: number,
  taskCount: number,
  order: ShardOrder,
): Promise<ShardReport | undefined> {
  const scenario = withKjournald(await loadScenario(order.scenario), order.options);
  const { design } = await loadDesign(order.design);
  serveFaults(mem, design);
  const run = bodyOf(mem, design, scenario, order.options, task);
  const body = (): unknown => {
    const result = run();
    // A promise is refused by the engine; it could not be stored either.
    if (!isPromise(result)) storeResult(mem, order.results, task, result);
    return result;
  };
  if (task !== 0) {
    follow(mem, task, taskCount, body);
    return undefined;
  }
  const judge = new Judge(mem, scenario, design, order.options, order.results);
  const lead = new Lead(judge, body);
  const control = controlAt(mem, order.control);
  control.running = 1;
  const report = dispatch(lead, control, order.work);
  lead.session.end();
  return report;
}

function dispatch(lead: Lead, control: Control, work: ShardOrder["work"]): ShardReport {
  switch (work.kind) {
    case "search":
      return search(lead, control, work);
    case "replay":
      return repeat(lead, control, work);
    case "crash":
      return searchCrashes(lead, control, work);
    case "crash-replay":
      return repeatCrash(lead, control, work);
  }
}

const isPromise = (value: unknown): boolean =>
  typeof (value as PromiseLike<unknown> | undefined)?.then === "function";

function search(lead: Lead, control: Control, work: SearchWork): ShardReport {
  const chooser = chooserOf(lead.judge.mem, lead.judge.tasks.length, work);
  let runs = 0;
  let broken = 0;
  let complete = false;
  let limit = work.runs;
  let violation: Violation | undefined;
  try {
    while (runs < limit && !askedToStop(control)) {
      const plan = chooser.next();
      if (plan === undefined) {
        complete = true;
        break;
      }
      const { finding } = work.twice ? runTwice(lead, plan) : lead.run(plan);
      runs += 1;
      chooser.ran(lead.session.log);
      if (finding !== undefined) {
        broken += 1;
        if (violation === undefined) {
          violation = violationOf(lead, finding, runs);
          limit = Math.min(limit, runs + work.goOn);
        }
      }
      control.runs = runs;
      control.distinct = lead.judge.endStates.size;
      control.broken = broken;
    }
  } catch (error) {
    // The host has stopped the machine: what was found so far is the result.
    if (!(error instanceof Halted)) throw error;
  }
  const endStates = Float64Array.from(lead.judge.endStates);
  const { schedules, bound } = chooser;
  return {
    runs,
    complete,
    broken,
    endStates,
    ...(bound !== undefined && { bound }),
    ...(schedules !== undefined && { schedules }),
    ...(violation !== undefined && { violation }),
  };
}

/** Runs schedules, and lets the power fail everywhere in each, until something breaks. */
function searchCrashes(lead: Lead, control: Control, work: CrashWork): ShardReport {
  const { turns } = work;
  const chooser =
    turns === undefined ? chooserOf(lead.judge.mem, lead.judge.tasks.length, work, true) : onlyChooser(turns);
  let misfits = 0;
  const crashes = new CrashLead(lead, work.plan);
  const seen: RunStates[] = [];
  const goesOn = (): boolean => {
    control.runs += 1;
    return !askedToStop(control);
  };
  let complete = false;
  let violation: Violation | undefined;
  try {
    while (violation === undefined && seen.length < Math.min(work.runs, runLimit(control))) {
      if (askedToStop(control)) break;
      const plan = chooser.next();
      complete = plan === undefined;
      if (plan === undefined) break;
      const { finding, states, misfits: left } = crashes.run(plan, goesOn);
      misfits = left;
      seen.push(states);
      chooser.ran(lead.session.log);
      if (states.first !== undefined) violation = crashes.violation(states.first, seen.length);
      else if (finding !== undefined) violation = violationOf(lead, finding, seen.length);
      control.distinct += states.distinct;
      control.broken += states.broken;
    }
  } catch (error) {
    if (!(error instanceof Halted)) throw error;
  }
  return {
    runs: seen.length,
    complete,
    broken: violation === undefined ? 0 : 1,
    endStates: new Float64Array(),
    crash: seen,
    scheme: lead.scheme,
    misfits,
    ...(chooser.schedules !== undefined && { schedules: chooser.schedules }),
    ...(violation !== undefined && { violation }),
  };
}

/** The same failure of the same run, again. */
function repeatCrash(lead: Lead, control: Control, work: CrashReplayWork): ShardReport {
  const { turns, failure, times, plan } = work;
  const crashes = new CrashLead(lead, plan);
  const violation = crashes.tell(turns, failure, 1);
  const counts = timesAgain(control, times, violation, () => crashes.tell(turns, failure, 1)?.promise);
  return {
    ...counts,
    complete: true,
    endStates: new Float64Array(),
    scheme: lead.scheme,
    misfits: 0,
    ...(violation && { violation }),
  };
}

/** Runs a given schedule, and counts how often it breaks the promise that it broke first. */
function repeat(lead: Lead, control: Control, { turns, times }: ReplayWork): ShardReport {
  const { finding, outcome } = lead.follow(turns);
  const violation = finding && tell(lead, turns, finding.promise, 1);
  const counts = timesAgain(control, times, violation, () => lead.follow(turns).finding?.promise);
  return {
    ...counts,
    complete: true,
    endStates: Float64Array.from(lead.judge.endStates),
    scheme: lead.scheme,
    misfits: outcome.misfits,
    ...(violation && { violation }),
  };
}

/** After a first run more of them, `times` in all: how many, and how many broke the promise that the first broke. */
function timesAgain(
  control: Control,
  times: number,
  first: Violation | undefined,
  run: () => PromiseName | undefined,
): { runs: number; broken: number } {
  const hit = first === undefined ? 0 : 1;
  let broken = hit;
  let runs = 1;
  for (; runs < times && !askedToStop(control); runs++) if (run() === first?.promise) broken += hit;
  return { runs, broken };
}
