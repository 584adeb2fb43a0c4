// A violation as people read it: the claim on top, a column for each task, calls indented, and at the end
// which promise broke and which two steps nothing ordered.

import { HOST_TASK } from "../../machine/limits.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { Note, type TraceLine } from "../../machine/trace.ts";
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
interface Row {
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
  const pair = unorderedPair(rows, input);
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

interface Touch {
  readonly row: number;
  readonly task: number;
  readonly verb: "read" | "wrote to" | "zeroed" | "freed" | "marked";
  readonly block: number;
}

const verbs: Partial<Record<Note, Touch["verb"]>> = {
  [Note.copyOut]: "read",
  [Note.copyIn]: "wrote to",
  [Note.zero]: "zeroed",
  [Note.free]: "freed",
};

/** The two rows that should have had an order: accesses of one block by different tasks, one of them changing it. */
function unorderedPair(rows: readonly Row[], { finding }: StoryInput): string | undefined {
  if (!("position" in finding)) return undefined;
  const touches = rows.flatMap(({ task, note }, row): Touch[] => {
    const verb = verbs[note.note];
    if (verb === undefined) return [];
    return [{ row: row + 1, task, verb, block: note.note === Note.free ? note.c : note.a }];
  });
  const block = blockOf(rows, finding);
  if (block === undefined) return undefined;
  const there = touches.filter((touch) => touch.block === block);
  const pairs = there.flatMap((first, i) => {
    const second = there.slice(i + 1).find((touch) => touch.task !== first.task);
    return second === undefined || (first.verb === "read" && second.verb === "read")
      ? []
      : [{ first, second }];
  });
  const chosen = pairs.toSorted((a, b) => harm(finding, b) - harm(finding, a))[0];
  if (chosen === undefined) return undefined;
  const { first, second } = chosen;
  return `Step ${first.row} ${first.verb} media block ${block} before step ${second.row} ${second.verb} it; nothing ordered the two.`;
}

/** How well a pair explains the damage: stale bytes are read before they are zeroed, lost ones zeroed after they were written. */
function harm({ promise }: Finding, { first, second }: { first: Touch; second: Touch }): number {
  const order =
    promise === "no-stale-data"
      ? ["read zeroed", "read wrote to", "freed read", "freed wrote to", "wrote to read"]
      : ["wrote to zeroed", "zeroed zeroed", "freed wrote to", "wrote to wrote to", "read wrote to"];
  const rank = order.indexOf(`${first.verb} ${second.verb}`);
  // Later pairs first among equals: they are nearer to what was seen.
  return (rank < 0 ? -100 : -rank) + first.row / 10_000;
}

/** The media block that the finding is about. */
function blockOf(rows: readonly Row[], finding: ByteFinding): number | undefined {
  const { call, position } = finding;
  if (call !== undefined) {
    const from = rows.findIndex((row) => isCall(row, call, Note.call));
    const end = rows.findIndex((row) => isCall(row, call, Note.return));
    const copies = rows
      .slice(from + 1, end < 0 ? undefined : end)
      .filter(({ task, note }) => task === call.task && note.note === Note.copyOut);
    // The call's copies come in the order of the file; a hole in it makes none, so the offset must fit too.
    const copy = copies.find(
      ({ note: { b, c } }) => b <= position % PAGE_SIZE && position % PAGE_SIZE < b + c,
    );
    if (copies.length === 1 || copy !== undefined) return (copy ?? copies[0])?.note.a;
  }
  if (finding.mediaBlock !== undefined) return finding.mediaBlock;
  const ino = Number(finding.file.split(":")[0]);
  const page = Math.floor(position / PAGE_SIZE);
  return rows.findLast(
    ({ note: { note, a, b, c } }) =>
      (note === Note.mapPage || note === Note.allocate) && a === ino && b === page && c !== 0,
  )?.note.c;
}

const isCall = ({ task, note }: Row, call: RecordedCall, kind: Note): boolean =>
  task === call.task && note.note === kind && note.a === call.number;
