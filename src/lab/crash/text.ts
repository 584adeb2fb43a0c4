// A power failure as a schedule carries it: `adr@113.40:1f0.64*8-2a0.1*3`, the domain, after how many entries of the log of
// stores and how many steps, and the lines of the media that kept something of what was on its way (survivors.ts).

import type { Domain } from "../../machine/pmem/crash.ts";
import { ScheduleError } from "../../sched/schedule.ts";
import type { Failure } from "./states.ts";
import { parseSurvivors, printSurvivors } from "./survivors.ts";

export const DOMAINS: readonly Domain[] = ["adr", "eadr", "none"];

export function printFailure(domain: Domain, { point, survivors }: Failure): string {
  return `${domain}@${point.entries}.${point.steps}:${printSurvivors(survivors)}`;
}

/** Throws ScheduleError with what is wrong. */
export function parseFailure(text: string): { domain: Domain; failure: Failure } {
  const match = /^(\w+)@(\d{1,7})\.(\d{1,7}):(.+)$/.exec(text);
  const domain = DOMAINS.find((name) => name === match?.[1]);
  if (match === null || domain === undefined) {
    throw new ScheduleError(
      `a power failure is domain@stores.steps:lines, such as adr@12.40:none, not "${text}"`,
    );
  }
  const point = { entries: Number(match[2]), steps: Number(match[3]) };
  return { domain, failure: { point, survivors: parseSurvivors(match[4] as string) } };
}
