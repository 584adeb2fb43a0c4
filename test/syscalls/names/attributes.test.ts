// Names that are no text, times beyond 2038, counts of links and of free blocks: debugfs and dumpe2fs as witnesses.

import { expect, test } from "vitest";
import { rawInode } from "../../../src/ext4/inode.ts";
import { iput } from "../../../src/ext4/inodes/cache.ts";
import { walk } from "../../../src/ext4/names/path.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { imageNow, must } from "../../ext4/model.ts";
import { debugfs, debugfsWrite, dumpe2fs, e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../../support/kernel.ts";

const { mem, sys: sysOf } = bootKernel(designs.get("ext4-xip-serialized") as Design, 4 * MIB);
const sys = sysOf();

test("names are bytes: those that are no text are listed and opened as bytes", () => {
  const path = Uint8Array.from([0x2f, 0xff, 0x80, 0x41]);
  sys.close(sys.open(path, "wx"));
  const name = sys.readdir("/", "buffer").find((bytes) => bytes[0] === 0xff);
  expect(name).toEqual(path.subarray(1));
  expect(sys.readdir("/")).toContain("\ufffd\ufffdA");
  expect(codeOf(() => sys.stat("/\ufffd\ufffdA"))).toBe("ENOENT");
  sys.rename(path, "/text");
  sys.unlink("/text");
  expect(() => sys.open("/a\0b", "w")).toThrow("without null bytes");
  expect(() => sys.stat(Uint8Array.from([0x2f, 0]))).toThrow("without null bytes");
});

test("times are kept to the nanosecond and to the year 2446, and become the nearest that can be kept", () => {
  sys.close(sys.open("/file", "w"));
  sys.utimens("/file", 4_000_000_000_123_456_789n, 15_032_385_534);
  const stat = debugfs(imageNow(superBlock(mem)), "stat /file");
  // 4e9 is 0xee6b2800 without an epoch; nanoseconds lie above its two bits.
  const extra = ((123_456_789 * 4 + 1) >>> 0).toString(16).padStart(8, "0");
  expect(stat).toContain(`atime: 0xee6b2800:${extra}`);
  expect(stat).toContain("mtime: 0x7ffffffe:00000003");
  sys.utimens("/file", 2 ** 40, -(2 ** 40));
  expect(sys.stat("/file")).toMatchObject({ atimeMs: 15_032_385_535_000, mtimeMs: -(2 ** 31) * 1000 });
  sys.utimens("/file", "omit", -1.5);
  expect(sys.stat("/file")).toMatchObject({ atimeMs: 15_032_385_535_000, mtimeMs: -1500 });
  expect(codeOf(() => sys.utimens("/file", NaN, 0))).toBe("EINVAL");
  // Nothing to set: as in Linux nobody looks for the file.
  expect(codeOf(() => sys.utimens("/nowhere", "omit", "omit"))).toBe("none");
  expect(codeOf(() => sys.utimens("/nowhere", "omit", "now"))).toBe("ENOENT");
});

test("owners have 32 bits on the media; who is given a file has no rights of its owner's through it", () => {
  const fd = sys.open("/owned", "w");
  sys.fchmod(fd, 0o6755);
  const { ctimeMs } = sys.fstat(fd);
  header(mem).seconds += 1;
  sys.fchown(fd, 100_000, 0xffff_fffe);
  sys.fsync(fd);
  const stat = debugfs(imageNow(superBlock(mem)), "stat /owned");
  expect(stat).toMatch(/Mode: {2}0755 /);
  expect(stat).toMatch(/User: 100000 +Group: +-2 +Project/);
  expect(sys.fstat(fd)).toMatchObject({ ctimeMs: ctimeMs + 1000, mtimeMs: ctimeMs });
  for (const bad of [-2, 2 ** 32, 0.5, NaN])
    expect(
      codeOf(() => sys.fchown(fd, bad, 0)),
      `${bad}`,
    ).toBe("EINVAL");
  expect(codeOf(() => sys.fchown(99, 0, 0))).toBe("EBADF");
  sys.fchown(fd, -1, 0xffff_ffff);
  expect(sys.fstat(fd)).toMatchObject({ uid: 100_000, gid: 0xffff_fffe });
  sys.close(fd);
});

test("a file has 65,000 names at most, and so many directories a directory without an index", () => {
  sys.mkdir("/d");
  for (const [path, call] of [
    ["/file", () => sys.link("/file", "/other")],
    ["/d", () => sys.mkdir("/d/e")],
  ] as const) {
    const inode = must(walk(superBlock(mem), path));
    const before = rawInode(inode).i_links_count;
    rawInode(inode).i_links_count = 65_000;
    expect(codeOf(call)).toBe("EMLINK");
    rawInode(inode).i_links_count = before;
    must(iput(inode));
  }
  expect(e2fsck(imageNow(superBlock(mem)))).toBe("");
});

test("statfs counts what dumpe2fs counts", () => {
  const { bfree, ffree, files, bsize, type } = sys.statfs("/d");
  const words = dumpe2fs(imageNow(superBlock(mem)));
  const count = (what: string): number => Number(new RegExp(`^${what}: +(\\d+)`, "m").exec(words)?.[1]);
  expect([bfree, ffree, files]).toEqual([count("Free blocks"), count("Free inodes"), count("Inode count")]);
  expect([bsize, type]).toEqual([4096, 0xef53]);
});

test("the journal counts as the file system's own where the superblock does not say how much that is", () => {
  const image = mkfs(16 * MIB);
  const [told, counted] = [image, debugfsWrite(image, ["ssv overhead_clusters 0"])].map((each) =>
    bootKernel(designs.get("dax-6.1") as Design, each)
      .sys()
      .statfs("/"),
  );
  expect(counted).toEqual(told);
});
