// Images of mkfs.ext4 in every layout that it makes: each is either worked on, and e2fsck finds nothing wrong
// afterwards, or refused by the name of what is in the way.

import { expect, test } from "vitest";
import { freeBlockCount } from "../../src/ext4/alloc/open-group.ts";
import { commit } from "../../src/ext4/journal/commit.ts";
import { mount } from "../../src/ext4/mount/mount.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { bootKernel } from "../support/kernel.ts";
import { bareMachine, cleanImage } from "../support/machine.ts";

const design = designs.get("dax-6.1") as Design;

/** Files grown, cut, punched, given away again. */
function work(sys: Sys): void {
  const bytes = Uint8Array.from({ length: 50_000 }, (_, i) => i * 7);
  for (let i = 0; i < 40; i++) {
    const fd = sys.open(`/${i}`, "w+");
    sys.pwrite(fd, bytes.subarray(0, 1000 * i), i * 4096);
    sys.fallocate(fd, 0, 100_000, 40_000);
    sys.pwrite(fd, bytes.subarray(0, 3), 110_000);
    if (i % 3 === 0) sys.ftruncate(fd, 5000 * i);
    if (i % 4 === 0) sys.fallocate(fd, 3, 4096, 8192); // punch a hole
    sys.close(fd);
    if (i % 5 === 0) sys.unlink(`/${i}`);
  }
  const large = sys.open("/large", "w+");
  sys.fallocate(large, 0, 0, 4 * MIB);
  for (let at = 0; at < 4 * MIB; at += 3 * 65_536) sys.pwrite(large, bytes, at);
  sys.close(large);
  const back = sys.pread(sys.open("/large", "r"), 50_000, 3 * 65_536);
  expect(Buffer.compare(back, bytes)).toBe(0);
  expect(sys.readdir("/").length).toBe(34); // with lost+found
}

test.each<[number, string[]]>([
  [20, []],
  [20, ["-O", "^has_journal"]],
  [20, ["-O", "^64bit"]],
  [20, ["-O", "^metadata_csum"]],
  [20, ["-O", "^metadata_csum,^64bit"]],
  [20, ["-O", "^metadata_csum,uninit_bg"]],
  [20, ["-O", "^metadata_csum,uninit_bg,^64bit", "-g", "2048", "-E", "lazy_itable_init=1"]],
  [20, ["-I", "128"]],
  [20, ["-I", "512"]],
  [20, ["-I", "1024"]],
  [20, ["-I", "4096", "-i", "65536"]],
  [40, ["-I", "2048", "-N", "64", "-g", "1024"]], // eight inodes in a group: the reserved ones lie in two
  [40, ["-g", "1024", "-E", "lazy_itable_init=1"]], // ten groups, most uninitialised
  [40, ["-g", "1024", "-O", "^flex_bg"]],
  [40, ["-g", "1024", "-G", "2"]],
  [40, ["-g", "256", "-O", "^resize_inode"]],
  [40, ["-g", "1024", "-O", "^sparse_super,^resize_inode"]],
  [40, ["-g", "1024", "-O", "sparse_super2"]],
  [40, ["-g", "1024", "-O", "sparse_super2,^resize_inode", "-E", "num_backup_sb=1"]],
  [20, ["-O", "metadata_csum_seed"]],
  [20, ["-O", "orphan_file"]],
  [20, ["-O", "fast_commit"]],
  [20, ["-O", "^dir_index,^ext_attr"]],
  [20, ["-O", "^huge_file,^dir_nlink,^extra_isize"]],
  [20, ["-O", "stable_inodes", "-m", "50"]],
  [20, ["-J", "size=8", "-E", "packed_meta_blocks=1"]],
])("an image of %d MiB made with %j is worked on, and stays clean", (size, args) => {
  const { mem, sys } = bootKernel(design, mkfs(size * MIB, args));
  work(sys());
  expect(commit(superBlock(mem))).toBe(0);
  expect(e2fsck(cleanImage(mem))).toBe("");
});

test("an image of more groups than have their bitmaps kept is filled nearly to the end, emptied, and stays clean", () => {
  const { mem, sys } = bootKernel(design, mkfs(80 * MIB, ["-g", "256", "-O", "^resize_inode"]));
  const sb = superBlock(mem);
  expect(sb.groupCount).toBe(80);
  const [calls, free] = [sys(), freeBlockCount(sb)];
  const fd = calls.open("/all", "w+");
  let size = 0;
  // But for what the extent tree needs, and what it gives back until the commit.
  for (; freeBlockCount(sb) > 500; size += 64 * 4096) calls.fallocate(fd, 0, size, 64 * 4096);
  expect(commit(sb)).toBe(0);
  expect(e2fsck(cleanImage(mem))).toBe("");
  calls.ftruncate(fd, 0);
  expect(freeBlockCount(sb)).toBe(free);
  expect(commit(sb)).toBe(0);
  expect(e2fsck(cleanImage(mem))).toBe("");
});

test.each<[string[], RegExp]>([
  [["-O", "meta_bg,^resize_inode"], /not supported: meta_bg$/],
  [["-O", "bigalloc"], /not supported: bigalloc$/],
  [["-O", "inline_data"], /not supported: inline_data$/],
  [["-O", "ea_inode"], /not supported: ea_inode$/],
  [["-O", "large_dir"], /not supported: large_dir$/],
  [["-O", "encrypt"], /not supported: encrypt$/],
  [["-O", "casefold"], /not supported: casefold$/],
  [["-O", "mmp"], /not supported: mmp$/],
  [["-O", "verity"], /not supported: verity$/],
  [["-O", "quota"], /not supported: quota$/],
  [["-O", "project,quota"], /not supported: quota, project$/],
  [["-O", "journal_dev"], /not supported: journal_dev$/],
  [["-O", "^extent,^64bit"], /made without features that are needed here: extent$/],
  [["-O", "^filetype"], /made without features that are needed here: filetype$/],
  [["-O", "none"], /made without features that are needed here: extent, filetype$/],
  [["-r", "0", "-O", "none"], /revision 0|made without features/],
  [
    ["-b", "1024"],
    /blocks of 1024 bytes, a machine mounts only 4096: mapped data needs blocks as large as pages$/,
  ],
  [["-b", "2048", "-O", "^metadata_csum"], /blocks of 2048 bytes/],
])("an image made with %j is refused: %s", (args, sentence) => {
  const result = mount(bareMachine({ image: mkfs(16 * MIB, args) }));
  expect("message" in result ? result.message : "mounted").toMatch(sentence);
});
