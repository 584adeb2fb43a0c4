// 12735f881952 "ext4: pre-zero allocated blocks for DAX IO" (2016): a write finds the block unwritten and
// copies.  Before it converts, a fault finds the block unwritten too, zeroes it, converts it and maps it.
// The write's conversion then finds nothing to do, and its bytes are gone.
//
// That is dax-4.0.  The proposal of December 2013 has the race three times over: its reads zero and convert as its faults do.

import { expect, test } from "vitest";
import { breaks, survives } from "./claims.ts";

const INLINE = "ext4-xip-inline";
const shapes: { other: string; scenario: string }[] = [
  { other: "a read fault", scenario: "write-beside-load" },
  { other: "a write fault", scenario: "write-beside-store" },
  { other: "a read", scenario: "write-beside-read" },
];

test.each(shapes)("as proposed, $other zeroes what a write has copied", async ({ scenario }) => {
  const { message, story, switches } = await breaks(INLINE, scenario, "no-lost-write");
  expect(message).toMatch(/returned 0x00 .* where 0xaa was right: writer's pwrite had put other bytes there/);
  expect(story).toMatch(
    /Step \d+ wrote to media block (\d+) before step \d+ zeroed media block \1; nothing ordered/,
  );
  expect(switches).toBe(1);
});

test.each(shapes.slice(0, 2))(
  "as merged in 4.0, $other zeroes what a write has copied",
  async ({ scenario }) => {
    const { message } = await breaks("dax-4.0", scenario, "no-lost-write");
    expect(message).toMatch(
      /returned 0x00 .* where 0xaa was right: writer's pwrite had put other bytes there/,
    );
  },
);

test("as merged in 4.0, reads do not convert, and i_mutex keeps them from a write", async () => {
  await survives("dax-4.0", "write-beside-read");
});

test.each(["dax-4.9", "dax-6.1"])(
  "under %s, which zeroes and converts first, a write beside a write fault keeps its bytes in every schedule",
  async (design) => {
    await survives(design, "write-beside-store");
  },
);

test.each(shapes)(
  "serialized, a write beside $other keeps its bytes in every schedule",
  async ({ scenario }) => {
    await survives("ext4-xip-serialized", scenario);
  },
);
