// Not a bug of Linux but of the proposal, found by the lab; the nearest relative is 1ca191576fc8 "xfs: Don't
// use unwritten extents for DAX" (2015): code that fills a hole cannot tell a block that it allocated, and
// zeroed, from one that somebody else preallocated.  A write fault finds a hole.  Before it has the lock to
// fill it, fallocate reserves the block.  The fault then finds a block, takes it for one that another fault
// filled, and maps it unwritten: nobody zeroes it, nobody converts it, and the store is lost.

import { expect, test } from "vitest";
import { breaks, survives } from "./claims.ts";

test("as proposed, a store into a hole that fallocate has just reserved is lost", async () => {
  const { message, switches } = await breaks("ext4-xip-inline", "store-beside-fallocate", "no-lost-write");
  expect(message).toMatch(/returned 0x00 at byte 1024 where 0xbb was right: storer's store/);
  expect(switches).toBe(1);
});

test("a fault that asks again under the lock, for the state too, keeps the store in every schedule", async () => {
  await survives("ext4-xip-serialized", "store-beside-fallocate");
});
