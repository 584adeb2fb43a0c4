// What a search for power failures has found: cells in words, and many of them as a table.

import type { CrashResult } from "../../lab/crash.ts";
import type { Look } from "../terminal/look.ts";
import { table, type Cell } from "../terminal/table.ts";
import { counted, elapsed, grouped } from "../terminal/words.ts";
import { brokenWord } from "./shared.ts";
import { brokenMark, mark } from "./verdicts.ts";

/** One scenario under one design. */
export interface CrashCell extends CrashResult {
  readonly scenario: string;
  readonly design: string;
  readonly sound: boolean;
  /** Why it could not be run. */
  readonly error?: string;
}

/** What is known of a cell that could not be run. */
export const nothingFound: CrashResult = {
  runs: 0,
  points: 0,
  sampled: 0,
  states: 0,
  distinct: 0,
  recovered: 0,
  broken: 0,
  maxLines: 0,
  calls: [],
  flushes: [],
  finished: false,
  complete: false,
  elapsed: 0,
};

/** The table, scenarios down and designs across, in at most `look.width` columns. */
export function crashTable(cells: readonly CrashCell[], look: Look): string[] {
  const scenarios = [...new Set(cells.map(({ scenario }) => scenario))];
  const designs = [...new Set(cells.map(({ design }) => design))];
  const rows = scenarios.map((scenario) => ({
    title: scenario,
    cells: designs.map((design): Cell => {
      const cell = cells.find((one) => one.scenario === scenario && one.design === design);
      if (cell?.error !== undefined)
        return { lines: [mark("!", "failed", look)], paint: paintOf(cell, look) };
      return cell === undefined || cell.states === 0 ? { lines: ["not run"] } : shown(cell, look);
    }),
  }));
  return table("", designs, rows, look.width);
}

/** How what is not as it should be looks. */
const paintOf = ({ sound }: CrashCell, look: Look): Look["red"] => (sound ? look.red : look.bold);

function shown(cell: CrashCell, look: Look): Cell {
  const { violation, states, broken, recovered, sampled, finished } = cell;
  const open = finished ? "" : "…";
  if (violation !== undefined) {
    return {
      lines: [brokenMark(violation.promise, look), `${grouped(broken)}/${grouped(states)}${open}`],
      paint: paintOf(cell, look),
    };
  }
  const some = sampled > 0 ? " of more" : "";
  const torn = tornCalls(cell);
  const lines = [mark("✓", "held", look), `${grouped(states)}${some}: ${grouped(recovered)}${open}`];
  return { lines: torn.length === 0 ? lines : [...lines, `torn: ${torn.join(" ")}`], paint: look.green };
}

/** What the table's cells mean. */
export const crashLegend = [
  "N: R          held in each of the N states that failures can leave; after recovery they are R file systems",
  "N of more: R  the same; where many ways are open, some were chosen",
  "torn: CALL    a part of what the call does can come up without the rest",
  "K/N           a promise broke in K of N states",
];

const tornCalls = ({ calls }: CrashCell): string[] => [
  ...new Set(calls.filter(({ atomic }) => !atomic).map(({ call }) => call)),
];

/** A cell as a line of its own, for where no table can grow. */
export function cellLine(cell: CrashCell): string {
  const { scenario, design, violation, calls, finished, error } = cell;
  if (error !== undefined) return `${scenario} under ${design}: failed: ${error}`;
  const word = violation === undefined ? "held" : `broken (${brokenWord(violation.promise)})`;
  const torn = tornCalls(cell);
  const atomic = torn.length === 0 ? "atomic" : `not atomic: ${torn.join(", ")}`;
  const after = Math.max(0, ...calls.map((call) => call.after ?? 0));
  const unique = after === 0 ? "" : `, ${counted(after, "state")} after a sync`;
  const early = finished ? "" : " (not finished)";
  return `${scenario} under ${design}: ${word}${early}: ${spent(cell)}; ${atomic}${unique}`;
}

const sampledWords = (sampled: number, maxLines: number): string =>
  sampled === 0 ? "" : ` (${grouped(sampled)} with more than ${grouped(2 ** maxLines)} ways sampled)`;

/** What a search has looked at. */
export function spent(cell: CrashCell): string {
  const { runs, points, sampled, maxLines, states, recovered, broken, nested, elapsed: time } = cell;
  const again =
    nested === undefined
      ? ""
      : `, and ${counted(nested.states, "state")} of failures during recovery at ${counted(nested.points, "point")}${sampledWords(nested.sampled, nested.maxLines)}`;
  const wrong = broken === 0 ? "" : ` (${grouped(broken)} broken)`;
  return `${counted(runs, "run")}, ${counted(points, "point")}${sampledWords(sampled, maxLines)}, ${counted(states, "state")}${wrong}, ${grouped(recovered)} after recovery${again}, ${elapsed(time)}`;
}
