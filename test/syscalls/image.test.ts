// A tree that mkfs.ext4 copied from a real directory: our calls on the image and node:fs on the directory
// answer alike, symlinks and all, and the image stays clean.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { designs } from "../../src/xip/designs/index.ts";
import { type Call, type Door, nodeDoor, type Step, sysDoor, through } from "../support/doors.ts";
import { debugfsWrite, e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";
import { cleanImage } from "../support/machine.ts";

const design = [...designs.values()].find(({ sound }) => sound);
if (design === undefined) throw new Error("no design is meant to be sound");

const SIZE = 16 * 1024 * 1024;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const opened = (as: string, path: string, flags: string | number): Step => ({
  call: ["open", path, flags, 0o666],
  as,
});
const on = (...call: Call): Step => ({ call });
const O = { directory: 0o200000, nofollow: 0o400000, rdwr: 2, creat: 0o100, excl: 0o200 };

const sequences: Record<string, Step[]> = {
  "names that are symlinks are followed": [
    opened("a", "/link", "r+"),
    on("pread", "$a", 100, 0),
    on("pwrite", "$a", text("new"), 0),
    opened("b", "/dir/file", "r"),
    on("pread", "$b", 100, 0),
    on("stat", "/link"),
    on("lstat", "/link"),
    on("stat", "/long"),
    on("lstat", "/long"),
    on("readlink", "/link"),
    on("readlink", "/long"),
    on("readlink", "/dir/file"),
    on("readlink", "/dir"),
    on("stat", "/folder/back/link"),
    on("truncate", "/link", 2),
    on("stat", "/dir/file"),
  ],
  "a symlink to a directory is one": [
    on("readdir", "/folder"),
    on("stat", "/folder"),
    on("stat", "/folder/"),
    on("lstat", "/folder/"),
    on("stat", "/folder/file"),
    opened("d", "/folder", O.directory),
    opened("e", "/folder", O.directory | O.nofollow),
    on("unlink", "/folder/"),
    on("unlink", "/dir"),
    on("readdir", "/dir"),
  ],
  "a symlink that leads nowhere": [
    opened("a", "/dangling", "r"),
    on("stat", "/dangling"),
    on("lstat", "/dangling"),
    opened("b", "/dangling", "wx"),
    opened("c", "/dangling", O.rdwr | O.creat | O.nofollow),
    opened("d", "/dangling/", "w"),
    on("stat", "/dir/missing"),
    opened("e", "/dangling", "w+"),
    on("write", "$e", text("made")),
    on("stat", "/dir/missing"),
    on("unlink", "/dangling"),
    on("stat", "/dir/missing"),
  ],
  "a symlink that says it leads to a directory": [
    opened("a", "/slash", "r"),
    opened("b", "/slash", "w"),
    opened("c", "/turn", "r"),
    opened("d", "/turn", "w"),
    opened("e", "/folder", "w"),
    opened("f", "/twice", "w"),
    on("stat", "/dir/file"),
  ],
  "symlinks in a circle": [
    opened("a", "/circle", "r"),
    opened("b", "/circle", "w"),
    on("stat", "/circle/x"),
    on("lstat", "/circle"),
    on("readlink", "/circle"),
    on("unlink", "/circle"),
    on("stat", "/round"),
  ],
  "symlinks that may not be followed": [
    opened("a", "/link", O.nofollow),
    opened("b", "/link", O.rdwr | O.creat | O.excl),
    opened("c", "/folder/file", O.nofollow),
    on("unlink", "/link"),
    on("stat", "/dir/file"),
    on("stat", "/link"),
  ],
  "names through what is no directory": [
    on("stat", "/dir/file/x"),
    on("stat", "/link/x"),
    on("stat", "/dir/../dir/./file"),
    on("readdir", "/link"),
    on("readdir", "/dir/file"),
    opened("a", "/dir/file/", "r"),
    opened("b", "/dir", "r+"),
    opened("c", "/dir", "r"),
    on("read", "$c", 1),
  ],
};

let image: Uint8Array;
let umask = 0;
let theirs: Door & { root: string; remove(): void };
let kernel: Kernel;

function plant(root: string): void {
  mkdirSync(join(root, "dir"));
  chmodSync(join(root, "dir"), 0o755);
  writeFileSync(join(root, "dir", "file"), "what was written", { mode: 0o644 });
  symlinkSync("dir/file", join(root, "link"));
  symlinkSync("dir", join(root, "folder"));
  symlinkSync("..", join(root, "dir", "back"));
  symlinkSync("dir/missing", join(root, "dangling"));
  symlinkSync("round", join(root, "circle"));
  symlinkSync("circle", join(root, "round"));
  symlinkSync("dir/file/", join(root, "slash"));
  symlinkSync("turn/", join(root, "turn"));
  symlinkSync("link", join(root, "twice"));
  // Beyond 59 bytes the target has a block of its own.
  symlinkSync(`${"./".repeat(60)}dir/file`, join(root, "long"));
}

beforeAll(() => {
  umask = process.umask(0o022);
  const source = nodeDoor();
  plant(source.root);
  image = mkfs(SIZE, ["-d", source.root]);
  source.remove();
});
afterAll(() => {
  process.umask(umask);
});

describe("an image made from a directory", () => {
  beforeEach(() => {
    theirs = nodeDoor();
    plant(theirs.root);
    kernel = bootKernel(design, image);
  });

  it.each(Object.keys(sequences))("answers as the directory does: %s", (name) => {
    const steps = sequences[name] as Step[];
    const table = (answers: unknown[]): unknown[] => answers.map((answer, i) => [steps[i]?.call, answer]);
    const expected = table(through(theirs, steps));
    theirs.remove();
    expect(table(through(sysDoor(kernel.sys()), steps))).toEqual(expected);
    kernel.sys().sync();
    expect(e2fsck(cleanImage(kernel.mem))).toBe("");
  });
});

describe("files with attributes", () => {
  it("that are immutable are not opened to write, those that only grow are appended to (EPERM)", () => {
    const marked = debugfsWrite(image, ["set_inode_field /dir/file flags 0x80010"]);
    const sys = bootKernel(design, marked).sys();
    expect(codeOf(() => sys.open("/dir/file", "r+"))).toBe("EPERM");
    expect(codeOf(() => sys.truncate("/dir/file", 0))).toBe("EPERM");
    expect(codeOf(() => sys.open("/dir/file", "r"))).toBe("none");
    expect(codeOf(() => sys.chown("/dir/file", -1, -1))).toBe("EPERM"); // though that keeps both
    const growing = bootKernel(
      design,
      debugfsWrite(image, ["set_inode_field /dir/file flags 0x80020"]),
    ).sys();
    expect(codeOf(() => growing.open("/dir/file", "r+"))).toBe("EPERM");
    expect(codeOf(() => growing.open("/dir/file", "w"))).toBe("EPERM");
    expect(codeOf(() => growing.chown("/dir/file", 1, -1))).toBe("EPERM");
    expect(codeOf(() => growing.chown("/dir/file", -1, -1))).toBe("none");
    expect(growing.write(growing.open("/dir/file", "a"), text("!"))).toBe(1);
  });
});
