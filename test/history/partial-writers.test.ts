// e9e3bcecf44c "ext4: serialize unaligned asynchronous DIO" (2011), and its relatives 372a03e01853 "ext4: fix
// data corruption caused by unaligned direct AIO" and 57a0da28ced8 "ext4: fix data corruption caused by
// overlapping unaligned and aligned IO" (2019): two writers of different parts of one unwritten block.  Each
// finds the block unwritten and zeroes what it does not write itself, the other's bytes too.
//
// The proposal has the shape: its writes zero the rest of the block and convert after the copy.  It does not
// have the bug, because XIP's writes hold i_mutex from the look-up to the conversion.  Asynchronous direct
// writes drop it before they convert; so does the proposal once its i_mutex is taken out.

import { expect, test } from "vitest";
import { breaks, survives, withChange } from "./claims.ts";
import { dropping } from "../support/mutate.ts";

const INLINE = "ext4-xip-inline";
const noMutex = dropping("write", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);");

test("as proposed but without i_mutex, a writer zeroes the other one's part of the block", async () => {
  await withChange(INLINE, noMutex, async (design) => {
    const { message } = await breaks(design, "two-writers", "no-lost-write", { lockdep: 0 });
    expect(message).toMatch(/returned 0x00 at byte \d+ where 0x(aa|bb) was right: (first|second)'s pwrite/);
  });
});

test.each([INLINE, "ext4-xip-serialized"])(
  "under %s both parts are kept in every schedule",
  async (design) => {
    await survives(design, "two-writers");
  },
);

test("under the posted patch neither writer zeroes the rest of the block, and stale bytes come into view", async () => {
  const { message } = await breaks("ext4-xip-v2", "two-writers", "no-stale-data");
  expect(message).toMatch(/returned 0xdb at byte 1024 where 0x00 was right/);
});
