// From the first failing run to what is printed: the schedule shrunk, run again, and told as a story.
// Nothing is printed that has not failed again with exactly the schedule that is printed.

import { setTracing, traceLines } from "../../machine/trace.ts";
import type { Turn } from "../../sched/decide.ts";
import { namedTurns, printSchedule } from "../../sched/schedule.ts";
import { recordedCalls } from "../oracles/history.ts";
import type { Finding, PromiseName } from "../oracles/promises.ts";
import { NotDeterministic } from "./determinism.ts";
import type { Lead } from "./lead.ts";
import { shrink, type Failure } from "./shrink.ts";
import { story } from "../report/story.ts";

/** A promise that was broken, and how to break it again. */
export interface Violation {
  readonly promise: PromiseName;
  readonly message: string;
  /** A column for each task, and what nothing ordered. */
  readonly story: string;
  /** What `replay` takes. */
  readonly schedule: string;
  /** Switches of the schedule that nobody was forced to make. */
  readonly switches: number;
  /** Which run of the search found it, from 1; 1 for a replay. */
  readonly run: number;
}

/** Shrinks the run that was just made, runs the result again twice, and tells it. */
export function violationOf(lead: Lead, found: Finding, run: number): Violation {
  const { promise } = found;
  const first: Failure = failureOf(lead);
  if (lead.follow(first.turns).finding?.promise !== promise) {
    throw new NotDeterministic(`a run that broke ${promise} did not break it again: ${found.message}`);
  }
  const best = shrink(first, (turns) =>
    lead.follow(turns).finding?.promise === promise ? failureOf(lead) : undefined,
  );
  return tell(lead, best.turns, promise, run);
}

/** Runs turns twice, the second time with notes, and tells what broke; throws when they do not break `promise`. */
export function tell(lead: Lead, turns: readonly Turn[], promise: PromiseName, run: number): Violation {
  const first = lead.follow(turns);
  const { message } = first.finding ?? {};
  const { mem, scenario, design, tasks, options } = lead.judge;
  setTracing(mem, true);
  const { outcome, finding } = lead.follow(turns);
  const { lines } = traceLines(mem);
  setTracing(mem, false);
  const calls = recordedCalls(mem);
  if (finding?.promise !== promise || finding.message !== message) {
    throw new NotDeterministic(`a schedule that broke ${promise} did not break it again: ${message}`);
  }
  const schedule = printSchedule({
    design: design.name,
    scenario: scenario.name,
    options: { ...options },
    scheme: lead.scheme,
    turns: namedTurns(lead.session.turns(), tasks),
  });
  const text = story({
    claim: scenario.claim,
    design: design.name,
    schedule,
    tasks: tasks,
    lines,
    calls,
    finding,
    names: lead.judge.names(calls),
  });
  return { promise, message: finding.message, story: text, schedule, switches: outcome.preemptions, run };
}

function failureOf(lead: Lead): Failure {
  const turns = lead.session.turns();
  let preemptions = 0;
  for (let step = 1; step < lead.session.log.length; step++)
    if (lead.session.log.preempts(step)) preemptions += 1;
  return { turns, preemptions };
}
