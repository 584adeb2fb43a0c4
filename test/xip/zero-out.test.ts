// Linux converts a short unwritten extent whole when a part of it is written (extent_max_zeroout_kb).  Blocks that nobody
// wrote to become written with it, and a zero page of theirs must go, too: the next write finds the block written.
//
// Linux 6.1 leaves them.  By the sources: only the range that was asked for counts as new (ext4_iomap_begin), only of
// that are pages invalidated (dax_iomap_iter), and the zeroing around it is the extent tree's own affair
// (ext4_ext_convert_to_initialized).  No two calls need to overlap for it.

import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { breaks, survives } from "../history/claims.ts";

const SCENARIO = fileURLToPath(new URL("./scenarios/zeroed-around.js", import.meta.url));

test("dax-6.1 leaves a zero page over a block that was zeroed with its neighbour, and a write is not seen", async () => {
  const { message } = await breaks("dax-6.1", SCENARIO, "no-lost-write");
  expect(message).toMatch(/^loader's load of \/file returned 0x00 at byte 0 where 0xbb was right/);
});

test("under ext4-xip-serialized no zero page is left over a block that was zeroed with its neighbour, in any schedule", async () => {
  await survives("ext4-xip-serialized", SCENARIO);
});
