// A finding of the lab about Linux, not a bug that Linux has fixed: a write fault fills a hole, which makes the
// block written, and has yet to take the hole's zero page out of other processes.  A write finds the block
// written.  It copies and returns, without asking for the page's entry, which the fault holds; and until the
// fault goes on, a process that has the zero page loads zeros where the write has returned.
//
// By the sources: the write's look-up needs no transaction for a written block and does not call it new
// (ext4_iomap_begin), only a new block has its pages invalidated (dax_iomap_iter), and the fault has the block
// converted before it takes the zero page out (dax_iomap_pte_fault, dax_insert_entry).  4.9 did not have it: every
// write took zero pages out when its copy was done (generic_file_direct_write).  e3fce68cdbed "dax: Avoid page
// invalidation races and unnecessary radix tree traversals" (4.10) closed the race of that with load faults, and
// left it out where nothing was allocated.

import { expect, test } from "vitest";
import { breaks, survives, withChange } from "./claims.ts";
import { replacing } from "../support/mutate.ts";

const SCENARIO = "write-into-new-block";

test("under dax-6.1 a process loads zeros where a write has returned", async () => {
  const { message, story, switches } = await breaks("dax-6.1", SCENARIO, "no-lost-write");
  expect(message).toMatch(/^writer's load of \/file returned 0x00 at byte 0 where 0xaa was right/);
  expect(story).toMatch(/copy into media block \d+, bytes 0 to 15\n[^]*unmap page 0 everywhere/);
  expect(switches).toBe(2);
});

test("a write that waits for the fault keeps the promise in every schedule", async () => {
  const waits = replacing(
    "mapForWrite",
    /if \(typeof found === "number" \|\| found\.state === State\.written\)/,
    "lockEntry(inode.mapping, block); unlockEntry(inode.mapping, block); $&",
  );
  await withChange("dax-6.1", waits, async (waiting) => {
    await survives(waiting, SCENARIO);
  });
});

test.each(["dax-4.9", "ext4-xip-serialized"])(
  "under %s no process loads zeros where a write has returned, in any schedule",
  async (design) => {
    await survives(design, SCENARIO);
  },
);
