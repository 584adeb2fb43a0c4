// Mounting real images, and refusing those that are damaged, foreign or cut short, each with its reason.

import { expect, test } from "vitest";
import { header } from "../../src/machine/layout.ts";
import { KIB, MIB } from "../../src/machine/limits.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { bufferAt, getBuffer, holdersOf, releaseBuffer } from "../../src/ext4/buffer.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { RawGroup } from "../../src/ext4/media/group.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../../src/ext4/media/superblock.ts";
import { groupSum, seedOf, superBlockSum } from "../../src/ext4/media/sums.ts";
import { mount, unmount, type MountError } from "../../src/ext4/mount/mount.ts";
import type { SuperBlock } from "../../src/ext4/super.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { bareMachine, imageOf, mountedMachine } from "../support/machine.ts";

test.each([
  [16 * MIB, []],
  [64 * MIB, ["-O", "^metadata_csum"]],
  [64 * MIB, ["-O", "^metadata_csum,uninit_bg"]],
  [64 * MIB, ["-O", "^64bit"]],
  [136 * MIB, ["-O", "^flex_bg"]],
  [136 * MIB, ["-O", "^64bit,^metadata_csum,^flex_bg,^resize_inode"]],
  [64 * MIB, ["-O", "sparse_super2"]],
  [64 * MIB, ["-O", "metadata_csum_seed"]],
  [64 * MIB, ["-O", "^has_journal"]],
  [64 * MIB, ["-I", "128"]],
  [64 * MIB, ["-g", "1024"]],
  [20 * MIB, ["-I", "1024", "-N", "64"]],
])("an image of %d bytes made with %j mounts, and leaves e2fsck nothing to say", (size, args) => {
  const image = mkfs(size, args);
  const { mem, sb } = mountedMachine({ image });
  expect(sb.blockCount * sb.blockSize).toBeLessThanOrEqual(size);
  expect(freeze(sb)).toBe(0);
  expect(unmount(sb)).toBe(0);
  expect(e2fsck(imageOf(mem))).toBe("");
  expect(reason(mount(mem))).toBe("mounted");
});

/** Why it is not mounted.  (A superblock must not reach expect(): it would print the whole memory.) */
function reason(result: SuperBlock | MountError): string {
  return "message" in result ? result.message : "mounted";
}

/** Why a 16 MiB image is refused after `change` (which sees the superblock); its checksum is made right again. */
function refusal(change: (raw: RawSuperBlock) => void, seal = true): string {
  const mem = bareMachine({ image: mkfs(16 * MIB) });
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  change(raw);
  if (seal) raw.s_checksum = superBlockSum(mem, raw.at);
  return reason(mount(mem));
}

test.each<[string, (raw: RawSuperBlock) => void, RegExp]>([
  ["no magic number", (raw) => (raw.s_magic = 0), /no ext4 image/],
  ["an unknown incompatible feature", (raw) => (raw.s_feature_incompat |= 0x8000_0000), /0x80000000/],
  ["encryption", (raw) => (raw.s_feature_incompat |= 0x10000), /encrypt/],
  [
    "meta_bg and bigalloc",
    (raw) => void ((raw.s_feature_incompat |= 0x10), (raw.s_feature_ro_compat |= 0x200)),
    /meta_bg, bigalloc/,
  ],
  [
    "a journal to recover that is not there",
    (raw) => void ((raw.s_feature_incompat |= 4), (raw.s_feature_compat &= ~4)),
    /needs_recovery/,
  ],
  ["its journal on another device", (raw) => (raw.s_journal_dev = 0x801), /another device/],
  [
    "its journal in no inode",
    (raw) => (raw.s_journal_inum = 0),
    /the journal is inode 0, which does not exist/,
  ],
  ["its journal in a directory", (raw) => (raw.s_journal_inum = 2), /inode 2, is no regular file/],
  ["an error mark", (raw) => (raw.s_state = 2), /errors/],
  ["no clean mark", (raw) => (raw.s_state = 0), /not unmounted cleanly/],
  ["blocks of 1024 bytes", (raw) => (raw.s_log_block_size = 0), /blocks of 1024 bytes/],
  ["a block size out of range", (raw) => (raw.s_log_block_size = 40), /s_log_block_size is 40/],
  ["more blocks than the image", (raw) => (raw.s_blocks_count_lo = 4097), /truncated.*4097 blocks.*4096/],
  ["no blocks in a group", (raw) => (raw.s_blocks_per_group = 0), /s_blocks_per_group is 0/],
  ["inodes of 0 bytes", (raw) => (raw.s_inode_size = 0), /s_inode_size is 0/],
  ["inodes of 257 bytes", (raw) => (raw.s_inode_size = 257), /s_inode_size is 257/],
  ["no inodes in a group", (raw) => (raw.s_inodes_per_group = 0), /s_inodes_per_group is 0/],
  ["a wrong count of inodes", (raw) => (raw.s_inodes_count = 1), /s_inodes_count is 1/],
  ["descriptors of 3 bytes", (raw) => (raw.s_desc_size = 3), /s_desc_size is 3/],
  ["descriptors of 0 bytes", (raw) => (raw.s_desc_size = 0), /s_desc_size is 0/],
  ["no blocks", (raw) => (raw.s_blocks_count_lo = 0), /s_inodes_count/],
  ["an orphan that cannot be", (raw) => (raw.s_last_orphan = 0xffff_ffff), /s_last_orphan/],
])("an image with %s is refused", (_, change, sentence) => {
  expect(refusal(change)).toMatch(sentence);
});

test("a wrong checksum is refused, of the superblock and of a group, and mount can be tried again", () => {
  expect(refusal((raw) => (raw.s_mtime ^= 1), false)).toBe("the superblock's checksum is wrong");
  const mem = bareMachine({ image: mkfs(16 * MIB) });
  const group = RawGroup.of(mem, mediaAt(mem, 4096));
  group.bg_free_blocks_count_lo ^= 1;
  expect(reason(mount(mem))).toBe("the checksum of group 0's descriptor is wrong");
  group.bg_free_blocks_count_lo ^= 1;
  expect(reason(mount(mem))).toBe("mounted");
});

test.each<[string, (group: RawGroup) => void, RegExp]>([
  [
    "a block bitmap beyond the end",
    (group) => (group.bg_block_bitmap_lo = 4096),
    /block bitmap at block 4096/,
  ],
  ["an inode table over the superblock", (group) => (group.bg_inode_table_lo = 0), /inode table at block 0/],
  [
    "an inode table that ends beyond",
    (group) => (group.bg_inode_table_lo = 4000),
    /inode table at block 4000/,
  ],
  ["bitmaps on each other", (group) => (group.bg_inode_bitmap_lo = group.bg_block_bitmap_lo), /overlap/],
  [
    "more free blocks than blocks",
    (group) => (group.bg_free_blocks_count_lo = 5000),
    /5000 free blocks of 4096/,
  ],
  ["an upper half", (group) => (group.bg_inode_table_hi = 1), /beyond the file system's size/],
])("a group descriptor with %s and a right checksum is refused", (_, change, sentence) => {
  const mem = bareMachine({ image: mkfs(16 * MIB) });
  const group = RawGroup.of(mem, mediaAt(mem, 4096));
  change(group);
  const seed = seedOf(mem, mediaAt(mem, SUPERBLOCK_OFFSET) + RawSuperBlock.offset("s_uuid"));
  group.bg_checksum = groupSum(mem, seed, 0, group.at, 64);
  expect(reason(mount(mem))).toMatch(sentence);
});

test("bytes that are no file system, and an image cut in half, are refused", () => {
  const noise = bareMachine({ image: new Uint8Array(1 * MIB).fill(0x5a) });
  expect(reason(mount(noise))).toMatch(/no ext4 image/);
  const half = bareMachine({ image: mkfs(16 * MIB).subarray(0, 8 * MIB) });
  expect(reason(mount(half))).toMatch(/truncated/);
});

test("any single damaged byte of superblock and descriptors is refused, or the image mounts in range", () => {
  const image = mkfs(16 * MIB, ["-O", "^metadata_csum"]); // no checksum catches it
  const mem = bareMachine({ image });
  for (let offset = 1024; offset < 4096 + 64; offset = offset === 2047 ? 4096 : offset + 1) {
    for (const value of [0x00, 0xff, 0x80]) {
      const at = mediaAt(mem, offset);
      const before = mem.u8[at] as number;
      mem.u8[at] = value;
      const sb = mount(mem);
      if (!("message" in sb)) {
        expect(sb.blockCount * 4096).toBeLessThanOrEqual(header(mem).media.length);
        expect(sb.groupCount).toBe(1);
        expect(holdersOf(bufferAt(mem, sb.superBuffer))).toBe(1);
        sb.countsChanged = 0; // or unmount would write
        expect(unmount(sb)).toBe(0);
      }
      mem.u8[at] = before;
    }
  }
});

test("unmount refuses while a buffer is held, and the file system stays mounted", () => {
  const { sb } = mountedMachine({ size: 512 * KIB * 2 });
  const buffer = getBuffer(sb, 5);
  if (typeof buffer === "number") throw new Error("no buffer");
  expect(unmount(sb)).toBe(-16);
  expect(sb.mounted).toBe(1);
  releaseBuffer(buffer);
  expect(unmount(sb)).toBe(0);
});
