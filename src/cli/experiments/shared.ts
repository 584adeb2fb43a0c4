// What the long commands have in common: options, the status line, how a violation is printed.

import { choice, count, duration, text, type Option } from "../arguments.ts";
import { Exit, Refusal, type ExitCode } from "../exit.ts";
import type { Interrupts } from "../interrupt.ts";
import { interruptible } from "../interrupt.ts";
import type { Progress } from "../../lab/host/jobs.ts";
import type { MachineOptions } from "../../lab/options.ts";
import type { PromiseName } from "../../lab/oracles/promises.ts";
import type { Violation } from "../../lab/run/violation.ts";
import { programName, quote } from "../program.ts";
import { look } from "../terminal/look.ts";
import { startStatus, type Status } from "../terminal/status.ts";
import { elapsed, grouped } from "../terminal/words.ts";

const SEEDS = { min: 0, max: 2 ** 32 - 1 };

/** Tunables of the machine by their Linux names, as the lab's `MachineOptions`. */
export const tunablesOption: Option<MachineOptions> = {
  valueName: "NAME=N,…",
  help: "tunables of the machine, such as piece=64 or extent_max_zeroout_kb=32",
  join: (before, next) => ({ ...before, ...next }),
  read(given) {
    const pairs = given.split(",").map((pair) => {
      const match = /^(\w+)=(\d{1,9})$/.exec(pair);
      if (!match) throw new Refusal(`--set takes tunables such as piece=64, not "${pair}"`);
      return [match[1], Number(match[2])] as const;
    });
    return Object.fromEntries(pairs);
  },
};

export const searchOptions = {
  strategy: choice(["random", "pct", "exhaustive"], "how schedules are chosen (default exhaustive)"),
  runs: count("stop after so many schedules", { min: 1, max: 1_000_000_000 }),
  preemptions: count("exhaustive: every schedule with at most so many preemptions (default 2)", {
    min: 0,
    max: 100,
  }),
  timeout: duration("stop after this time"),
  workers: count("search on so many machines at once (default: as many as the cores allow)", {
    min: 1,
    max: 64,
  }),
  depth: count("pct: how many ordered events make the bug (default 3)", { min: 1, max: 16 }),
  set: tunablesOption,
  seed: count("random, pct: the same seed gives the same schedules (default 1)", SEEDS),
};

export const designOption = text("DESIGN", "a built-in design or the path of a module", "d");
export const seedOption = count("the same seed gives the same choices (default 1)", SEEDS);

/** The short words of the table, for the names that the lab and the JSON use. */
const BROKEN: Record<PromiseName, string> = {
  "no-stale-data": "stale data",
  "no-lost-write": "lost write",
  "doors-agree": "doors differ",
  "no-freed-mapping": "freed mapping",
  consistent: "inconsistent",
  "no-deadlock": "deadlock",
  "no-livelock": "livelock",
  "no-bug": "bug()",
  claim: "claim",
};

export function brokenWord(promise: PromiseName): string {
  return BROKEN[promise];
}

/**
 * The command that replays a schedule.  The text itself names what is built in; modules are named beside it,
 * as they were given.
 */
export function replayCommandOf(schedule: string, scenario: string, design: string): string {
  const words = [programName(), "replay"];
  if (isModule(scenario)) words.push("--scenario", quote(scenario));
  if (isModule(design)) words.push("--design", quote(design));
  // Always quoted: a schedule has characters that some shells expand.
  return [...words, `'${schedule}'`].join(" ");
}

/** What looks like a path is a module; anything else is a built-in name. */
function isModule(given: string): boolean {
  return /[/\\]|\.[cm]?[jt]s$/.test(given);
}

export interface Watch extends Interrupts {
  readonly status: Status;
  progress(now: Progress): void;
  /** What the status says before its numbers, such as the cell that is being searched. */
  doing: string;
}

/**
 * Runs a long piece of work under Ctrl-C with a status: runs (or `what` is counted), runs/s, distinct, violations, time
 * left. `limits` are what the search ends at, as far as known; the time left is the nearer one's.
 */
export async function watched<T>(
  quiet: boolean,
  limits: { runs?: number | undefined; timeout?: number | undefined },
  work: (watch: Watch) => Promise<T>,
  what = "runs",
): Promise<T> {
  return interruptible(async (interrupts) => {
    const begin = performance.now();
    let now: Progress = { runs: 0, distinct: 0, violations: 0 };
    const statusText = (): string => {
      const spent = performance.now() - begin;
      const rate = (now.runs / Math.max(spent, 1)) * 1000;
      const parts = [
        `${grouped(now.runs)} ${what}`,
        `${grouped(rate)} ${what}/s`,
        `${grouped(now.distinct)} distinct`,
        violations(now.violations),
        ...left(now.runs, spent, limits),
      ];
      const stopping = interrupts.signal.aborted ? "stopping (Ctrl-C again kills)  " : "";
      return `${stopping}${watch.doing === "" ? "" : `${watch.doing}: `}${parts.join(", ")}`;
    };
    const status = startStatus(statusText, quiet);
    const watch: Watch = {
      ...interrupts,
      status,
      doing: "",
      progress(next) {
        now = next;
      },
    };
    try {
      return await work(watch);
    } finally {
      status.end();
    }
  });
}

function violations(found: number): string {
  const words = `${grouped(found)} violation${found === 1 ? "" : "s"}`;
  return found > 0 ? look(process.stderr).red(words) : words;
}

function left(
  runs: number,
  spent: number,
  limits: { runs?: number | undefined; timeout?: number | undefined },
): string[] {
  const byRuns = limits.runs !== undefined && runs > 0 ? (spent * (limits.runs - runs)) / runs : Infinity;
  const byTime = limits.timeout === undefined ? Infinity : limits.timeout - spent;
  const least = Math.max(0, Math.min(byRuns, byTime));
  return Number.isFinite(least) ? [`${byRuns <= byTime ? "about " : "at most "}${elapsed(least)} left`] : [];
}

/** The story, which says what broke, and how to see it again. */
export function violationText({ promise, story }: Violation, replayed: string): string {
  const { bold, red } = look(process.stdout);
  const head = `${red(bold(`broken: ${brokenWord(promise)}`))} (${promise})`;
  return [head, "", story.trimEnd(), "", "Replay:", `  ${replayed}`].join("\n");
}

/** Interrupted wins: what was printed is only what was found so far. */
export function endOf(interrupts: Interrupts, code: ExitCode): ExitCode {
  return interrupts.received() ?? code;
}

export const SEARCH_EXITS = [
  `${Exit.nothingFound}  nothing found: every schedule that was run held`,
  `${Exit.violation}  a violation`,
  `${Exit.inconclusive}  inconclusive: the search ended (time, runs) before it was complete, and had found nothing`,
].join("\n");
