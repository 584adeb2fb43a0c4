// What sync and msync promise, in every state that a power failure can leave.

import { expect, test } from "vitest";
import { crash } from "../../../src/index.ts";
import storeAndMsync from "./scenarios/store-and-msync.ts";
import storeAndSyncAll from "./scenarios/store-and-sync-all.ts";

test.each(["ext4-xip-serialized", "dax-4.9", "dax-6.1"])(
  "under %s sync keeps stores through all mappings",
  async (design) => {
    const { violation, complete, recovered } = await crash(storeAndSyncAll, { design });
    expect(violation?.message).toBe(undefined);
    expect(complete).toBe(true);
    expect(recovered).toBe(4); // before the sync each of the two stores is there or not
  },
);

test("a design that flushes nothing loses stores that a sync has promised, and that counts as a broken promise", async () => {
  const { violation } = await crash(storeAndSyncAll, { design: "dax-4.0" });
  expect(violation?.promise).toBe("no-lost-write");
});

test.each(["ext4-xip-serialized", "dax-4.9", "dax-6.1"])(
  "under %s msync keeps what lies in its range",
  async (design) => {
    const { violation, recovered } = await crash(storeAndMsync, { design });
    expect(violation?.message).toBe(undefined);
    expect(recovered).toBe(2); // the first store is there or not; the second, after MS_ASYNC, never: nobody flushes it
  },
);

test("a design that flushes nothing breaks the promise of msync", async () => {
  const { violation } = await crash(storeAndMsync, { design: "dax-4.0" });
  expect(violation?.promise).toBe("no-lost-write");
  expect(violation?.story).toContain("msync /file");
});
