// A violation of a free run as text.  No schedule can be printed: the hardware was the scheduler.  What can
// be said is which calls overlapped, what they wrote, and what the bytes should have been.

import type { ByteFinding, Names } from "../oracles/explain.ts";
import type { RecordedCall } from "../oracles/history.ts";
import { promises, type Finding } from "../oracles/promises.ts";
import { Call } from "../../syscalls/record.ts";
import { bytesInWords, callWords, returnWords } from "./words.ts";

export interface OverlapInput {
  readonly claim: string;
  readonly design: string;
  readonly seed: number;
  readonly round: number;
  readonly finding: Finding | ByteFinding;
  readonly calls: readonly RecordedCall[];
  readonly names: Names;
}

const MAX_CALLS = 60;

/** The calls that concern the finding, in order of their begins, those that overlap what went wrong marked. */
export function overlapText({ claim, design, seed, round, finding, calls, names }: OverlapInput): string {
  const place = "position" in finding ? finding : undefined;
  const concerned = place === undefined ? calls : calls.filter((call) => touches(call, place));
  const what =
    place === undefined
      ? "All calls"
      : `The calls on ${names.file(place.file)} that reach byte ${place.position}`;
  const rows = concerned.slice(-MAX_CALLS).map((call) => row(call, place?.call, names));
  const left = concerned.length - rows.length;
  return [
    claim,
    "",
    `${what}, in the order in which they began (* beside what went wrong):`,
    "",
    `    begin   end  ${"task".padEnd(12)} call`,
    ...(left > 0 ? [`  … ${left} earlier calls`] : []),
    ...rows,
    "",
    `${finding.message.slice(0, 1).toUpperCase()}${finding.message.slice(1)}.`,
    `The promise broken: ${finding.promise} (${promises[finding.promise]}).   Design: ${design}.   Seed: ${seed}, round ${round}.`,
  ].join("\n");
}

/** Whether a call may have read or changed the byte. */
function touches(call: RecordedCall, { file, position }: ByteFinding): boolean {
  if (call.file !== file || call.kind === Call.close || call.kind === Call.fstat) return false;
  if (call.kind === Call.truncate || call.kind === Call.ftruncate) return call.length <= position;
  if (call.kind === Call.open || call.kind === Call.unlink) return true;
  return call.position <= position && position < call.position + call.length;
}

function row(call: RecordedCall, culprit: RecordedCall | undefined, names: Names): string {
  const beside =
    culprit !== undefined && call !== culprit && call.begin < culprit.end && culprit.begin < call.end;
  const mark = call === culprit ? ">" : beside ? "*" : " ";
  const end = call.end === Infinity ? "never" : String(call.end);
  const given = call.kind === Call.pwrite || call.kind === Call.write || call.kind === Call.store;
  const words = callWords(call, names.file(call.file));
  const result = returnWords(call);
  const bytes = given ? `: ${bytesInWords(call.data)}` : "";
  const returned = result === undefined || result === "returns" ? "" : `, ${result}`;
  return ` ${mark} ${String(call.begin).padStart(6)} ${end.padStart(5)}  ${names.task(call.task).padEnd(12)} ${words}${bytes}${returned}`;
}
