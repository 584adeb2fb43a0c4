// matrix: the main job, every scenario under every design.

import type { Cell } from "../../lab/matrix.ts";
import { many, text } from "../arguments.ts";
import { command } from "../command.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";
import { elapsed } from "../terminal/words.ts";
import { endOf, replayCommandOf, searchOptions, tunablesOption, watched } from "./shared.ts";
import { brokenLines, cellLine, legend, matrixExit, verdictTable, type Verdict } from "./verdicts.ts";

export const matrixCommand = command({
  name: "matrix",
  summary: "search every scenario under every design and print the verdicts as a table",
  takes: "[options]",
  details: [
    "Scenarios down, designs across. A cell held in all schedules with at most so many preemptions, or a promise",
    "broke. Below the table stands one command for each broken cell, which replays it. What the historical designs",
    "break is the result; a design that is meant to be sound must hold.",
  ].join("\n"),
  positionals: { min: 0, max: 0 },
  options: {
    scenario: many(text("SCENARIO", "only this one: a built-in name or a module's path; repeatable", "s")),
    design: many(text("DESIGN", "only this one: a built-in name or a module's path; repeatable", "d")),
    preemptions: searchOptions.preemptions,
    runs: { ...searchOptions.runs, help: "stop a cell after so many schedules" },
    timeout: { ...searchOptions.timeout, help: "stop a cell after this time" },
    workers: searchOptions.workers,
    set: tunablesOption,
  },
  examples: [
    ["", "all built-in scenarios under all built-in designs"],
    ["--design ext4-xip-inline --design ext4-xip-serialized", "two designs beside each other"],
    [
      "--scenario ./mine.js --preemptions 3 --timeout 30s",
      "a scenario of your own, three preemptions, at most 30 s a cell",
    ],
  ],
  json: [
    "{ interrupted, elapsed, cells: [{ scenario, design, sound, verdict, complete, runs, distinct, schedules?, broken,",
    "  elapsed, error?, replay?, violation?: { promise, message, story, schedule, switches, run } }, …] }",
    "verdict: held, broken or error (it could not be run); replay: a command line; the rest as explore prints it",
  ].join("\n"),
  exits: [
    "0  every design that is meant to be sound held in all schedules (what others broke is the result)",
    "1  a design that is meant to be sound broke, or a cell could not be run",
    "5  inconclusive: nothing of the kind, but the search of a cell that held was not complete",
  ].join("\n"),
  async run({ values }) {
    const { scenario, design, preemptions, runs, timeout, workers, set, json } = values;
    const { matrix } = await import("../../lab/matrix.ts");
    const { scenarios } = await import("../../lab/scenarios/index.ts");
    const { designs } = await import("../../xip/designs/index.ts");
    const rows = scenario ?? [...scenarios.keys()];
    const columns = design ?? [...designs.keys()];
    const total = rows.length * columns.length;
    return watched(json === true, {}, async (watch) => {
      let done = 0;
      const doing = (): void => void (watch.doing = `${done} of ${total} cells`);
      doing();
      const result = await matrix({
        scenarios: rows,
        designs: columns,
        strategy: "exhaustive",
        preemptions,
        runs,
        timeout,
        workers,
        options: set,
        signal: watch.signal,
        onProgress: watch.progress,
        onCell(cell) {
          done++;
          doing();
          watch.status.note(cellLine(cell));
        },
      });
      watch.status.end();
      const cells = result.cells.map((cell, index) =>
        withReplay(
          cell,
          rows[Math.floor(index / columns.length)] ?? "",
          columns[index % columns.length] ?? "",
        ),
      );
      const interrupted = watch.received() !== undefined;
      if (json) {
        printJson({ interrupted, elapsed: result.elapsed, cells });
      } else {
        // What Ctrl-C kept from being run is no failure of its cell.
        const shown = interrupted ? cells.filter(({ verdict }) => verdict !== "error") : cells;
        for (const line of verdictTable(shown, look(process.stdout))) print(line);
        print("");
        for (const line of legend(preemptions ?? 2)) print(line);
        print(`${interrupted ? "Interrupted after" : "Took"} ${elapsed(result.elapsed)}.`);
        const broken = brokenLines(shown);
        if (broken.length > 0) print("");
        for (const line of broken) print(line);
      }
      return endOf(watch, matrixExit(cells));
    });
  },
});

/** The schedule names scenario and design as they call themselves; modules are found by what was given for them. */
function withReplay(cell: Cell, scenario: string, design: string): Verdict {
  if (cell.violation === undefined) return cell;
  return { ...cell, replay: replayCommandOf(cell.violation.schedule, scenario, design) };
}
