// Our own mkfs against the tools that know the format.

import { expect, test } from "vitest";
import { freeBlockCount } from "../../../src/ext4/alloc/open-group.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { mediaAt, STALE } from "../../../src/machine/pmem.ts";
import { makeFileSystem } from "../../../src/ext4/mkfs/mkfs.ts";
import { debugfs, dumpe2fs, e2fsck } from "../../support/e2fsprogs.ts";
import { bareMachine, imageOf, mountedMachine } from "../../support/machine.ts";

const made = (size: number, options = {}): Uint8Array => {
  const mem = bareMachine({ size });
  expect(makeFileSystem(mem, options)).toBeUndefined();
  return imageOf(mem);
};

// Odd sizes too: no journal, one group that is not full, a last group with a handful of blocks, a tail that is dropped.
test.each([
  ["1 MiB", 1 * MIB],
  ["7 MiB", 7 * MIB],
  ["16 MiB", 16 * MIB],
  ["128 MiB and 10 blocks", 128 * MIB + 10 * 4096],
  ["200 MiB and 3 blocks", 200 * MIB + 3 * 4096],
])("e2fsck finds nothing wrong with a new file system of %s", (_, size) => {
  expect(e2fsck(made(size))).toBe("");
});

test("the same arguments make the same bytes, another seed or label other ones", () => {
  const first = made(16 * MIB, { seed: 7 });
  expect(Buffer.compare(made(16 * MIB, { seed: 7 }), first)).toBe(0);
  expect(Buffer.compare(made(16 * MIB, { seed: 8 }), first)).not.toBe(0);
  expect(dumpe2fs(made(16 * MIB, { label: "stale bytes" }))).toContain("stale bytes");
  const uuid = "123e4567-e89b-42d3-a456-426614174000";
  const named = made(16 * MIB, { uuid });
  expect(dumpe2fs(named)).toContain(uuid);
  expect(e2fsck(named)).toBe("");
});

test("free blocks keep the stale bytes that the media held before", () => {
  const { mem, sb } = mountedMachine();
  const free = imageOf(mem).subarray((sb.blockCount - freeBlockCount(sb)) * 4096);
  expect(free.length).toBe(freeBlockCount(sb) * 4096);
  expect(free.every((byte) => byte === STALE)).toBe(true);
});

test("debugfs lists lost+found and an empty journal", () => {
  const image = made(16 * MIB);
  expect(debugfs(image, "ls /")).toContain("lost+found");
  expect(debugfs(image, "logdump")).toMatch(/Journal starts at block 0/);
});

test("a label too long and a UUID that is none are refused before a byte is written", () => {
  const mem = bareMachine({ size: 1 * MIB });
  expect(makeFileSystem(mem, { label: "seventeen letters" })?.message).toMatch(/longer than 16 bytes/);
  expect(makeFileSystem(mem, { uuid: "no uuid" })?.message).toMatch(/is no UUID/);
  const media = mem.u8.subarray(mediaAt(mem, 0), mediaAt(mem, 0) + header(mem).media.length);
  expect(media.every((byte) => byte === STALE)).toBe(true);
});
