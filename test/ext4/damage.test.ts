// Damaged trees and directories: an error number, whatever the bytes are; never a crash, a loop, or a block
// that the file system does not have.  The images have no checksums, so that damage gets past them.

import { array, assert, constantFrom, integer, nat, property, record } from "fast-check";
import { expect, test } from "vitest";
import { takeFinding } from "../../src/ext4/damage.ts";
import { listNames } from "../../src/ext4/directory/entries.ts";
import { State } from "../../src/ext4/extents/extent.ts";
import { extents } from "../../src/ext4/extents/find.ts";
import { setDiskSize, treeRoot } from "../../src/ext4/inode.ts";
import { iget, iput } from "../../src/ext4/inodes/cache.ts";
import { indexChild } from "../../src/ext4/media/extent.ts";
import { lookUp } from "../../src/ext4/map.ts";
import { create } from "../../src/ext4/names/create.ts";
import { walk } from "../../src/ext4/names/path.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import { mediaAddress, superBlock, type SuperBlock } from "../../src/ext4/super.ts";
import { downRead, upRead } from "../../src/locks/rwsem.ts";
import { Errno } from "../../src/machine/errors.ts";
import { MIB } from "../../src/machine/limits.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { debugfs, debugfsWrite, mkfs } from "../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../support/kernel.ts";
import { cleanImage, imageOf, mountedMachine } from "../support/machine.ts";
import { allocate, allocateAll, changing, convert, imageNow, must, remove } from "./model.ts";

const design = designs.get("dax-6.1") as Design;

interface Damaged {
  image: Uint8Array;
  /** Offsets in the image of the root of the file's tree, of its first leaf, and of the root directory. */
  root: number;
  leaf: number;
  directory: number;
}

function prepare(args: readonly string[]): Damaged {
  const { mem, sb } = mountedMachine({ image: mkfs(8 * MIB, args) });
  const root = must(walk(sb, "/"));
  const file = must(create(root, new TextEncoder().encode("file"), 0o644));
  allocateAll(file, 0, 100, State.unwritten);
  for (let block = 0; block < 100; block += 2) must(convert(file, block, 1));
  must(changing(file, (handle) => setDiskSize(handle, file, 100 * 4096)));
  const offset = (block: number): number => mediaAddress(sb, block) - mediaAddress(sb, 0);
  const leaf = offset(indexChild(mem, treeRoot(file), 0));
  downRead(root.dataSem);
  const [first] = must(extents(root));
  upRead(root.dataSem);
  const raw = offset(tableBlock(sb, file.bufferAt)) + (treeRoot(file) % 4096);
  const found = { root: raw, leaf, directory: offset(first?.media ?? 0) };
  must(iput(file));
  must(iput(root));
  return { image: imageNow(sb), ...found };
}

const tableBlock = (sb: SuperBlock, bufferAt: number): number => sb.mem.u32[bufferAt >>> 2] as number;

const change = record({
  where: constantFrom("root", "leaf", "directory"),
  at: nat(120),
  value: integer({ min: 0, max: 255 }),
});

/** Every kind of call on the file; the results are errors or not, but calls return. */
function useAll(sb: SuperBlock): number[] {
  const results: number[] = [];
  const note = (result: unknown): void => void results.push(typeof result === "number" ? result : 0);
  const root = iget(sb, 2);
  if (typeof root === "number") return [root];
  downRead(root.rwsem);
  note(listNames(root));
  upRead(root.rwsem);
  const file = iget(sb, 12);
  if (typeof file !== "number") {
    note(changing(file, () => extents(file)));
    for (let block = 0; block < 120; block += 7) {
      note(convert(file, block, 3));
      note(allocate(file, block, 2, State.unwritten));
      note(remove(file, block + 1, block + 3));
    }
    note(remove(file, 0, 1000));
    iput(file);
  }
  note(file);
  const other = create(root, new TextEncoder().encode("other"), 0o644);
  note(other);
  if (typeof other !== "number") iput(other);
  iput(root);
  return results;
}

test("any bytes in a tree or a directory give an error number or a result, never a crash or a loop", () => {
  const damaged = prepare(["-O", "^metadata_csum"]);
  const seen = new Set<number>();
  assert(
    property(array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const image = damaged.image.slice();
      for (const { where, at, value } of changes)
        image[damaged[where as "root"] + (at % (where === "root" ? 60 : 120))] = value;
      for (const result of useAll(mountedMachine({ image }).sb)) seen.add(result);
    }),
    { numRuns: 60 },
  );
  expect(seen.has(-Errno.EUCLEAN)).toBe(true);
  const expected = new Set([-Errno.EUCLEAN, -Errno.EEXIST, -Errno.ENOSPC, -Errno.EOPNOTSUPP]);
  expect([...seen].filter((result) => result < 0 && !expected.has(result))).toEqual([]);
});

test("with checksums a changed byte in a leaf, a directory or an inode is found when it is read", () => {
  const { image, root, leaf, directory } = prepare([]);
  const with1 = (at: number): SuperBlock => {
    const copy = image.slice();
    copy[at] = (copy[at] as number) ^ 1;
    return mountedMachine({ image: copy }).sb;
  };
  expect(walk(with1(root + 4), "/file")).toBe(-Errno.EFSBADCRC);
  expect(walk(with1(directory + 60), "/file")).toBe(-Errno.EFSBADCRC);
  const file = must(walk(with1(leaf + 300), "/file"));
  expect(changing(file, () => extents(file))).toBe(-Errno.EUCLEAN);
});

test("a leaf that two indexes lead to is taken on one way only", () => {
  const { image, root } = prepare(["-O", "^metadata_csum"]);
  const view = new DataView(image.buffer, root);
  view.setUint16(2, 2, true);
  view.setUint32(24, 100, true);
  view.setUint32(28, view.getUint32(16, true), true);
  view.setUint32(32, 0, true);
  const { mem, sb } = mountedMachine({ image });
  const file = must(iget(sb, 12));
  expect(must(lookUp(file, 0)).state).toBe(State.written);
  expect(changing(file, () => extents(file))).toBe(-Errno.EUCLEAN);
  expect(takeFinding(mem, -Errno.EUCLEAN)).toMatch(
    /^the extent tree of inode 12 is damaged: its node in block \d+$/,
  );
  expect(takeFinding(mem, -Errno.EUCLEAN)).toBeUndefined();
  expect(remove(file, 0, 1000)).toBe(-Errno.EUCLEAN);
});

test("a name does not lead to an inode of the file system's own, nor to a directory larger than the media", () => {
  const { image, root, directory } = prepare(["-O", "^metadata_csum"]);
  const opened = (at: number, value: number): string => {
    const copy = image.slice();
    new DataView(copy.buffer).setUint32(at, value, true);
    const calls = bootKernel(design, copy).sys();
    return messageOf(() => calls.readdir("/lost+found") && calls.open("/file", "r+"));
  };
  const entry = Buffer.from(image.buffer).indexOf("file", directory) - 8;
  expect(opened(entry, 8)).toContain("a directory entry is damaged: inode 8 is the file system's own");
  expect(opened(entry, 2)).toContain("a directory entry is damaged: it leads from directory 2 back to it");
  expect(opened(entry, 11)).toContain("illegal operation on a directory");
  // The inode before the file's, without checksums: i_size_lo, i_size_high.
  const lostAndFound = root - 0x28 - 256;
  expect(opened(lostAndFound + 0x6c, 1)).toContain("inode 11 is damaged: its size is 42949");
  expect(opened(lostAndFound + 4, 8 * MIB + 4096)).toContain("inode 11 is damaged: its size is 8392704");
});

const messageOf = (call: () => unknown): string => {
  try {
    call();
  } catch (error) {
    return (error as Error).message;
  }
  return "none";
};

/** The image with another s_errors: what to do when damage is found. */
const onErrors = (image: Uint8Array, value: number): Uint8Array => {
  const copy = image.slice();
  new DataView(copy.buffer).setUint16(1024 + 0x3c, value, true);
  return copy;
};

test("after damage the file system goes on or takes no more changes, as s_errors says", () => {
  const { image, leaf } = prepare(["-O", "^metadata_csum"]);
  new DataView(image.buffer).setUint16(leaf, 0x1234, true);
  for (const [value, expected] of [
    [1, "none"],
    [2, "EROFS"],
    [3, "EROFS"],
    [77, "none"],
  ] as const) {
    const { mem, sys } = bootKernel(design, onErrors(image, value));
    const calls = sys();
    const fd = calls.open("/file", "r+");
    expect(codeOf(() => calls.open("/before", "w+"))).toBe("none");
    expect(() => calls.fiemap(fd)).toThrow(/structure needs cleaning.*extent tree of inode 12/);
    expect(codeOf(() => calls.open("/after", "w+"))).toBe(expected);
    expect(codeOf(() => calls.ftruncate(fd, 7))).toBe(expected === "none" ? "EUCLEAN" : expected);
    expect(codeOf(() => calls.open("/before", "r+"))).toBe(expected);
    expect(codeOf(() => calls.open("/before", "r"))).toBe("none");
    // The image says so from the next commit on.
    expect(freeze(superBlock(mem))).toBe(0);
    expect(new DataView(imageOf(mem).buffer).getUint16(1024 + 0x3a, true)).toBe(3);
  }
});

const FILL = new Uint8Array(4 * 4096).fill(0xab);

test("no file gets at the journal's blocks: neither through its tree, nor because the bitmap calls them free", () => {
  const bare = mkfs(16 * MIB);
  const { mem, sys } = bootKernel(design, bare);
  const fd = sys().open("/file", "w+");
  sys().pwrite(fd, FILL, 0);
  const image = cleanImage(mem);
  const journal = Number(debugfs(image, "bmap <8> 100").trim());
  expect(journal).toBeGreaterThan(0);
  const tree = debugfsWrite(image, [`set_inode_field /file block[5] ${journal + 8}`]);
  expect(debugfs(tree, "bmap /file 0").trim()).toBe(`${journal + 8}`);
  const bitmap = debugfsWrite(image, [`freeb ${journal + 8} 64`]);
  for (const [damagedImage, reason] of [
    [tree, /the extent tree of inode \d+ is damaged: its root/],
    [bitmap, /damaged: there lies a structure of the file system's own/],
  ] as const) {
    const machine = bootKernel(design, damagedImage);
    const calls = machine.sys();
    expect(
      messageOf(() => {
        calls.pwrite(calls.open("/file", "r+"), FILL, 0);
        const more = calls.open("/new", "w+");
        for (let index = 0; index < 1000; index++) calls.pwrite(more, FILL, index * FILL.length);
      }),
    ).toMatch(reason);
    calls.sync();
    const left = Buffer.from(imageOf(machine.mem).buffer);
    const log = left.subarray(journal * 4096, (journal + 512) * 4096);
    expect(log.includes(Buffer.from(FILL.subarray(0, 4096)))).toBe(false);
  }
});
