// Indexed directories, with e2fsprogs as witness: the hashes of names, directories that others indexed, and our own
// as they grow to two levels and lose their names again.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { hashName } from "../../../src/ext4/directory/hash.ts";
import { check } from "../../../src/ext4/check/check.ts";
import { inodesInUse } from "../../../src/ext4/inodes/cache.ts";
import { InodeFlag, ROOT_INODE } from "../../../src/ext4/media/inode.ts";
import { header } from "../../../src/machine/layout.ts";
import { KIB, MIB } from "../../../src/machine/limits.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { walk } from "../../../src/ext4/names/path.ts";
import { debugfs, e2fsck, indexed, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel, codeOf, type Kernel } from "../../support/kernel.ts";
import { imageNow, must } from "../model.ts";
import { iput } from "../../../src/ext4/inodes/cache.ts";

const design = designs.get("ext4-xip-serialized") as Design;
const SEED = "3c8e1f2a-9b47-4d06-8e5d-6f70a1b2c3d4";
const seedBytes = Uint8Array.from(SEED.replaceAll("-", "").match(/../g) ?? [], (hex) => parseInt(hex, 16));

/** A kernel without lockdep, for thousands of calls. */
function boot(media: number | Uint8Array): Kernel {
  const kernel = bootKernel(design, media);
  header(kernel.mem).lockdep = 0;
  return kernel;
}

const isIndexed = ({ mem }: Kernel, directory: string): boolean => {
  const inode = must(walk(superBlock(mem), directory));
  const result = (inode.flags & InodeFlag.index) !== 0;
  must(iput(inode));
  return result;
};

const spotless = ({ mem }: Kernel): void => {
  expect(e2fsck(imageNow(superBlock(mem)))).toBe("");
  expect(check(mem)).toEqual([]);
};

describe("hashes of names", () => {
  const names = [
    "a",
    "foo",
    "a name of 31 letters and no more",
    "x".repeat(32),
    "y".repeat(33),
    "z".repeat(255),
  ];
  // debugfs hashes as unsigned bytes only where the image says so; these bytes are the same either way.
  for (const [version, algorithm] of ["legacy", "half_md4", "tea"].entries()) {
    for (const seeded of [true, false]) {
      if (seeded && algorithm === "legacy") continue;
      test(`are those of debugfs: ${algorithm}${seeded ? " with a seed" : ""}`, () => {
        const { mem } = boot(1 * MIB + 512 * KIB);
        const sb = superBlock(mem);
        mem.fill(sb.hashSeed, 0, 16);
        if (seeded) mem.write(sb.hashSeed, seedBytes);
        for (const name of names) {
          const args = ["-R", `dx_hash -h ${algorithm} ${seeded ? `-s ${SEED}` : ""} "${name}"`, "/dev/null"];
          const { stdout } = spawnSync("/usr/sbin/debugfs", args, { encoding: "utf8" });
          const [, hash] = /is (0x[0-9a-f]+)/.exec(stdout) as RegExpExecArray;
          expect(hashName(sb, version, new TextEncoder().encode(name)), name).toBe(Number(hash));
        }
      });
    }
  }
});

// Some of bytes above 127, where signed and unsigned hashes differ.
const shortName = (i: number): string => (i % 3 === 0 ? `имя файла ${i}` : `a file with a long name ${i}`);
const longName = (i: number): string => `/d/${i} ${"long ".repeat(48)}`;

test("a directory that e2fsck indexed is looked up by hash, and stays valid when names come and go", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "unwritten-"));
  mkdirSync(path.join(folder, "d"));
  for (let i = 0; i < 600; i++) writeFileSync(path.join(folder, "d", shortName(i)), "");
  const image = indexed(mkfs(16 * MIB, ["-d", folder]));
  rmSync(folder, { recursive: true });
  expect(e2fsck(image)).toBe("");
  const kernel = boot(image);
  const sys = kernel.sys();
  expect(isIndexed(kernel, "/d")).toBe(true);
  expect(sys.readdir("/d").length).toBe(600);
  for (let i = 0; i < 600; i++) sys.stat(`/d/${shortName(i)}`);
  expect(codeOf(() => sys.stat("/d/none of them"))).toBe("ENOENT");
  for (let i = 0; i < 600; i += 2) sys.unlink(`/d/${shortName(i)}`);
  for (let i = 0; i < 900; i++) sys.close(sys.open(`/d/new name ${i} ${"x".repeat(i % 50)}`, "wx"));
  expect(isIndexed(kernel, "/d")).toBe(true);
  expect(sys.readdir("/d").length).toBe(1200);
  spotless(kernel);
  for (const name of sys.readdir("/d")) sys.unlink(`/d/${name}`);
  spotless(kernel);
  sys.rmdir("/d");
  spotless(kernel);
});

for (const [title, args] of [
  ["ours", undefined],
  ["of mkfs.ext4 without checksums, hashed by TEA", ["-O", "^metadata_csum"]],
] as const) {
  test(`an image ${title}: a directory gets two levels of nodes, and each name is found`, () => {
    const kernel = boot(args === undefined ? 64 * MIB : mkfs(64 * MIB, args));
    const { mem } = kernel;
    if (args !== undefined) superBlock(mem).hashVersion = 2;
    const sys = kernel.sys();
    sys.mkdir("/d");
    sys.close(sys.open("/d/file", "w"));
    expect(isIndexed(kernel, "/d")).toBe(false);
    const count = 7200;
    for (let i = 0; i < count; i++) sys.link("/d/file", longName(i));
    expect(isIndexed(kernel, "/d")).toBe(true);
    const image = imageNow(superBlock(mem));
    expect(debugfs(image, "htree_dump /d")).toContain("Indirect levels: 1");
    expect(e2fsck(image)).toBe("");
    const { ino } = sys.stat("/d/file");
    for (let i = 0; i < count; i++) if (sys.stat(longName(i)).ino !== ino) throw new Error(longName(i));
    expect(codeOf(() => sys.link("/d/file", longName(77)))).toBe("EEXIST");
    for (let i = 0; i < count; i++) if (i % 5 !== 0) sys.unlink(longName(i));
    expect(sys.readdir("/d").length).toBe(1 + count / 5);
    expect(codeOf(() => sys.rmdir("/d"))).toBe("ENOTEMPTY");
    spotless(kernel);
    for (let i = 0; i < count; i += 5) sys.unlink(longName(i));
    sys.rename("/d/file", "/file");
    sys.rmdir("/d");
    spotless(kernel);
    expect(inodesInUse(mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
  });
}

test("names of one hash fill two leaves, and each is found", () => {
  // The hash of ext3 can be solved for a last letter.  Eighteen names of 247 letters do not fit one leaf.
  const tails = [
    "03EgESY 06vxuOX 07AMGaA 0GnOuZE 0Gxa0Id 0HU99dK 0OVkHlX 0PPzfEv 0PSVTuh",
    "0Qy7by0 0SkNB3r 0Uo8vrB 0Uu4s2J 0WZBVUl 0WZf2RE 0Zedxam 0ZuhGPg 0fAXhbH",
  ];
  const names = tails.flatMap((row) => row.split(" ")).map((tail) => "x".repeat(240) + tail);
  const kernel = boot(4 * MIB);
  const sys = kernel.sys();
  const sb = superBlock(kernel.mem);
  sb.hashVersion = 0;
  expect(new Set(names.map((name) => hashName(sb, 0, new TextEncoder().encode(name)))).size).toBe(1);
  sys.mkdir("/d");
  sys.close(sys.open("/file", "w"));
  for (const name of names) sys.link("/file", `/d/${name}`);
  expect(isIndexed(kernel, "/d")).toBe(true);
  expect(debugfs(imageNow(sb), "htree_dump /d")).toContain("Number of entries (count): 2");
  for (const name of names) sys.stat(`/d/${name}`);
  spotless(kernel);
  for (const name of names.filter((_, i) => i % 3 !== 0)) sys.unlink(`/d/${name}`);
  const left = names.filter((_, i) => i % 3 === 0);
  expect(sys.readdir("/d").toSorted()).toEqual(left.toSorted());
  for (const name of names) expect(codeOf(() => sys.stat(`/d/${name}`)) === "none").toBe(left.includes(name));
  spotless(kernel);
});

test("a damaged index gives -EUCLEAN, not a wrong answer or a loop", () => {
  const kernel = boot(mkfs(16 * MIB, ["-O", "^metadata_csum"]));
  const sys = kernel.sys();
  sys.mkdir("/d");
  for (let i = 0; i < 400; i++) sys.close(sys.open(`/d/file ${i}`, "w"));
  const image = imageNow(superBlock(kernel.mem));
  const root = sys.fiemap(sys.open("/d", "r"))[0]?.physical ?? 0;
  const broken = (change: (view: DataView) => void): string[] => {
    const copy = image.slice();
    change(new DataView(copy.buffer, copy.byteOffset + root));
    const calls = boot(copy).sys();
    return [codeOf(() => calls.stat("/d/file 1")), codeOf(() => calls.open("/d/new", "w"))];
  };
  expect(broken(() => undefined)).toEqual(["none", "none"]);
  const damaged = ["EUCLEAN", "EUCLEAN"];
  expect(broken((view) => view.setUint8(0x1c, 9))).toEqual(damaged); // hash version
  expect(broken((view) => view.setUint8(0x1e, 2))).toEqual(damaged); // levels
  expect(broken((view) => view.setUint16(0x20, 1000, true))).toEqual(damaged); // limit
  expect(broken((view) => view.setUint16(0x22, 0, true))).toEqual(damaged); // count
  // Every leaf is the root, or behind the end.
  for (const block of [0, 77]) {
    expect(
      broken((view) => {
        for (let index = 0; index < view.getUint16(0x22, true); index++)
          view.setUint32(0x24 + 8 * index, block, true);
      }),
    ).toEqual(damaged);
  }
});
