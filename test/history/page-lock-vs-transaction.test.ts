// 01a33b4ace68 "ext4: start transaction before calling into DAX" (2015): a write fault locks the page, then
// wants a transaction; who has a transaction wants the page.  With a commit waiting between them neither
// goes on.  The fix: the transaction is started first, outside of every lock of pages and blocks.
//
// ext4-xip-serialized starts it first.  The other way round, the deadlock is there with one preemption; and
// the inversion of the two locks is reported in runs that do not meet it.

import { expect, test } from "vitest";
import { besides, breaks, survives, withChange } from "./claims.ts";
import { both, dropping, replacing } from "../support/mutate.ts";

const SERIALIZED = "ext4-xip-serialized";
const lockFirst = both(
  dropping("makeWritten", "downWrite(inode.dataSem);"),
  replacing("makeWritten", /const handle = /, "downWrite(inode.dataSem);\n    const handle = "),
);

test("a fault that locks first and then wants a transaction stops everybody", async () => {
  await withChange(SERIALIZED, lockFirst, async (design) => {
    const { message, switches } = await breaks(design, besides("store-beside-commit"), "no-deadlock", {
      lockdep: 0,
    });
    expect(message).toMatch(/journal/);
    expect(message).toMatch(/dataSem/);
    expect(switches).toBe(1);
  });
});

test("the order alone is reported, without any deadlock", async () => {
  await withChange(SERIALIZED, lockFirst, async (design) => {
    const { switches } = await breaks(design, besides("store-beside-commit"), "no-bug");
    expect(switches).toBe(0);
  });
});

test("a transaction that is started first leaves nobody waiting in any schedule with one preemption", async () => {
  await survives(SERIALIZED, besides("store-beside-commit"), 1);
});
