// 538f8ea6c852 "mm: xip fix fault vs sparse page invalidate race" (2008): a fault finds a hole.  Before it
// maps the zero page, somebody fills the hole, and takes the zero page out of all mappings, where it is not
// yet.  The process keeps zeros for ever.  The fix is in ext2-xip: a mutex, a look again under it, and a
// sequence count that makes the filler go round once more.  Undone, the race is back.
//
// ac401cc78242 "dax: New fault locking" (2016) found it again, with a write fault as the filler;
// e3fce68cdbed "dax: Avoid page invalidation races and unnecessary radix tree traversals" (2017) once more:
// there the zero page was taken out before the hole was filled.

import { expect, test } from "vitest";
import { besides, breaks, survives, withChange } from "./claims.ts";
import { both, inFunction, replacing } from "../support/mutate.ts";

const EXT2 = "ext2-xip";
const SERIALIZED = "ext4-xip-serialized";

/** Gives a function another body. */
const withBody = (name: string, body: string): ReturnType<typeof inFunction> =>
  replacing(name, /\{\n[\s\S]*\}$/, `{ ${body} }`);

const before2008 = both(
  withBody("mapSparsePage", "return installZeroPage(vma, page);"),
  withBody("unmapSparsePage", "unmapRange(inode.mapping, page, page, false);"),
);

const unmapFirst = both(
  replacing("fillHole", /if \(media > 0\)\s*unmapSparsePage\(inode, block\);/, ""),
  replacing(
    "fillHole",
    /mutexLock\(sb\.sparseMutex\);/,
    "unmapSparsePage(inode, block); mutexLock(sb.sparseMutex);",
  ),
);

const fillers = [{ filler: "write" }, { filler: "store" }];

test.each(fillers)(
  "before 2008, a load beside a $filler leaves the zero page over the block",
  async ({ filler }) => {
    await withChange(EXT2, before2008, async (old) => {
      const { message } = await breaks(old, besides(`load-beside-${filler}`), "no-freed-mapping");
      expect(message).toBe(
        "a process still maps the zero page for page 0 of /file, which has a written block",
      );
    });
  },
);

test("a zero page that is taken out before the hole is filled comes back", async () => {
  await withChange(EXT2, unmapFirst, async (early) => {
    await breaks(early, besides("load-beside-write"), "no-freed-mapping");
  });
});

test.each(fillers)(
  "with the fix of 2008, no zero page is left beside a $filler in any schedule",
  async ({ filler }) => {
    await survives(EXT2, besides(`load-beside-${filler}`));
    await survives(SERIALIZED, besides(`load-beside-${filler}`));
  },
);

// The same twice in DAX: each kernel had what the next one mended.
test("as merged in 4.0, a load beside a store leaves the zero page over the block; the entry lock ends that", async () => {
  await breaks("dax-4.0", besides("load-beside-store"), "no-freed-mapping");
  await survives("dax-4.9", besides("load-beside-store"));
});

test("with the entry lock of 4.9, a load beside a write still leaves the zero page; a write that waits for the entry ends that", async () => {
  await breaks("dax-4.9", besides("load-beside-write"), "no-freed-mapping");
  await survives("dax-6.1", besides("load-beside-write"));
});

// The fix of 2008 leaves a window: the block is to be found before the zero page is gone.
test("who finds the block before its zero page is gone writes, returns, and still loads zeros", async () => {
  const { message } = await breaks(EXT2, "write-into-new-block", "no-lost-write");
  expect(message).toMatch(/^writer's load of \/file returned 0x00 at byte 0 where 0xaa was right/);
  await survives(SERIALIZED, "write-into-new-block");
});
