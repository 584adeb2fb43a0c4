// As merged in 4.0, a write fault on a hole had the block allocated as written, and zeroed it afterwards
// (ext4_dax_fault with ext4_get_block, whose author asked beside it whether it was the right one).  Until then
// everybody is shown what the media held before.  ext4_get_block_dax() (2015) allocated it unwritten;
// 12735f881952 "ext4: pre-zero allocated blocks for DAX IO" (2016) zeroed it first.

import { expect, test } from "vitest";
import { besides, breaks, survives } from "./claims.ts";

const SCENARIO = besides("read-beside-store-into-hole");

test("as merged in 4.0, a read beside a store into a hole returns what the media held before", async () => {
  const { message } = await breaks("dax-4.0", SCENARIO, "no-stale-data");
  expect(message).toMatch(/^reader's pread of \/file returned 0xdb at byte \d+ where 0x00/);
});

test.each(["dax-4.9", "dax-6.1", "ext4-xip-serialized"])(
  "under %s no read beside a store into a hole returns what the media held before, in any schedule",
  async (design) => {
    await survives(design, SCENARIO);
  },
);
