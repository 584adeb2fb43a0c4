// Every note of a run has words of its own in the story.

import { expect, test } from "vitest";
import { noteWords } from "../../../src/lab/report/words.ts";
import { Note, type TraceLine } from "../../../src/machine/trace.ts";
import { explore } from "../../../src/index.ts";

const line = (note: Note, a = 1, b = 2, c = 3): TraceLine => ({ task: 0, step: 0, note, a, b, c });

test("no two kinds of note have the same words, and none is told by its number", () => {
  const words = Object.values(Note).map((note) => noteWords(line(note)));
  expect(new Set(words).size).toBe(words.length);
  expect(words.filter((one) => /\bnote\b|undefined/.test(one))).toEqual([]);
});

test("a shift says how far, and to which side, whatever sign the trace has lost", () => {
  expect(noteWords(line(Note.shift, 1, 8, 4))).toBe("shift extents from block 8 on: 4 blocks to the right");
  expect(noteWords(line(Note.shift, 1, 8, -4 >>> 0))).toBe(
    "shift extents from block 8 on: 4 blocks to the left",
  );
});

/** The story of what a design breaks in a scenario. */
async function storyOf(scenario: string, design: string): Promise<string> {
  const { violation } = await explore(scenario, { design, strategy: "exhaustive", preemptions: 1 });
  return violation?.story ?? "";
}

test("a story tells what a zero range does to the extents, and when a sync has returned", async () => {
  const zeroed = await storyOf("zero-beside-store", "dax-4.0");
  expect(zeroed).toMatch(/ {2}convert block 0: written -> unwritten$/m);
  const punched = await storyOf("punch-beside-store", "dax-4.0");
  expect(punched).toMatch(/ sync\n.* commit \d+ blocks\n.* returns\n.* open \/new$/m);
});
