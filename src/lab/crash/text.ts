// A power failure as a schedule carries it: `adr@113.40:1f0.64*8-2a0.1*3`, the domain, after how many entries of the
// log of stores and how many steps, and the lines of the media that kept something of what was on its way
// (survivors.ts).  A second failure, during recovery, follows with a plus, `+4:none`: the same of recovery's own log,
// which has no steps.

import type { Domain } from "../../machine/pmem/crash.ts";
import { ScheduleError } from "../../sched/schedule.ts";
import type { Failure } from "./states.ts";
import { parseSurvivors, printSurvivors } from "./survivors.ts";

export const DOMAINS: readonly Domain[] = ["adr", "eadr", "none"];

export function printFailure(domain: Domain, { point, survivors, again }: Failure): string {
  const second = again === undefined ? "" : `+${again.entries}:${printSurvivors(again.survivors)}`;
  return `${domain}@${point.entries}.${point.steps}:${printSurvivors(survivors)}${second}`;
}

/** Throws ScheduleError with what is wrong. */
export function parseFailure(text: string): { domain: Domain; failure: Failure } {
  const match = /^(\w+)@(\d{1,7})\.(\d{1,7}):([^+]+)(?:\+(\d{1,7}):(.+))?$/.exec(text);
  const domain = DOMAINS.find((name) => name === match?.[1]);
  if (match === null || domain === undefined) {
    throw new ScheduleError(
      `a power failure is domain@stores.steps:lines, such as adr@12.40:none, not "${text}"`,
    );
  }
  const point = { entries: Number(match[2]), steps: Number(match[3]) };
  const failure = { point, survivors: parseSurvivors(match[4] as string) };
  if (match[5] === undefined) return { domain, failure };
  const again = { entries: Number(match[5]), survivors: parseSurvivors(match[6] as string) };
  return { domain, failure: { ...failure, again } };
}
