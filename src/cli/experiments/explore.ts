// explore: searches the schedules of one scenario under one design.

import { flag } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal, type ExitCode } from "../exit.ts";
import type { ExploreResult } from "../../lab/explore.ts";
import { programName } from "../program.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted, elapsed, grouped } from "../terminal/words.ts";
import {
  designOption,
  endOf,
  replayCommandOf,
  SEARCH_EXITS,
  searchOptions,
  violationText,
  watched,
} from "./shared.ts";

export const exploreCommand = command({
  name: "explore",
  summary: "search the schedules of one scenario under one design for a violation",
  takes: "SCENARIO --design DESIGN [options]",
  details: [
    "SCENARIO is a built-in name or the path of a module. The search ends at the first violation; its",
    "schedule is shrunk to the fewest switches, re-run, and printed as a story with the command that replays it.",
  ].join("\n"),
  positionals: { min: 1, max: 1 },
  options: {
    design: designOption,
    ...searchOptions,
    twice: flag("run every schedule twice and compare the memory: finds what is not deterministic"),
  },
  examples: [
    ["write-beside-read --design ext4-xip-inline", "every schedule with at most two preemptions"],
    [
      "write-beside-read --design ext4-xip-serialized --preemptions 3 --timeout 2m",
      "one preemption more, for at most two minutes",
    ],
    [
      "./mine.js --design ./my-design.js --strategy random --runs 100000 --seed 7",
      "your scenario and your design, 100,000 random schedules",
    ],
  ],
  json: [
    "{ scenario, design, strategy, runs, distinct, complete, schedules?, bound?, broken, interrupted, elapsed,",
    "  violation?: { promise, message, story, schedule, switches, run, replay } }",
    "distinct: states that runs ended in; complete: all schedules within the bound were run; bound: of pct, the",
    "probability, at least, with which one run meets a bug of --depth; broken: runs that broke a promise; elapsed in",
    "milliseconds; run: the first that broke one; replay: a command line",
  ].join("\n"),
  exits: SEARCH_EXITS,
  async run({ values, positionals }) {
    const [scenario = ""] = positionals;
    const {
      design,
      json,
      strategy = "exhaustive",
      runs,
      preemptions,
      timeout,
      workers,
      seed,
      twice,
      set,
      depth,
    } = values;
    if (design === undefined)
      throw new Refusal(`explore needs --design; ${programName()} designs lists them`);
    const { explore, PCT_DEPTH } = await import("../../lab/explore.ts");
    return watched(json === true, { runs, timeout }, async (watch) => {
      const result = await explore(scenario, {
        design,
        strategy,
        runs,
        preemptions,
        timeout,
        workers,
        seed,
        twice,
        depth,
        options: set,
        signal: watch.signal,
        onProgress: watch.progress,
      });
      watch.status.end();
      const interrupted = watch.received() !== undefined;
      const again = result.violation && replayCommandOf(result.violation.schedule, scenario, design);
      if (json) {
        const { violation, ...rest } = result;
        printJson({
          scenario,
          design,
          strategy,
          ...rest,
          interrupted,
          ...(violation && { violation: { ...violation, replay: again } }),
        });
      } else {
        if (result.violation && again !== undefined) print(`${violationText(result.violation, again)}\n`);
        const ended = strategy !== "exhaustive" ? strategy : result.complete ? "complete" : "not complete";
        print(summary(result, interrupted ? "interrupted" : ended, scenario, design, depth ?? PCT_DEPTH));
      }
      return endOf(watch, verdict(result, strategy, runs));
    });
  },
});

/** Random search is never complete: it is inconclusive only when it was cut short of the runs that were asked. */
function verdict(result: ExploreResult, strategy: string, runs: number | undefined): ExitCode {
  if (result.violation) return Exit.violation;
  const enough = strategy === "exhaustive" ? result.complete : result.runs >= (runs ?? 1);
  return enough ? Exit.nothingFound : Exit.inconclusive;
}

function summary(
  result: ExploreResult,
  how: string,
  scenario: string,
  design: string,
  depth: number,
): string {
  const { green, bold } = look(process.stdout);
  const spent = `${counted(result.runs, "run")}, ${counted(result.distinct, "distinct end state")}, ${elapsed(result.elapsed)}`;
  if (result.violation) return `Found in run ${grouped(result.violation.run)}: ${spent}.`;
  const word = result.runs === 0 ? "not run" : green(bold("held"));
  const chance =
    result.bound === undefined
      ? ""
      : `\nEach run meets a bug of depth ${depth}, if there is one, with a chance of at least 1 in ${grouped(Math.ceil(1 / result.bound))}.`;
  return `${word}: ${scenario} under ${design}, ${how}: ${spent}.${chance}`;
}
