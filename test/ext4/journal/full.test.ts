// What happens when the journal, or a transaction, is full: handles wait for a commit, commits for a checkpoint, and nobody
// for ever.  And that no operation is too large for the smallest journal: those that free much do it in one transaction of
// few blocks, as emptied tree blocks are revoked and not written, so none has to be cut in two.

import { expect, test } from "vitest";
import { creditsOf } from "../../../src/ext4/extents/credits.ts";
import { journalOf } from "../../../src/ext4/journal/state.ts";
import { MAX_MEDIA, MIB } from "../../../src/machine/limits.ts";
import { createMemory, header } from "../../../src/machine/layout.ts";
import { mediaAt } from "../../../src/machine/pmem.ts";
import { PowerFailures } from "../../../src/machine/pmem/crash.ts";
import { Event, startLog, stopLog } from "../../../src/machine/pmem/log.ts";
import { Crew } from "../../../src/sched/pool.ts";
import { initSched } from "../../../src/sched/state.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { debugfs, e2fsck, e2fsckRecover, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";
import { cleanImage, imageOf } from "../../support/machine.ts";
import type { Asked, Found } from "./full-tasks.ts";

const BLOCK = 4096;
const SMALLEST = 1024; // blocks: what mke2fs calls size=4
const design = designs.get("ext4-xip-serialized") as Design;

test("every operation on the largest media fits half a transaction of the smallest journal", () => {
  const [blocks, descriptors] = [MAX_MEDIA / BLOCK, 1];
  const largest = {
    blockSize: BLOCK,
    blockCount: blocks,
    groupCount: Math.ceil(blocks / (8 * BLOCK)),
    descriptorBlocks: descriptors,
  };
  const { allocate, convert, remove, inode, orphan, newInode, addName, freeInode } = creditsOf(largest);
  const most = SMALLEST >>> 3;
  expect(allocate + convert).toBeLessThan(most);
  expect(remove + orphan + freeInode + 3).toBeLessThan(most);
  expect(addName + newInode + orphan + 4 * inode + 4).toBeLessThan(most);
});

test("thousands of extents are punched, truncated and unlinked in the smallest journal, whole or not at all", () => {
  const { mem, sys } = bootKernel(design, mkfs(80 * MIB, ["-J", "size=4", "-N", "64"]));
  expect(journalOf(mem).length).toBe(SMALLEST);
  const calls = sys();
  const extents = 6000;
  const bytes = new Uint8Array(BLOCK).fill(7);
  for (const path of ["/one", "/two"]) {
    const fd = calls.open(path, "w+");
    for (let index = 0; index < extents; index++) calls.pwrite(fd, bytes, 2 * BLOCK * index);
    calls.close(fd);
  }
  calls.sync();
  expect(e2fsck(cleanImage(mem))).toBe("");
  const before = imageOf(mem);
  const fd = calls.open("/one", "r+");
  const running = journalOf(mem).running;
  startLog(mem);
  calls.fallocate(fd, 3, BLOCK, 2 * BLOCK * (extents - 1000));
  calls.fsync(fd);
  calls.ftruncate(fd, 0);
  calls.unlink("/two");
  calls.sync();
  stopLog(mem);
  expect(journalOf(mem).running - running).toBe(2);
  expect(e2fsck(cleanImage(mem))).toBe("");
  const failures = new PowerFailures(mem);
  const points = failures.entries.flatMap(({ event }, index) => (event === Event.fence ? [index] : []));
  expect(points.length).toBeGreaterThanOrEqual(4);
  const sizes = new Set<string>();
  for (const point of points) {
    const after = createMemory(before.length);
    after.write(mediaAt(after, 0), before);
    failures.leave(point, new Map(), after);
    const { image, findings } = e2fsckRecover(after.read(mediaAt(after, 0), header(after).media.length));
    // Linux leaves such trees, too: what e2fsck offers to optimize is no mistake.
    const wrong = findings.split("\n").filter((line) => !/could be (shorter|narrower)/.test(line));
    expect([point, ...wrong.filter((line) => line !== "")]).toEqual([point]);
    sizes.add(/Blockcount: (\d+)/.exec(debugfs(image, "stat /one"))?.[1] ?? "gone");
  }
  // Nothing punched, all of it punched, all of it truncated; the last one is not open any more at the last fence.
  expect(sizes.size).toBeGreaterThanOrEqual(2);
});

test("three tasks of which two fill a transaction, and a log that has to be emptied: no schedule stops", async () => {
  const { mem, sys } = bootKernel(design);
  initSched(mem);
  const calls = sys();
  for (const task of [0, 1, 2]) calls.close(calls.open(`/file${task}`, "w+"));
  calls.sync();
  const journal = journalOf(mem);
  const { allocate, convert } = creditsOf({
    blockSize: BLOCK,
    blockCount: 4096,
    groupCount: 1,
    descriptorBlocks: 1,
  });
  // A transaction has room for two handles, and the first commit leaves less than half of the log.
  journal.length = journal.first + 4 * 2 * (allocate + convert);
  journal.free = ((journal.length - journal.first) >>> 1) + 2;
  const crew = new Crew(3);
  try {
    const module = new URL("./full-tasks.js", import.meta.url).href;
    const asked: Asked = { preemptions: 1, lockdep: 1 };
    const { values } = await crew.run<Found>({ mem, module, entry: "run", data: asked });
    const found = values[0] as Found;
    expect(found.message).toBe("");
    expect(found.complete).toBe(true);
    expect(found.kinds).toEqual({ done: found.runs });
    // In some a task has committed to get room; in each the log was emptied.
    expect(found.least).toBe(1);
    expect(found.most).toBeGreaterThan(1);
    expect(found.emptied).toBe(found.runs);
  } finally {
    await crew.close();
  }
});
