// Paths, directories and the lives of inodes, on images of mkfs.ext4 and our own, with e2fsprogs as witness.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { freeBlockCount, freeInodeCount } from "../../../src/ext4/alloc/open-group.ts";
import { listNames } from "../../../src/ext4/directory/entries.ts";
import { State } from "../../../src/ext4/extents/extent.ts";
import { rawInode, readSize, statOf, type Inode } from "../../../src/ext4/inode.ts";
import { iget, ihold, inodesInUse, iput } from "../../../src/ext4/inodes/cache.ts";
import { ROOT_INODE } from "../../../src/ext4/media/inode.ts";
import { create, makeDirectory } from "../../../src/ext4/names/create.ts";
import { lookUpName, readLink, walk, walkParent } from "../../../src/ext4/names/path.ts";
import { unlink } from "../../../src/ext4/names/remove.ts";
import type { SuperBlock } from "../../../src/ext4/super.ts";
import { downRead, upRead } from "../../../src/locks/rwsem.ts";
import { Errno } from "../../../src/machine/errors.ts";
import { MAX_INODES, MIB } from "../../../src/machine/limits.ts";
import { debugfs, e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { mountedMachine } from "../../support/machine.ts";
import { allocateAll, imageNow, must } from "../model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Runs with a reference to a directory. */
function within<T>(sb: SuperBlock, directory: string, work: (inode: Inode) => T): T {
  const inode = must(walk(sb, directory));
  const result = work(inode);
  must(iput(inode));
  return result;
}

const make = (sb: SuperBlock, name: string): Inode =>
  within(sb, "/", (root) => must(create(root, bytes(name), 0o640)));

function namesIn(sb: SuperBlock, directory: string): string[] {
  return within(sb, directory, (inode) => {
    downRead(inode.rwsem);
    const names = must(listNames(inode));
    upRead(inode.rwsem);
    return names.map(({ name }) => new TextDecoder().decode(name));
  });
}

/** An image of mkfs.ext4 with what `fill` puts into a folder. */
function imageWith(fill: (folder: string) => void): Uint8Array {
  const folder = mkdtempSync(path.join(tmpdir(), "unwritten-"));
  fill(folder);
  const image = mkfs(16 * MIB, ["-d", folder]);
  rmSync(folder, { recursive: true });
  return image;
}

test("files made here are found by debugfs, and a directory grows by blocks and is reused when names go", () => {
  const { sb } = mountedMachine();
  const names = Array.from({ length: 300 }, (_, i) => `file with some name ${i}`);
  for (const name of names) must(iput(make(sb, name)));
  expect(namesIn(sb, "/").toSorted()).toEqual([".", "..", "lost+found", ...names].toSorted());
  const size = within(sb, "/", readSize);
  expect(size).toBeGreaterThan(4096);
  const image = imageNow(sb);
  expect(e2fsck(image)).toBe("");
  expect(
    [...debugfs(image, "ls -p /").matchAll(/\/(file[^/]*)\//g)].map(([, name]) => name).toSorted(),
  ).toEqual(names.toSorted());
  for (const name of names.filter((_, i) => i % 3 !== 0))
    within(sb, "/", (root) => must(unlink(root, bytes(name))));
  expect(e2fsck(imageNow(sb))).toBe("");
  for (let i = 0; i < 200; i++) must(iput(make(sb, `again ${i}`)));
  expect(within(sb, "/", readSize)).toBe(size);
  expect(e2fsck(imageNow(sb))).toBe("");
  expect(inodesInUse(sb.mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
});

const photo = (index: number): string => `${String(index).padStart(4, "0")} holiday.jpeg`;

test("names that are as long and end alike are told apart, and so are those that are not there", () => {
  const { sb } = mountedMachine();
  const found = (index: number): number =>
    within(sb, "/", (root) => {
      const inode = lookUpName(root, bytes(photo(index)));
      if (typeof inode === "number") return inode;
      const { number } = inode;
      must(iput(inode));
      return number;
    });
  const numbers = new Map<number, number>();
  for (let index = 0; index < 400; index += 2) {
    const inode = make(sb, photo(index));
    numbers.set(index, inode.number);
    must(iput(inode));
  }
  for (let index = 0; index < 400; index += 6) {
    within(sb, "/", (root) => must(unlink(root, bytes(photo(index)))));
    numbers.delete(index);
  }
  const image = imageNow(sb);
  expect(e2fsck(image)).toBe("");
  const listed = [...debugfs(image, "ls -p /").matchAll(/^\/(\d+)\/.*\/(\d+) holiday.jpeg\//gm)];
  expect(new Map(listed.map(([, number, index]) => [Number(index), Number(number)]))).toEqual(numbers);
  for (let index = 0; index < 400; index++) {
    const number = found(index);
    expect(number).toBe(numbers.get(index) ?? -Errno.ENOENT);
  }
});

test("an image of mkfs.ext4 is walked through directories and symlinks, short, long, relative and circular", () => {
  const long = `/${"x".repeat(90)}/../d/f`;
  const image = imageWith((folder) => {
    mkdirSync(path.join(folder, "d"));
    mkdirSync(path.join(folder, "x".repeat(90)));
    writeFileSync(path.join(folder, "d", "f"), "content");
    symlinkSync("d/f", path.join(folder, "short"));
    symlinkSync(long, path.join(folder, "long"));
    symlinkSync("../short", path.join(folder, "d", "up"));
    symlinkSync("loop", path.join(folder, "loop"));
    symlinkSync("nowhere", path.join(folder, "dangling"));
  });
  const { sb } = mountedMachine({ image });
  const inode = must(walk(sb, "/d/f"));
  for (const name of ["/short", "/long", "/d/up", "d//./f", "/d/../d/f"]) {
    expect(walk(sb, name)).toBe(inode);
    must(iput(inode));
  }
  expect(statOf(inode)).toMatchObject({ size: 7, nlink: 1, blocks: 8, mode: 0o100644 });
  within(sb, "/", (root) => {
    const link = must(lookUpName(root, bytes("long")));
    expect(new TextDecoder().decode(must(readLink(link)))).toBe(long);
    must(iput(link));
    const [loop, dangling] = [walk(sb, "/loop"), walk(sb, "/dangling")];
    expect([loop, dangling]).toEqual([-Errno.ELOOP, -Errno.ENOENT]);
  });
  expect(walk(sb, "/d/f/")).toBe(-Errno.ENOTDIR);
  expect(walk(sb, "/d/f/g")).toBe(-Errno.ENOTDIR);
  expect(walk(sb, "/d/g")).toBe(-Errno.ENOENT);
  expect(walk(sb, "")).toBe(-Errno.ENOENT);
  expect(walk(sb, `/${"y".repeat(256)}`)).toBe(-Errno.ENAMETOOLONG);
  expect(walk(sb, "/d".repeat(2048))).toBe(-Errno.ENAMETOOLONG);
  const parent = must(walkParent(sb, "/dangling", true));
  expect(new TextDecoder().decode(parent.name)).toBe("nowhere");
  must(iput(parent.directory));
  must(iput(inode));
  expect(inodesInUse(sb.mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
});

test("a file without a name lives on the orphan list until its last reference goes, wherever it is in the list", () => {
  const { sb } = mountedMachine();
  const free = [freeBlockCount(sb), freeInodeCount(sb)];
  const files = ["a", "b", "c"].map((name) => make(sb, name));
  for (const file of files) expect(allocateAll(file, 0, 20, State.unwritten)).toBe(20);
  ihold(files[1] as Inode);
  for (const name of ["a", "b", "c"]) within(sb, "/", (root) => must(unlink(root, bytes(name))));
  expect(within(sb, "/", (root) => unlink(root, bytes("a")))).toBe(-Errno.ENOENT);
  expect(walk(sb, "/a")).toBe(-Errno.ENOENT);
  expect(files.map((file) => rawInode(file).i_links_count)).toEqual([0, 0, 0]);
  expect(freeBlockCount(sb)).toBe((free[0] as number) - 60);
  for (const index of [1, 0, 2, 1]) must(iput(files[index] as Inode));
  expect([freeBlockCount(sb), freeInodeCount(sb)]).toEqual(free);
  expect(e2fsck(imageNow(sb))).toBe("");
});

test("a number that is given again gets another generation", () => {
  const { sb } = mountedMachine();
  const first = make(sb, "a");
  const { number, generation } = first;
  within(sb, "/", (root) => must(unlink(root, bytes("a"))));
  must(iput(first));
  const second = make(sb, "b");
  expect(second.number).toBe(number);
  expect(second.generation).not.toBe(generation);
  must(iput(second));
});

test("create and unlink refuse what they must, and leave nothing behind", () => {
  const { sb } = mountedMachine();
  const file = make(sb, "file");
  const free = [freeBlockCount(sb), freeInodeCount(sb)];
  within(sb, "/", (root) => {
    expect(create(root, bytes("file"), 0o644)).toBe(-Errno.EEXIST);
    expect(create(root, bytes("n".repeat(256)), 0o644)).toBe(-Errno.ENAMETOOLONG);
    expect(unlink(root, bytes("lost+found"))).toBe(-Errno.EISDIR);
    expect(unlink(root, bytes("nothing"))).toBe(-Errno.ENOENT);
  });
  expect(create(file, bytes("x"), 0o644)).toBe(-Errno.ENOTDIR);
  expect(unlink(file, bytes("x"))).toBe(-Errno.ENOTDIR);
  expect([freeBlockCount(sb), freeInodeCount(sb)]).toEqual(free);
  must(iput(file));
  expect(e2fsck(imageNow(sb))).toBe("");
});

test("without space for a directory block create says -ENOSPC and the inode is free again", () => {
  const { sb } = mountedMachine({ size: 2 * MIB });
  const filler = make(sb, "filler");
  allocateAll(filler, 0, 10_000, State.unwritten);
  expect(freeBlockCount(sb)).toBe(0);
  let made = 0;
  let result = 0;
  within(sb, "/", (root) => {
    for (; result === 0; made++) {
      const inode = create(root, bytes(`${"long name ".repeat(20)}${made}`), 0o644);
      result = typeof inode === "number" ? inode : iput(inode);
    }
  });
  expect(made).toBeGreaterThan(5);
  expect(result).toBe(-Errno.ENOSPC);
  const free = freeInodeCount(sb);
  within(sb, "/", (root) => expect(create(root, bytes("n".repeat(255)), 0o644)).toBe(-Errno.ENOSPC));
  expect(freeInodeCount(sb)).toBe(free);
  must(iput(filler));
  expect(e2fsck(imageNow(sb))).toBe("");
});

test("directories that nobody uses any more make way when all places are needed, and are found again", () => {
  const { sb } = mountedMachine({ size: 64 * MIB });
  const root = must(iget(sb, 2));
  const names = Array.from({ length: 40 }, (_, i) => `d${i}`);
  for (const name of names) must(iput(must(makeDirectory(root, bytes(name), 0o755))));
  const walkAll = (): number[] =>
    names.map((name) => within(sb, `/${name}/.`, ({ number, mode }) => number + mode * 2 ** 16));
  const numbers = walkAll();
  const held = Array.from({ length: MAX_INODES - 1 }, (_, i) => must(create(root, bytes(`${i}`), 0o644)));
  for (const inode of held) must(iput(inode));
  expect(walkAll()).toEqual(numbers);
  must(iput(root));
  expect(e2fsck(imageNow(sb))).toBe("");
});

test("MAX_INODES inodes are in memory at most: -ENFILE, and an iput makes room", () => {
  const { sb } = mountedMachine({ size: 64 * MIB });
  const root = must(iget(sb, 2));
  const held = Array.from({ length: MAX_INODES - 1 }, (_, i) => must(create(root, bytes(`${i}`), 0o644)));
  expect(create(root, bytes("more"), 0o644)).toBe(-Errno.ENFILE);
  expect(iget(sb, 11)).toBe(-Errno.ENFILE);
  must(iput(held.pop() as Inode));
  must(iput(must(create(root, bytes("more"), 0o644))));
  for (const inode of held) must(iput(inode));
  must(iput(root));
  expect(e2fsck(imageNow(sb))).toBe("");
});
