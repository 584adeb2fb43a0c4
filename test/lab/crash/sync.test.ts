// What sync promises, in every state that a power failure can leave.

import { expect, test } from "vitest";
import { crash } from "../../../src/index.ts";
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

test("a design that flushes nothing loses them, and that counts as a broken promise", async () => {
  const { violation } = await crash(storeAndSyncAll, { design: "dax-4.0" });
  expect(violation?.promise).toBe("no-lost-write");
});
