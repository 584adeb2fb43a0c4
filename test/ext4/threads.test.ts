// Real threads on one file system: trees are independent of each other, allocators and directories shared.

import { afterAll, expect, test } from "vitest";
import { inodesInUse, iput } from "../../src/ext4/inodes/cache.ts";
import { ROOT_INODE } from "../../src/ext4/media/inode.ts";
import { create } from "../../src/ext4/names/create.ts";
import { walk } from "../../src/ext4/names/path.ts";
import { setDiskSize } from "../../src/ext4/inode.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { mountedMachine } from "../support/machine.ts";
import { startThreads } from "../support/threads.ts";
import { changing, imageNow, must } from "./model.ts";

const ROUNDS = 1500;
const threads = startThreads(4, new URL("./bodies.js", import.meta.url).href);
afterAll(() => threads.close());

test.each([
  ["ownFile", "ownFile", "ownFile", "ownFile"],
  ["ownFile", "sharedNames", "sharedNames", "committer"],
  ["ownFile", "reader", "sharedNames", "reader"],
])("%s, %s, %s and %s at once leave every tree right and the file system clean", async (...names) => {
  const { mem, sb } = mountedMachine({ size: 32 * 2 ** 20 });
  const root = must(walk(sb, "/"));
  for (let task = 0; task < names.length; task++) {
    const file = must(create(root, new TextEncoder().encode(`own${task}`), 0o644));
    must(changing(file, (handle) => setDiskSize(handle, file, 410 * 4096)));
    must(iput(file));
  }
  must(iput(root));
  const results = await threads.run(mem, names, 0, ROUNDS);
  names.forEach((name, task) => {
    if (name === "ownFile") expect(results[task]).toEqual([]);
    else if (name !== "committer") expect(results[task]).toBeGreaterThan(0);
  });
  expect(inodesInUse(mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
  expect(e2fsck(imageNow(sb))).toBe("");
});
