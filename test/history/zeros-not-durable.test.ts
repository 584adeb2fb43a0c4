// 5885ebda878b "xfs: ensure truncate forces zeroed blocks to disk" (2015): what lies behind the end of a file is zeroed in
// memory, the size becomes durable, and the power fails: the file shows what it held before.  Zeros have to be durable
// before the transaction that brings them into view.
//
// The same with a conversion, as in a5949d3faedf for delayed allocation (cf1438248c0f, xfs/053): a whole extent is said to
// be written before all of it is.  The proposal of December 2013 zeroes and marks an extent written in a read, and the
// next commit makes that durable, whoever wants it; of the zeros nothing is.

import { expect, test } from "vitest";
import { besides, breaksInCrash, survivesCrash } from "./claims.ts";

const GROWS = besides("cut-and-grow");
const READS = besides("read-then-sync");

test.each(["ext2-xip", "ext4-xip-inline"])(
  "under %s a file that was cut and has grown again shows what it held behind the cut",
  async (design) => {
    const { message } = await breaksInCrash(design, GROWS, "no-stale-data");
    expect(message).toMatch(
      /returned 0x11 at byte \d+ where 0x00 was right: the file held that before it gave the space up/,
    );
  },
);

test("the proposal converts in a read, and another task's fsync makes that durable before the zeros", async () => {
  const { message } = await breaksInCrash("ext4-xip-inline", READS, "no-stale-data");
  expect(message).toMatch(/returned 0xdb at byte \d+ where 0x00 was right/);
});

test.each(["ext4-xip-serialized", "dax-4.9", "dax-6.1"])(
  "under %s zeros are durable before what brings them into view",
  async (design) => {
    await survivesCrash(design, GROWS, false);
    await survivesCrash(design, READS, design !== "ext4-xip-serialized");
  },
);
