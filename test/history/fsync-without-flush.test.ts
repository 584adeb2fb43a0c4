// 9973c98ecfda "dax: add support for fsync/sync" (2016, 4.5): until then fsync did nothing about what was stored through
// mappings.  The stores stay in the processors' caches, and a power failure loses what fsync has promised.
//
// The fix brought dirty tags, and with them a race, which ac401cc78242 describes: fsync flushes the page and takes its
// tag, a store comes before the page is write-protected, and the next fsync finds the page clean.  Write-protecting has
// to come first, and taking the tag last: another task's fsync that finds the page clean returns.
//
// f729c8c9b24f "dax: wrprotect pmd_t in dax_mapping_entry_mkclean" (2017) is the page that is not protected at all: after
// the first fsync nobody notices stores any more.

import { expect, test } from "vitest";
import { both, dropping, replacing } from "../support/mutate.ts";
import { besides, breaksInCrash, survivesCrash, withChange } from "./claims.ts";

const ALONE = besides("store-twice-and-sync");
const BESIDE = besides("store-beside-sync");

test.each(["ext2-xip", "ext4-xip-inline", "dax-4.0"])(
  "under %s fsync returns, and what was stored is lost",
  async (design) => {
    const { message } = await breaksInCrash(design, ALONE, "no-lost-write");
    expect(message).toMatch(/^A read after .* returned 0x11 at byte \d+ where 0xaa was right/i);
  },
);

test.each(["ext4-xip-serialized", "dax-4.9", "dax-6.1"])(
  "under %s what was stored before an fsync is there in every state, in every schedule with at most one preemption",
  async (design) => {
    await survivesCrash(design, ALONE, true);
    await survivesCrash(design, BESIDE, true, 1);
  },
);

const protect = "protectPage(inode.mapping, page);";
const untag = "removePage(dirty, media);";

/** What comes too late or too early in write-back, and how many preemptions it takes to see it. */
const mistakes = [
  [
    "protected after it was flushed",
    replacing("writeBackPage", /flushPage\([^;]*;/, `$& ${protect}`),
    protect,
    2,
  ],
  ["said to be clean before that", replacing("writeBackPage", /flushPage\([^;]*;/, `${untag} $&`), untag, 1],
] as const;

test.each(mistakes)(
  "when the page is %s, another task's fsync loses what was stored",
  async (_, move, statement, preemptions) => {
    const change = both(dropping("writeBackPage", statement), move);
    await withChange(
      "dax-6.1",
      change,
      async (changed) => {
        await survivesCrash(changed, ALONE, true);
        const { message, switches } = await breaksInCrash(changed, BESIDE, "no-lost-write", preemptions);
        expect(message).toMatch(/returned 0xaa at byte \d+ where 0xbb was right/);
        expect(switches).toBe(preemptions);
      },
      "write-back",
    );
  },
);

test("when the page is not protected at all, what is stored after the first fsync is lost", async () => {
  const never = dropping("writeBackPage", protect);
  await withChange(
    "dax-6.1",
    never,
    async (changed) => {
      const { message } = await breaksInCrash(changed, ALONE, "no-lost-write");
      expect(message).toMatch(/returned 0x11 at byte \d+ where 0xbb was right/);
    },
    "write-back",
  );
});
