// The two steps that should have had an order: what two tasks did to the byte that went wrong, one after the
// other, the first of which the second made wrong.  A guess by patterns, for the reader; the verdict does not
// depend on it, and where no pattern fits nothing is said.

import { PAGE_SIZE } from "../../machine/memory.ts";
import { Note } from "../../machine/trace.ts";
import { Call } from "../../syscalls/record.ts";
import type { ByteFinding } from "../oracles/explain.ts";
import type { RecordedCall } from "../oracles/history.ts";
import type { PromiseName } from "../oracles/promises.ts";
import type { Row } from "./story.ts";

type Deed = "read" | "wrote" | "zeroed" | "freed" | "allocated" | "mapped" | "mapped zeros" | "unmapped";

interface Touch {
  /** As printed, from 1. */
  readonly row: number;
  readonly task: number;
  readonly deed: Deed;
  readonly words: string;
}

/** What makes what wrong, most telling first. */
const patterns: Partial<Record<PromiseName, readonly (readonly [Deed, Deed])[]>> = {
  "no-stale-data": [
    ["read", "zeroed"],
    ["read", "wrote"],
    ["freed", "read"],
    ["freed", "wrote"],
  ],
  "no-lost-write": [
    ["wrote", "zeroed"],
    ["allocated", "mapped zeros"],
    ["wrote", "unmapped"],
    ["freed", "wrote"],
  ],
  "no-freed-mapping": [
    ["freed", "mapped"],
    ["allocated", "mapped zeros"],
    ["mapped", "freed"],
  ],
};

/** One sentence, or undefined when no pattern fits. */
export function unorderedPair(
  rows: readonly Row[],
  finding: ByteFinding,
  calls: readonly RecordedCall[],
): string | undefined {
  const block = blockOf(rows, finding);
  const touches = rows.flatMap((row, i) => touchOf(row, i + 1, block, finding, calls) ?? []);
  for (const [before, after] of patterns[finding.promise] ?? []) {
    // The last such pair is the nearest to what was seen.
    const first = touches.findLast(
      (touch) => touch.deed === before && followed(touches, touch, after) !== undefined,
    );
    const second = first && followed(touches, first, after);
    if (second !== undefined) {
      return `Step ${first?.row} ${first?.words} before step ${second.row} ${second.words}; nothing ordered the two.`;
    }
  }
  return undefined;
}

function followed(touches: readonly Touch[], first: Touch, deed: Deed): Touch | undefined {
  return touches.find((touch) => touch.row > first.row && touch.task !== first.task && touch.deed === deed);
}

/** What a line of the story did to the byte, if anything. */
function touchOf(
  { task, note: line }: Row,
  row: number,
  block: number | undefined,
  finding: ByteFinding,
  calls: readonly RecordedCall[],
): Touch | undefined {
  const { note, a, b, c } = line;
  const offset = finding.position % PAGE_SIZE;
  const ino = Number(finding.file.split(":")[0]);
  const page = Math.floor(finding.position / PAGE_SIZE);
  const touch = (deed: Deed, words: string): Touch => ({ row, task, deed, words });
  const media = `media block ${block}`;
  const here = a === block && b <= offset && offset < b + c;
  switch (note) {
    case Note.copyOut:
      return here ? touch("read", `read ${media}`) : undefined;
    case Note.copyIn:
      return here ? touch("wrote", `wrote to ${media}`) : undefined;
    case Note.zero:
      return here ? touch("zeroed", `zeroed ${media}`) : undefined;
    case Note.free:
      return c === block ? touch("freed", `freed ${media}`) : undefined;
    case Note.allocate:
      return a === ino && b === page ? touch("allocated", `allocated media block ${c}`) : undefined;
    case Note.mapPage:
      if (a !== ino || b !== page) return undefined;
      return c === 0
        ? touch("mapped zeros", "mapped the zero page")
        : touch("mapped", `mapped media block ${c}`);
    case Note.unmapPage:
      return a === ino && b === page ? touch("unmapped", `unmapped page ${b}`) : undefined;
    case Note.return: {
      // Loads and stores go past the kernel: the line where they end is what there is of them.
      const call = calls.find((one) => one.task === task && one.number === a);
      if (call === undefined || call.file !== finding.file || !covers(call, finding.position))
        return undefined;
      if (call.kind === Call.load) return touch("read", "had loaded the byte");
      return call.kind === Call.store ? touch("wrote", "had stored the byte") : undefined;
    }
    default:
      return undefined;
  }
}

const covers = ({ position, length }: RecordedCall, byte: number): boolean =>
  position <= byte && byte < position + length;

/** The media block that the finding is about. */
function blockOf(rows: readonly Row[], finding: ByteFinding): number | undefined {
  const { call, position, mediaBlock } = finding;
  if (call !== undefined) {
    const from = rows.findIndex((row) => isCall(row, call, Note.call));
    const end = rows.findIndex((row) => isCall(row, call, Note.return));
    const copies = rows
      .slice(from + 1, end < 0 ? undefined : end)
      .filter(({ task, note }) => task === call.task && note.note === Note.copyOut);
    // The call's copies come in the order of the file; a hole in it makes none, so the offset must fit too.
    const offset = position % PAGE_SIZE;
    const copy = copies.find(({ note: { b, c } }) => b <= offset && offset < b + c);
    if (copies.length === 1 || copy !== undefined) return (copy ?? copies[0])?.note.a;
  }
  if (mediaBlock !== undefined) return mediaBlock;
  const ino = Number(finding.file.split(":")[0]);
  const page = Math.floor(position / PAGE_SIZE);
  return rows.findLast(
    ({ note: { note, a, b, c } }) =>
      (note === Note.mapPage || note === Note.allocate) && a === ino && b === page && c !== 0,
  )?.note.c;
}

const isCall = ({ task, note }: Row, call: RecordedCall, kind: Note): boolean =>
  task === call.task && note.note === kind && note.a === call.number;
