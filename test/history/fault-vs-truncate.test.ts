// 5726b27b09cc "ext2: Add locking for DAX faults" (2015), and for hole punching ea3d7209ca01 "ext4: fix races
// between page faults and hole punching" (2015): a fault looks a block up, truncate unmaps and frees it, the
// fault maps it.  The process then stores into a block that belongs to nobody, or to another file.
//
// XIP had this race in every version, and the proposal adds nothing against it.  The fix is a lock that
// faults share and truncate holds alone: dax_sem in ext2, i_mmap_sem in ext4, invalidateSem here.

import { expect, test } from "vitest";
import { breaks, survives } from "./claims.ts";

const without = ["ext2-xip", "ext4-xip-v2", "ext4-xip-inline"];

test.each(without)("under %s a fault maps a block that truncate has freed", async (design) => {
  const { message } = await breaks(design, "store-beside-truncate", "no-freed-mapping");
  expect(message).toMatch(
    /^a process still maps media block \d+ for page 0 of \/old, which the file has given/,
  );
});

test("with a lock between faults and truncate no mapping of a freed block is left in any schedule", async () => {
  await survives("ext4-xip-serialized", "store-beside-truncate");
});
