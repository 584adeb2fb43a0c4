// A violation as people read it: the claim on top, a column for each task, calls indented, and at the end
// which promise broke and which two steps nothing ordered.

import { HOST_TASK } from "../../machine/limits.ts";
import { Note, type TraceLine } from "../../machine/trace.ts";
import { unorderedPair } from "./pair.ts";
import type { ByteFinding, Names } from "../oracles/explain.ts";
import type { RecordedCall } from "../oracles/history.ts";
import { promises, type Finding } from "../oracles/promises.ts";
import { callWords, noteWords, returnWords } from "./words.ts";

export interface StoryInput {
  readonly claim: string;
  readonly design: string;
  readonly schedule: string;
  readonly tasks: readonly string[];
  /** The notes of the failing run, in order. */
  readonly lines: readonly TraceLine[];
  readonly calls: readonly RecordedCall[];
  readonly finding: Finding | ByteFinding;
  readonly names: Names;
}

/** One line of the story; `note` is what it was made from. */
export interface Row {
  readonly task: number;
  readonly text: string;
  readonly note: TraceLine;
}

const MAX_ROWS = 120;
const GAP = 3;

/** The whole text, without a newline at its end. */
export function story(input: StoryInput): string {
  const rows = rowsOf(input);
  const { promise, message } = input.finding;
  const pair = "position" in input.finding ? unorderedPair(rows, input.finding, input.calls) : undefined;
  return [
    input.claim,
    "",
    ...columns(rows, input.tasks),
    "",
    `${capital(message)}.`,
    ...(pair === undefined ? [] : [pair]),
    `The promise broken: ${promise} (${promises[promise]}).   Design: ${input.design}.   Schedule: ${input.schedule}`,
  ].join("\n");
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

function rowsOf({ lines, calls, names }: StoryInput): Row[] {
  const byNumber = new Map(calls.map((call) => [`${call.task} ${call.number}`, call]));
  const inCall = new Set<number>();
  const inFault = new Set<number>();
  const rows: Row[] = [];
  for (const line of lines) {
    const { task } = line;
    if (task === HOST_TASK) continue;
    const call = byNumber.get(`${task} ${line.a}`);
    let text: string | undefined;
    let depth = (inCall.has(task) ? 1 : 0) + (inFault.has(task) ? 1 : 0);
    if (line.note === Note.call) {
      text = call === undefined ? "a call" : callWords(call, names.file(call.file));
      inCall.add(task);
      depth = 0;
    } else if (line.note === Note.return) {
      text = call === undefined ? undefined : returnWords(call);
      inCall.delete(task);
      inFault.delete(task);
      depth = 1;
    } else {
      if (line.note === Note.fault) {
        inFault.delete(task);
        depth = inCall.has(task) ? 1 : 0;
      }
      text = noteWords(line);
      if (line.note === Note.fault) inFault.add(task);
      if (line.note === Note.mapPage || line.note === Note.sigbus) inFault.delete(task);
    }
    if (text !== undefined) rows.push({ task, text: "  ".repeat(depth) + text, note: line });
  }
  return rows;
}

function columns(rows: readonly Row[], tasks: readonly string[]): string[] {
  const widths = tasks.map((name, task) =>
    Math.max(name.length, ...rows.filter((row) => row.task === task).map((row) => row.text.length)),
  );
  const starts = widths.map((_, task) => widths.slice(0, task).reduce((sum, width) => sum + width + GAP, 0));
  const place = (task: number, text: string): string => " ".repeat(starts[task] as number) + text;
  const heads = tasks.map((name, task) => name.padEnd((widths[task] as number) + GAP)).join("");
  const shown = rows
    .slice(0, MAX_ROWS)
    .map((row, i) => `${String(i + 1).padStart(4)}   ${place(row.task, row.text)}`);
  const left = rows.length - shown.length;
  return [`       ${heads}`.trimEnd(), ...shown, ...(left > 0 ? [`       … ${left} more lines`] : [])];
}
