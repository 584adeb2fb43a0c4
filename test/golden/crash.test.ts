// A machine that mounts what Linux 6.1 left when it was killed sees what Linux saw after recovering it.

import { describe, expect, test } from "vitest";
import { boot } from "../../src/index.ts";
import { e2fsck, e2fsckRepairs } from "../support/e2fsprogs.ts";
import { treeOf } from "./tree.ts";
import { crashImage, expectedTree, fsynced, type CrashLine } from "./crash.ts";

/** What a machine sees in an image, and the image after it has been unmounted. */
async function mounted(image: Uint8Array): Promise<{ tree: CrashLine[]; after: Uint8Array }> {
  const machine = await boot({ design: "dax-6.1", image });
  const tree = treeOf(machine.sys());
  const after = await machine.image();
  await machine.close();
  return { tree, after };
}

describe.each([1, 2, 3])("crash image %i", (number) => {
  test("every path is what Linux made of it, and e2fsck has nothing to say", async () => {
    const { tree, after } = await mounted(crashImage(number));
    expect(tree).toEqual(expectedTree(number).toSorted((a, b) => (a.path < b.path ? -1 : 1)));
    expect(e2fsck(after)).toBe("");
    // A lower bound: what was fsynced last and not changed again.
    const promised = fsynced(number);
    const kept = tree.filter(({ path, crc }) => crc !== undefined && promised.get(path)?.crc === crc);
    expect(kept.length).toBeGreaterThan(0);

    const theirs = e2fsckRepairs(crashImage(number));
    expect(theirs.code & ~1).toBe(0);
    expect((await mounted(theirs.image)).tree).toEqual(tree);
  });
});
