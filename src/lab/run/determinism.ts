// Determinism is tested, not assumed: the same plan on the same snapshot must make the same steps and end
// in the same state.  What breaks it is a task that asks a clock or a random number, state outside the
// shared memory, or a step that is not announced.

import type { Plan } from "../../sched/decide.ts";
import { firstDifference } from "../../sched/session.ts";
import type { Lead, Verdict } from "./lead.ts";

/** One schedule, two different runs. */
export class NotDeterministic extends Error {
  override readonly name = "NotDeterministic";
}

/** Runs a plan twice; throws `NotDeterministic` with the first step that differs. */
export function runTwice(lead: Lead, plan: Plan): Verdict {
  const first = lead.run(plan);
  const steps = lead.session.steps();
  const hash = lead.judge.lastHash;
  const second = lead.run(plan);
  const { mem, tasks } = lead.judge;
  const difference = firstDifference(mem, steps, lead.session.steps(), tasks);
  if (difference !== undefined) throw new NotDeterministic(`one schedule, run twice: ${difference}`);
  if (lead.judge.lastHash !== hash) {
    throw new NotDeterministic(
      "one schedule, run twice, made the same steps but left different states, calls or results",
    );
  }
  if (second.finding?.message !== first.finding?.message) {
    throw new NotDeterministic("one schedule, run twice, was judged differently");
  }
  return second;
}
