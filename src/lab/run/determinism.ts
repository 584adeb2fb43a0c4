// Determinism is tested, not assumed: the same plan on the same snapshot must make the same steps and end
// in the same state.  What breaks it is a task that asks a clock or a random number, state outside the
// shared memory, or a step that is not announced.

import { opName } from "../../machine/cpu.ts";
import { describe } from "../../machine/layout.ts";
import type { Plan } from "../../sched/decide.ts";
import type { StepView } from "../../sched/state.ts";
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
  compareSteps(lead, steps, lead.session.steps());
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

function compareSteps(lead: Lead, first: readonly StepView[], second: readonly StepView[]): void {
  for (let step = 0; step < Math.max(first.length, second.length); step++) {
    const [a, b] = [first[step], second[step]];
    if (a?.task === b?.task && a?.op === b?.op && a?.address === b?.address && a?.runnable === b?.runnable)
      continue;
    throw new NotDeterministic(
      `one schedule, run twice: step ${step} was ${words(lead, a)} the first time, ${words(lead, b)} the second`,
    );
  }
}

function words(lead: Lead, step: StepView | undefined): string {
  if (step === undefined) return "none";
  return `${lead.judge.tasks[step.task]}'s ${opName(step.op)} of ${describe(lead.judge.mem, step.address)}`;
}
