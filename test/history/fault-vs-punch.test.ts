// ea3d7209ca01 "ext4: fix races between page faults and hole punching" (2015): a fault looks a block up; a punch
// unmaps, frees, unmaps again; the fault maps the block, which belongs to nobody by now, or to another file.
// Truncate had been taken care of in 4.0: a fault looks at the size once more when it maps.
//
// A zero range has the same race, with another damage: the block stays, but is unwritten, and what is stored
// into it is zeros to everybody else.
//
// The fix is a lock that faults share and all of these hold alone.

import { expect, test } from "vitest";
import { breaks, survives, withChange } from "./claims.ts";
import { dropping, replacing } from "../support/mutate.ts";

test("as merged in 4.0, a fault maps a block that a punch has freed", async () => {
  const { message, switches } = await breaks("dax-4.0", "punch-beside-store", "no-freed-mapping");
  expect(message).toMatch(
    /^a process still maps media block \d+ for page 0 of \/old, which the file has given/,
  );
  expect(switches).toBe(1);
});

test("as merged in 4.0, a store goes into a block that a zero range has made unwritten", async () => {
  const { message } = await breaks("dax-4.0", "zero-beside-store", "no-lost-write");
  expect(message).toMatch(/returned 0x00 at byte 0 where 0xbb was right: storer's store had put other bytes/);
});

test("as merged in 4.0, a second look at the size keeps faults off what truncate frees", async () => {
  await survives("dax-4.0", "store-beside-truncate");
  const noLook = replacing("insertMapping", /page < pagesIn\(readSize\(inode\)\)/, "true");
  await withChange("dax-4.0", noLook, async (changed) => {
    await breaks(changed, "store-beside-truncate", "no-freed-mapping");
  });
});

const fixed = ["dax-4.9", "dax-6.1"];

test.each(fixed)(
  "under %s no fault maps a punched block and no store is lost to a zero range, in any schedule",
  async (design) => {
    await survives(design, "punch-beside-store");
    await survives(design, "zero-beside-store");
  },
);

test.each(fixed)(
  "under %s without the lock in fallocate a fault maps a punched block, and a zero range loses a store",
  async (design) => {
    const noLock = dropping("fallocate", "downWrite(inode.invalidateSem);", "upWrite(inode.invalidateSem);");
    await withChange(design, noLock, async (changed) => {
      await breaks(changed, "punch-beside-store", "no-freed-mapping");
      await breaks(changed, "zero-beside-store", "no-lost-write");
    });
  },
);
