// c7fc0366c656 "ext4: partial zero eof block on unaligned inode size extension" (2024): a mapping may store into
// the last page of a file, behind the file's end.  Nobody zeroed that when the file grew.
//
// The recordings of Linux 6.1 show it (test/golden/), and dax-6.1 does as they do.

import { expect, test } from "vitest";
import { besides, breaks, survives } from "./claims.ts";

const SCENARIO = besides("stored-behind-end");

test("under dax-6.1 a file that grows shows what was stored behind its end", async () => {
  const { message } = await breaks("dax-6.1", SCENARIO, "claim");
  expect(message).toMatch(/come into view with truncate,write,fallocate,zero-range$/);
});

test("under ext4-xip-serialized a file that grows shows zeros where something was stored behind its end", async () => {
  await survives("ext4-xip-serialized", SCENARIO);
});
