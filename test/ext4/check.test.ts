// Our own checker against e2fsck: both are silent about sound images, and neither is about damaged ones.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MIB } from "../../src/machine/limits.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { check } from "../../src/ext4/check/check.ts";
import { readTree } from "../../src/ext4/check/tree.ts";
import { debugfs, debugfsWrite, e2fsck, indexed, mkfs } from "../support/e2fsprogs.ts";
import { unmount } from "../../src/ext4/mount/mount.ts";
import { bareMachine, mountedMachine } from "../support/machine.ts";

const folder = mkdtempSync(path.join(tmpdir(), "unwritten-"));
const contents = Uint8Array.from({ length: 50_000 }, (_, i) => (i * 7) % 251);
let populated: Uint8Array;

/** Files, holes, symlinks, directories, a device, and a tree of extents with nodes. */
function populate(image: Uint8Array, unwritten = true): Uint8Array {
  const file = path.join(folder, "contents");
  const sparse = path.join(folder, "sparse");
  writeFileSync(file, contents);
  const holes = new Uint8Array(4096 * 40);
  for (let block = 0; block < 40; block += 2) holes.fill(block + 1, block * 4096, (block + 1) * 4096);
  writeFileSync(sparse, holes);
  const names = Array.from({ length: 300 }, (_, i) => `mkdir /many/a_rather_long_name_for_a_directory_${i}`);
  return debugfsWrite(image, [
    `write ${file} file`,
    `write ${sparse} sparse`,
    "mkdir /many",
    ...names.slice(0, 120),
    "symlink /short /file",
    `symlink /long /${"many/".repeat(30)}`,
    "mknod pipe p",
    ...(unwritten ? ["fallocate /file 20 30"] : []),
  ]);
}

beforeAll(() => {
  populated = populate(mkfs(16 * MIB));
});
afterAll(() => rmSync(folder, { recursive: true }));

const problemsOf = (image: Uint8Array): string[] =>
  check(bareMachine({ image })).map(({ place, message }) => `${place}: ${message}`);

test.each([
  [16 * MIB, []],
  [20 * MIB, ["-O", "^metadata_csum"]],
  [20 * MIB, ["-O", "^metadata_csum,uninit_bg"]],
  [20 * MIB, ["-O", "^extent,^64bit"]],
  [136 * MIB, ["-O", "^flex_bg"]],
  [20 * MIB, ["-I", "128"]],
  [20 * MIB, ["-O", "orphan_file,metadata_csum_seed"]], // defaults of mke2fs since 1.47.0, but for Debian 12
  [64 * MIB, ["-g", "1024"]],
])("nothing is wrong with a populated image of %d bytes made with %j, indexed or not", (size, args) => {
  const image = populate(mkfs(size, args), !args.includes("^extent,^64bit"));
  expect(e2fsck(image)).toBe("");
  expect(problemsOf(image)).toEqual([]);
  const tree = indexed(image);
  expect(debugfs(tree, "htree_dump /many")).toContain("Number of entries");
  expect(problemsOf(tree)).toEqual([]);
});

test("nothing is wrong with what our own mkfs makes", () => {
  for (const size of [16 * MIB, 200 * MIB]) {
    const { mem, sb } = mountedMachine({ size });
    expect(unmount(sb)).toBe(0);
    expect(check(mem)).toEqual([]);
  }
});

const inodeOf = (name: string): string => /Inode: (\d+)/.exec(debugfs(populated, `stat ${name}`))?.[1] ?? "";

test.each<[string, string[], RegExp]>([
  ["a wrong link count", ["sif /file links_count 5"], /link count is 5, it has 1 names/],
  ["a wrong i_blocks", ["sif /file blocks 80"], /i_blocks is 80/],
  ["a size before written blocks", ["sif /file size 100"], /size is 100/],
  ["a used block marked free", ["freeb 1295 1"], /in use but marked free/],
  ["a free block marked used", ["setb 4000"], /4000 is marked used but free/],
  ["an inode in use marked free", ["freei /file"], /in use but marked free/],
  ["a free inode marked used", ["seti <3000>"], /unused/],
  ["a file without a name", ["unlink /file"], /link count is 1, it has 0 names/],
  ["a cleared inode", ["clri /file"], /./],
  ["a directory named twice", ["ln /many /again"], /two names/],
  ["a wrong free count of the file system", ["ssv free_blocks_count 7"], /counts 7 free blocks/],
  [
    "a wrong free count of a group",
    ["set_bg 0 free_inodes_count 7", "set_bg 0 checksum calc"],
    /counts 7 free inodes/,
  ],
  [
    "a wrong count of directories",
    ["set_bg 0 used_dirs_count 1", "set_bg 0 checksum calc"],
    /counts 1 directories/,
  ],
  ["an unknown file type", ["sif /file mode 0170644"], /type/],
])("%s is found, by us and by e2fsck", (_, commands, sentence) => {
  const image = debugfsWrite(populated, commands);
  expect(e2fsck(image)).not.toBe("");
  expect(problemsOf(image).join("\n")).toMatch(sentence);
});

// e2fsck says nothing of it unless the inode is in use.
test("an orphan list that leads to an inode never used, or in a circle, is found", () => {
  expect(problemsOf(debugfsWrite(populated, ["ssv last_orphan 3000"])).join("\n")).toMatch(
    /names inode 3000/,
  );
  const number = inodeOf("/file");
  const circle = debugfsWrite(populated, [`ssv last_orphan ${number}`, `sif /file dtime @${number}`]);
  expect(problemsOf(circle).join("\n")).toMatch(/comes back/);
});

/** Where block 0 of a file lies, and where its inode does, in bytes. */
function placeOf(name: string): { block: number; inode: number } {
  const text = debugfs(populated, `imap ${name}`);
  const [, block = "", offset = ""] = /located at block (\d+), offset (0x[0-9a-f]+)/i.exec(text) ?? [];
  const first = Number(debugfs(populated, `bmap ${name} 0`).trim());
  return { block: first * 4096, inode: Number(block) * 4096 + Number(offset) };
}

test.each<[string, () => number, RegExp]>([
  ["an inode", () => placeOf("/file").inode + 8, /checksum is wrong/],
  ["a directory block", () => placeOf("/many").block + 0x40, /directory/],
  ["an entry's length", () => placeOf("/").block + 4, /directory/],
  ["an extent's place", () => placeOf("/file").inode + 0x28 + 12 + 11, /outside the file system/],
  ["an extent's length", () => placeOf("/file").inode + 0x28 + 12 + 4, /checksum/],
  ["an extent tree's depth", () => placeOf("/file").inode + 0x28 + 6, /depth/],
  ["a group's descriptor", () => 4096 + 0xc, /descriptor's checksum/],
  ["the superblock", () => 1024 + 0x2c, /superblock: its checksum/],
])("one flipped byte in %s is found, by us and by e2fsck", (_, offset, sentence) => {
  const image = populated.slice();
  image[offset()] = (image[offset()] as number) ^ 0x55;
  expect(e2fsck(image)).not.toBe("");
  expect(problemsOf(image).join("\n")).toMatch(sentence);
});

test("whatever single byte of metadata is damaged, the check ends without a crash", () => {
  const mem = bareMachine({ image: populated });
  const places = [1024, 4096, placeOf("/file").inode, placeOf("/many").inode, placeOf("/many").block];
  for (const start of places) {
    for (let offset = start; offset < start + 160; offset++) {
      for (const value of [0x00, 0xff, 0x01]) {
        const at = mediaAt(mem, offset);
        const before = mem.u8[at] as number;
        mem.u8[at] = value;
        expect(Array.isArray(check(mem))).toBe(true);
        mem.u8[at] = before;
      }
    }
  }
  expect(check(mem)).toEqual([]);
});

test("the tree shows what debugfs shows: paths, bytes, targets, extents", () => {
  const tree = readTree(bareMachine({ image: populated }));
  const file = tree.get("/file");
  expect(file?.ino).toBe(Number(inodeOf("/file")));
  expect(Buffer.compare(file?.content() ?? new Uint8Array(), contents)).toBe(0);
  expect(file?.extents.filter(({ unwritten }) => unwritten)).toMatchObject([{ logical: 20, length: 11 }]);
  expect(tree.get("/sparse")?.extents.length).toBeGreaterThan(4);
  const target = (name: string): string => new TextDecoder().decode(tree.get(name)?.content());
  expect(target("/short")).toBe("/file");
  expect(target("/long")).toBe(`/${"many/".repeat(30)}`);
  expect([...tree.keys()].filter((name) => name.startsWith("/many/")).length).toBe(120);
});
