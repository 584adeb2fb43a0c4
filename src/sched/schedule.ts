// A schedule as text, made to be read, edited and pasted:
//
//   v1/ext4-xip-inline/write-beside-read/extent_max_zeroout_kb=32/5f0c91aa/writer*12,reader*3,end
//   ^  ^design         ^scenario         ^options, or "-"         ^        ^turns: task*steps, then "end"
//   version                                                       step scheme
//
// After the listed turns tasks run on without preemption.  The step scheme is a hash of the steps the
// tasks make when nothing preempts them: when the kernel or the scenario has changed so that steps come
// elsewhere, the counts mean something else, and a replay can say so.  "end" is there so that
// a text that was cut short is never taken for a shorter schedule.
//
// Names are percent-encoded as in addresses, so the text has no spaces and no slashes but its own.

import type { Turn } from "./decide.ts";
import type { StepLog } from "./state.ts";

const VERSION = "v1";

export interface NamedTurn {
  task: string;
  steps: number;
}

export interface Schedule {
  /** A design's name, or the path of its module. */
  design: string;
  scenario: string;
  options: Record<string, string | number>;
  /** Eight hexadecimal digits: `stepScheme`. */
  scheme: string;
  turns: NamedTurn[];
  /** How the power failed in this run, for those who know what that means. */
  crash?: string;
}

/** Why a text is no schedule, or one of something else, in one sentence. */
export class ScheduleError extends Error {
  override readonly name: string = "ScheduleError";
}

/** Why a schedule cannot be run any more: what it was printed for has changed. */
export class ScheduleMisfit extends ScheduleError {
  override readonly name = "ScheduleMisfit";
}

function refuse(message: string): never {
  throw new ScheduleError(message);
}

// encodeURIComponent leaves !'()*~ alone; here * separates.
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(`the ${what} of the schedule, "${text}", is not percent-encoded text`);
  }
}

/** Neighbouring turns of one task are printed as one. */
export function printSchedule(schedule: Schedule): string {
  const { design, scenario, options, scheme, turns, crash } = schedule;
  const optionText = Object.entries(options).map(
    ([name, value]) => `${encode(name)}=${encode(String(value))}`,
  );
  const joined: NamedTurn[] = [];
  for (const { task, steps } of turns) {
    const last = joined.at(-1);
    if (last?.task === task) last.steps += steps;
    else joined.push({ task, steps });
  }
  const turnText = joined.map(({ task, steps }) => `${encode(task)}*${steps},`).join("");
  return [
    VERSION,
    encode(design),
    encode(scenario),
    optionText.join(",") || "-",
    scheme,
    `${turnText}end`,
    ...(crash === undefined ? [] : [`crash=${crash}`]),
  ].join("/");
}

/** Throws ScheduleError, which names what is wrong.  Option values come back as text. */
export function parseSchedule(text: string): Schedule {
  const parts = text.trim().split("/");
  const version = parts[0] as string;
  if (!/^v\d+$/.test(version))
    refuse(`a schedule starts with its version, "${VERSION}/", not with "${version}"`);
  if (version !== VERSION) refuse(`the schedule is of version ${version}; this program reads ${VERSION}`);
  if (parts.length < 6) refuse(`the schedule is cut short: it has ${parts.length} of its 6 parts`);
  const crash = parts.length > 6 ? /^crash=(.+)$/.exec(parts.at(-1) as string)?.[1] : undefined;
  if (crash !== undefined) parts.pop();
  if (parts.length > 6) refuse(`the schedule has ${parts.length} parts instead of 6: encode a slash as %2F`);
  const [, design, scenario, options, scheme, turns] = parts as [string, ...string[]];
  if (!design) refuse("the schedule names no design");
  if (!scenario) refuse("the schedule names no scenario");
  if (!/^[0-9a-f]{8}$/.test(scheme ?? "")) {
    refuse(`the step scheme of the schedule, "${scheme}", is not eight hexadecimal digits`);
  }
  return {
    design: decode(design, "design"),
    scenario: decode(scenario, "scenario"),
    options: parseOptions(options as string),
    scheme: scheme as string,
    turns: parseTurns(turns as string),
    ...(crash !== undefined && { crash }),
  };
}

function parseOptions(text: string): Record<string, string> {
  if (text === "-") return {};
  const pairs = text.split(",").map((pair) => {
    const [name, value, ...rest] = pair.split("=");
    if (!name || value === undefined || rest.length > 0) {
      refuse(`an option of the schedule is name=value, not "${pair}"`);
    }
    return [decode(name, "option"), decode(value, "option")] as const;
  });
  return Object.fromEntries(pairs);
}

function parseTurns(text: string): NamedTurn[] {
  const turns = text.split(",");
  if (turns.pop() !== "end") refuse('the schedule is cut short: its turns end with ",end"');
  return turns.map((turn) => {
    const [task, count, ...rest] = turn.split("*");
    if (!task || count === undefined || rest.length > 0) refuse(`a turn is task*steps, not "${turn}"`);
    const steps = Number(count);
    if (!/^\d+$/.test(count) || steps < 1 || !Number.isSafeInteger(steps)) {
      refuse(`"${turn}" has no count of steps: a whole number from 1`);
    }
    return { task: decode(task, "turn"), steps };
  });
}

/** Turns by task number, for a plan.  Throws ScheduleMisfit when a task is unknown. */
export function turnsOf(schedule: Schedule, tasks: readonly string[]): Turn[] {
  return schedule.turns.map(({ task, steps }) => {
    const index = tasks.indexOf(task);
    if (index < 0) {
      throw new ScheduleMisfit(`the schedule has a task "${task}"; the scenario has ${tasks.join(", ")}`);
    }
    return { task: index, steps };
  });
}

/** Turns by name, for print. */
export function namedTurns(turns: readonly Turn[], tasks: readonly string[]): NamedTurn[] {
  return turns.map(({ task, steps }) => ({ task: tasks[task] ?? `task ${task}`, steps }));
}

/** The step scheme, from the steps of a run without turns and without preemption. */
export function stepScheme(log: StepLog): string {
  let hash = 0x811c9dc5;
  for (let step = 0; step < log.length; step++) {
    hash = Math.imul(hash ^ (log.task(step) | (log.op(step) << 8)), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
