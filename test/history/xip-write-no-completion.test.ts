// "[v2,2/4] ext4: Add XIP functionality" (December 2013), and Dave Chinner's objection of 6 December:
// xip_file_write() copies and returns.  It has no completion step, so nothing converts the unwritten extent
// that it wrote to.
//
// What follows depends on the test for a hole.  With ext2's ("has it a block number?") the reader is handed
// the unwritten block as it lies, and what the write did not cover is what the media held before.  Whoever
// goes by the extent's state, such as a mount without XIP, reads zeros: the write is lost.

import { expect, test } from "vitest";
import { besides, breaks, survives } from "./claims.ts";

test("under the posted patch one task alone reads what the media held before, beside its own bytes", async () => {
  const { message, switches } = await breaks("ext4-xip-v2", "preallocated-write", "no-stale-data");
  expect(message).toMatch(/^writer's pread of \/file returned 0xdb at byte 4608 where 0x00 was right/);
  expect(switches).toBe(0);
});

test("under the posted patch a whole block that was written is zeros to who reads the image", async () => {
  const { message } = await breaks("ext4-xip-v2", besides("write-a-block"), "doors-agree");
  expect(message).toBe("byte 0 of /file is 0xaa for pread, 0x00 for who reads the image");
});

test.each(["ext4-xip-inline", "ext4-xip-serialized"])(
  "under %s a write converts: its bytes are read, and in the image, in every schedule",
  async (design) => {
    await survives(design, "preallocated-write");
    await survives(design, besides("write-a-block"));
  },
);
