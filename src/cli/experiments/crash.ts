// crash: lets the power fail everywhere in the runs of scenarios, and looks at what comes up again.
import { choice, count, many, text } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal, type ExitCode } from "../exit.ts";
import type { CrashResult } from "../../lab/crash.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted, elapsed } from "../terminal/words.ts";
import { brokenWord, endOf, replayCommandOf, searchOptions, violationText, watched } from "./shared.ts";

/** One scenario under one design. */
interface Cell extends CrashResult {
  readonly scenario: string;
  readonly design: string;
  readonly sound: boolean;
}

export const crashCommand = command({
  name: "crash",
  summary: "let the power fail at every point of a scenario's runs, recover, and look",
  takes: "[SCENARIO …] [--design DESIGN …] [options]",
  details: [
    "A store is volatile until its line was flushed and a fence came after. At every point the lines that are under way",
    "may have arrived or not: each state that this can leave is recovered and mounted, checked, and every file is",
    "compared with what the calls explain and what fsync has promised.",
    "Without a SCENARIO: all that are built in for power failures; without a DESIGN: all designs.",
    "With one of each the first violation is told as a story, with the command that replays it.",
  ].join("\n"),
  positionals: { min: 0, max: 100 },
  options: {
    design: many(text("DESIGN", "a built-in design or the path of a module; repeatable", "d")),
    domain: choice(
      ["adr", "eadr", "none"],
      "what survives: flushed lines (adr, default), every store (eadr), or none: as adr, and caches may write back early",
    ),
    "max-lines": count(
      "try every way where at most so many lines or blocks are open, else chosen ones (default 8)",
      {
        min: 0,
        max: 16,
      },
    ),
    preemptions: {
      ...searchOptions.preemptions,
      help: "crash in every schedule with at most so many preemptions (default 0)",
    },
    runs: { ...searchOptions.runs, help: "stop a cell after so many schedules" },
    timeout: { ...searchOptions.timeout, help: "stop a cell after this time" },
    set: searchOptions.set,
  },
  examples: [
    ["", "every scenario for power failures under every design"],
    ["write-and-sync --design ext4-xip-inline", "one cell: a story, and how to see it again"],
    ["--design ext4-xip-serialized --preemptions 1", "crash and concurrency together"],
  ],
  json: [
    "{ interrupted, cells: [{ scenario, design, sound, runs, points, states, distinct, recovered, sampled, complete, elapsed,",
    "  violation?: { promise, message, story, schedule, switches, run, replay } }, …] }",
    "points: of failure; states: ways the media were left; distinct: different media; recovered: different file systems",
    "afterwards; sampled: points at which not every way was tried; complete: all schedules, and every way at every point",
  ].join("\n"),
  exits: [
    `${Exit.nothingFound}  no design that is meant to be sound broke`,
    `${Exit.violation}  one did; or, asked for one scenario and one design, that one did`,
    `${Exit.inconclusive}  inconclusive: a cell was stopped before it was through`,
  ].join("\n"),
  async run({ values, positionals }) {
    const { crashWith } = await import("../../lab/crash.ts");
    const { Crews } = await import("../../lab/host/crews.ts");
    const { crashScenarios } = await import("../../lab/scenarios/crash/index.ts");
    const { loadDesign, loadScenario } = await import("../../lab/load.ts");
    const { designs } = await import("../../xip/designs/index.ts");
    const rows = positionals.length > 0 ? positionals : [...crashScenarios.keys()];
    const columns = values.design ?? [...designs.keys()];
    if (new Set(rows).size < rows.length) throw new Refusal("a scenario is named twice");
    // Whatever cannot be loaded is refused before anything runs.
    for (const row of rows) await loadScenario(row);
    const sound = new Map<string, boolean>();
    for (const column of columns) sound.set(column, (await loadDesign(column)).design.sound);
    const { preemptions, runs, timeout, domain, set, json } = values;
    const pairs = rows.flatMap((row) => columns.map((column) => [row, column] as const));
    const only = pairs.length === 1;
    return watched(json === true, {}, async (watch) => {
      const cells: Cell[] = [];
      const crews = new Crews();
      try {
        for (const [scenario, design] of pairs) {
          if (watch.signal.aborted) break;
          watch.doing = `${cells.length} of ${pairs.length} cells`;
          const found = await crashWith(crews, scenario, {
            design,
            domain,
            preemptions,
            runs,
            timeout,
            maxLines: values["max-lines"],
            options: set,
            signal: watch.signal,
            onProgress: watch.progress,
          });
          const cell = { scenario, design, sound: sound.get(design) === true, ...found };
          cells.push(cell);
          if (json !== true && !only) {
            watch.status.end();
            print(cellLine(cell));
          }
        }
      } finally {
        await crews.close();
      }
      watch.status.end();
      if (json) printJson({ interrupted: watch.received() !== undefined, cells: cells.map(withReplay) });
      else for (const cell of cells) told(cell, only);
      return endOf(watch, verdictOf(cells, only));
    });
  },
});

const replayOf = ({ scenario, design, violation }: Cell): string =>
  violation === undefined ? "" : replayCommandOf(violation.schedule, scenario, design);

function withReplay(cell: Cell): object {
  const { violation } = cell;
  return violation === undefined ? cell : { ...cell, violation: { ...violation, replay: replayOf(cell) } };
}

function cellLine({ scenario, design, violation, ...rest }: Cell): string {
  const { green, red } = look(process.stdout);
  const word = violation === undefined ? green("held") : red(brokenWord(violation.promise));
  return `${scenario.padEnd(26)} ${design.padEnd(20)} ${word}: ${spent(rest)}`;
}

function spent({
  runs,
  points,
  states,
  recovered,
  sampled,
  elapsed: time,
}: Omit<Cell, "scenario" | "design" | "sound" | "complete" | "distinct">): string {
  const chosen = sampled === 0 ? "" : ` (${counted(sampled, "point")} sampled)`;
  return `${counted(runs, "run")}, ${counted(points, "point")}${chosen}, ${counted(states, "state")}, ${recovered} after recovery, ${elapsed(time)}`;
}

function told(cell: Cell, only: boolean): void {
  const { violation, scenario, design } = cell;
  if (violation !== undefined && only)
    print(`${violationText(violation, replayOf(cell))}\n\nFound: ${spent(cell)}.`);
  else if (violation !== undefined) print(`${scenario} under ${design}: ${replayOf(cell)}`);
  else if (only) print(`held: ${scenario} under ${design}: ${spent(cell)}.`);
}

function verdictOf(cells: readonly Cell[], only: boolean): ExitCode {
  if (cells.some(({ violation, sound }) => violation !== undefined && (sound || only))) return Exit.violation;
  return cells.every(({ complete, sampled, violation }) => violation !== undefined || complete || sampled > 0)
    ? Exit.nothingFound
    : Exit.inconclusive;
}
