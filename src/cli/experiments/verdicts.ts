// The verdicts of a matrix as a table, and the commands below it.

import { Exit, type ExitCode } from "../exit.ts";
import type { Cell as SearchedCell } from "../../lab/matrix.ts";
import type { PromiseName } from "../../lab/oracles/promises.ts";
import type { Look } from "../terminal/look.ts";
import { table, type Cell } from "../terminal/table.ts";
import { counted, elapsed, grouped } from "../terminal/words.ts";
import { brokenWord } from "./shared.ts";

/** A cell of the matrix, and the command that replays what broke in it. */
export interface Verdict extends SearchedCell {
  readonly replay?: string;
}

/** The table, scenarios down and designs across, in at most `look.width` columns. */
export function verdictTable(cells: readonly Verdict[], look: Look): string[] {
  const scenarios = [...new Set(cells.map((cell) => cell.scenario))];
  const designs = [...new Set(cells.map((cell) => cell.design))];
  const rows = scenarios.map((scenario) => ({
    title: scenario,
    cells: designs.map((design): Cell => {
      const cell = cells.find((one) => one.scenario === scenario && one.design === design);
      return cell ? shown(cell, look) : { lines: ["not run"] };
    }),
  }));
  return table("", designs, rows, look.width);
}

/** Where a cell is spelt out in words, four designs must still fit beside each other. */
const SHORT: Record<PromiseName, string> = {
  "no-stale-data": "stale",
  "no-lost-write": "lost",
  "doors-agree": "doors",
  "no-freed-mapping": "freed",
  consistent: "fsck",
  "no-deadlock": "deadlock",
  "no-livelock": "livelock",
  "no-bug": "bug",
  claim: "claim",
};

function shown(cell: Verdict, look: Look): Cell {
  const { verdict, violation, runs, schedules = runs } = cell;
  const paint = verdict === "held" ? look.green : cell.sound ? look.red : look.bold;
  if (violation !== undefined) {
    const { promise, switches } = violation;
    return {
      lines: [brokenMark(promise, look), `${grouped(cell.broken)}/${grouped(runs)} (${grouped(switches)})`],
      paint,
    };
  }
  if (verdict === "error") return { lines: [mark("!", "failed", look)], paint };
  if (runs === 0) return { lines: ["not run"] };
  return {
    lines: [
      mark("✓", "held", look),
      cell.complete ? `all ${grouped(schedules)}` : `${grouped(schedules)} of more`,
    ],
    paint,
  };
}

/** What stands in a table's cell where a promise broke. */
export function brokenMark(promise: PromiseName, look: Look): string {
  return look.unicode ? `✗ ${brokenWord(promise)}` : `broken: ${SHORT[promise]}`;
}

export function mark(sign: string, word: string, look: Look): string {
  return look.unicode ? `${sign} ${word}` : word;
}

/** What the table's second lines mean. */
export function legend(preemptions: number): string[] {
  return [
    `all N       held in every schedule with at most ${counted(preemptions, "preemption")}, N of them`,
    "N of more   held in the N that were run; the search ended before all were",
    "K/N (S)     broke in K of the N schedules that were run; the shortest found has S switches",
  ];
}

/** One line for each broken or failed cell: the command that shows it again, and what it shows. */
export function brokenLines(cells: readonly Verdict[]): string[] {
  return cells.flatMap((cell) => {
    if (cell.verdict === "error")
      return [`# ${cell.scenario} under ${cell.design} could not be run: ${cell.error}`];
    return cell.violation ? [`${cell.replay}  # ${brokenWord(cell.violation.promise)}`] : [];
  });
}

/** A cell as a line of its own, for where no table can grow. */
export function cellLine(cell: Verdict): string {
  const where = `${cell.scenario} under ${cell.design}`;
  const spent = `${counted(cell.runs, "run")} in ${elapsed(cell.elapsed)}`;
  switch (cell.verdict) {
    case "error":
      return `${where}: failed: ${cell.error}`;
    case "broken":
      return `${where}: broken (${cell.violation?.promise}), ${spent}`;
    case "held":
      if (cell.runs === 0) return `${where}: not run`;
      return `${where}: held, ${cell.complete ? "complete" : "not complete"}, ${spent}`;
  }
}

/** What the historical designs break is the result; what a sound one breaks, or what could not be run, is a failure. */
export function matrixExit(cells: readonly Verdict[]): ExitCode {
  const failed = cells.some((cell) => cell.verdict === "error" || (cell.sound && cell.verdict === "broken"));
  if (failed) return Exit.violation;
  const open = cells.some((cell) => cell.verdict === "held" && !cell.complete);
  return open || cells.length === 0 ? Exit.inconclusive : Exit.nothingFound;
}
