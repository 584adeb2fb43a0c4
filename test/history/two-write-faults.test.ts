// 1ca191576fc8 "xfs: Don't use unwritten extents for DAX" (2015): two write faults find one block unwritten.
// The first zeroes it, converts it and maps it; its process stores.  Then the second zeroes it.
//
// 843172978bb9 "dax: fix race between simultaneous faults" (2015) is the same for a hole: as merged in 4.0 the first
// fault has allocated the block and not zeroed it yet, the second one finds it, maps it, and its process stores.
// XIP on ext2 did not have that one: it looks again under its mutex, and zeroes a block only before anybody can
// find it.

import { expect, test } from "vitest";
import { besides, breaks, survives } from "./claims.ts";

test("as proposed, the second of two write faults zeroes what the first one's process stored", async () => {
  const { message, switches } = await breaks("ext4-xip-inline", "two-store-faults", "no-lost-write");
  expect(message).toMatch(/returned 0x00 .* (first|second)'s store had put other bytes there and returned$/);
  expect(switches).toBe(1);
});

const shapes = [
  { where: "an unwritten block", scenario: "two-store-faults" },
  { where: "a hole", scenario: besides("two-stores-into-hole") },
];

test.each(shapes)("as merged in 4.0, two write faults on $where lose a store", async ({ scenario }) => {
  const { message, switches } = await breaks("dax-4.0", scenario, "no-lost-write");
  expect(message).toMatch(/returned 0x00 .* (first|second)'s store had put other bytes there and returned$/);
  expect(switches).toBe(1);
});

test.each(shapes)("under dax-4.9 and dax-6.1 two write faults on $where keep both", async ({ scenario }) => {
  for (const design of ["dax-4.9", "dax-6.1"]) await survives(design, scenario);
});

test("a lock from the look-up to the conversion keeps both stores in every schedule", async () => {
  await survives("ext4-xip-serialized", "two-store-faults");
});

test("two write faults on a hole of ext2 keep both stores in every schedule", async () => {
  await survives("ext2-xip", "two-store-faults");
});
