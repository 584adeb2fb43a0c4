// Dave Chinner, 30 January 2014, on the fifth version of the XIP patches: a write fault maps an unwritten
// block, and nobody zeroes it or converts it.  The program's store lies in a block that the file system
// takes for zeros, and around it the program sees what the media held before.
//
// Neither does the fault handler of the patch that was posted in December 2013.

import { expect, test } from "vitest";
import { besides, breaks, survives } from "./claims.ts";

test("under the posted patch a store maps stale bytes around it", async () => {
  const { message } = await breaks("ext4-xip-v2", "two-store-faults", "no-stale-data");
  expect(message).toMatch(/returned 0xdb .* the media held that before the file system was made$/);
});

test("under the posted patch a stored block is zeros to who reads the image", async () => {
  const { message } = await breaks("ext4-xip-v2", besides("store-a-block"), "doors-agree");
  expect(message).toBe("byte 0 of /file is 0xaa for pread, 0x00 for who reads the image");
});

test.each(["ext4-xip-inline", "ext4-xip-serialized"])(
  "under %s a store maps zeros around it, and its block is written, in every schedule",
  async (design) => {
    await survives(design, besides("store-a-block"));
  },
);
