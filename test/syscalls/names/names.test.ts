// The calls on names, as Linux answers them: the same calls through node:fs on a real directory.

import { openSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { bootKernel, codeOf } from "../../support/kernel.ts";
import { answersOf, empty, isRoot, type NameCall, nodeWorld, sysWorld } from "./worlds.ts";

const long = "n".repeat(255);

const sequences: Record<string, NameCall[]> = {
  "directories are made, listed and taken away": [
    ["mkdir", "/d"],
    ["mkdir", "/d"],
    ["mkdir", "/d/e/", 0o700],
    ["mkdir", "/d/e/f", 0o4777],
    ["stat", "/d"],
    ["stat", "/d/e"],
    ["stat", "/d/e/f"],
    ["list", "/d"],
    ["list", "/d/e/."],
    ["mkdir", "/no/d"],
    ["put", "/f", "x"],
    ["mkdir", "/f"],
    ["mkdir", "/f/d"],
    ["mkdir", "/f/"],
    ["rmdir", "/d"],
    ["rmdir", "/f"],
    ["rmdir", "/f/"],
    ["rmdir", "/no"],
    ["rmdir", "/d/e/f/"],
    ["rmdir", "/d/e"],
    ["rmdir", "/d"],
    ["list", "/"],
  ],
  "a directory whose only names begin with points is not empty": [
    ["mkdir", "/d"],
    ["put", "/d/.f", "x"],
    ["rmdir", "/d"],
    ["mkdir", "/e"],
    ["mkdir", "/e/..."],
    ["rmdir", "/e"],
    ["rmdir", "/e/..."],
    ["rmdir", "/e"],
    ["list", "/d"],
    ["list", "/"],
  ],
  "names that are none": [
    ["mkdir", "/d"],
    ["mkdir", ""],
    ["mkdir", "/d/."],
    ["mkdir", "/d/.."],
    ["rmdir", ""],
    ["rmdir", "/d/."],
    ["rmdir", "/d/.."],
    ["unlink", "/d/."],
    ["unlink", "/d/.."],
    ["unlink", "/d/"],
    ["unlink", "/d"],
    ["unlink", "/no/"],
    ["rename", "/d/.", "/e"],
    ["rename", "/d/..", "/e"],
    ["rename", "/d", "/d/."],
    ["rename", "", "/e"],
    ["rename", "/d", ""],
    ["link", "/d", "/d/."],
    ["symlink", "", "/s"],
    ["symlink", "x", ""],
    ["symlink", "x", "/d/."],
    ["symlink", "x", "/s/"],
    ["symlink", "x", "/d/"],
    ["put", "/d/.", "x"],
    ["put", "/d/", "x"],
    ["put", "/no/", "x"],
    ["put", "/f", "x"],
    ["put", "/f/", "x"],
    ["get", "/f/"],
    ["link", "/f", "/g/"],
    ["link", "/f", "/f/"],
    ["link", "/f/", "/g"],
    ["list", "/"],
  ],
  "names of 255 bytes, and longer ones": [
    ["mkdir", `/${long}`],
    ["mkdir", `/${long}n`],
    ["rename", `/${long}`, `/${long}n`],
    ["rename", "/no", `/${long}n`],
    ["rename", `/${long}n`, "/a"],
    ["rmdir", `/${long}n`],
    ["unlink", `/${long}n`],
    ["symlink", "x", `/${long}n`],
    ["symlink", "y".repeat(4095), "/s"],
    ["symlink", "y".repeat(4096), "/t"],
    ["put", "/f", ""],
    ["link", "/f", `/${long}n`],
    ["link", "/f", `/${long}/${long}`],
    ["rename", `/${long}/${long}`, "/g"],
    ["put", `/${"ž".repeat(127)}`, "127 letters of two bytes"],
    ["put", `/${"ž".repeat(128)}`, ""],
    ["stat", `/${"./".repeat(2048)}f`],
    ["list", "/"],
  ],
  "a name moves, and replaces": [
    ["put", "/a", "one"],
    ["put", "/b", "two"],
    ["rename", "/a", "/c"],
    ["get", "/a"],
    ["get", "/c"],
    ["rename", "/c", "/b"],
    ["get", "/b"],
    ["rename", "/b", "/b"],
    ["rename", "/no", "/b"],
    ["rename", "/b", "/no/b"],
    ["rename", "/b", "/b/c"],
    ["rename", "/b/", "/c"],
    ["rename", "/b", "/c/"],
    ["mkdir", "/d"],
    ["rename", "/b", "/d"],
    ["rename", "/b", "/d/b"],
    ["rename", "/d", "/d/b"],
    ["list", "/"],
    ["list", "/d"],
  ],
  "directories move, and replace empty ones": [
    ["mkdir", "/a"],
    ["mkdir", "/a/b"],
    ["mkdir", "/a/b/c"],
    ["mkdir", "/d"],
    ["put", "/f", "x"],
    ["rename", "/a", "/a/b"],
    ["rename", "/a", "/a/b/c/d"],
    ["rename", "/a", "/a/e"],
    ["rename", "/a/b/c", "/a"],
    ["rename", "/a/b/c", "/a/b"],
    ["rename", "/a/b", "/d/b/"],
    ["list", "/d/b"],
    ["list", "/d/b/.."],
    ["list", "/d/b/c/../../.."],
    ["rename", "/d", "/a"],
    ["rename", "/a", "/d"],
    ["list", "/"],
    ["rename", "/a", "/f"],
    ["rename", "/f", "/a"],
    ["mkdir", "/e"],
    ["rename", "/a/b", "/e"],
    ["list", "/e"],
    ["rmdir", "/a"],
    ["rmdir", "/e"],
  ],
  "a file has several names": [
    ["put", "/a", "one"],
    ["mkdir", "/d"],
    ["link", "/a", "/d/b"],
    ["link", "/a", "/d/b"],
    ["link", "/d", "/e"],
    ["link", "/no", "/e"],
    ["link", "/a", "/no/e"],
    ["link", "/a", "/a/e"],
    ["stat", "/a"],
    ["append", "/d/b", " two"],
    ["get", "/a"],
    ["rename", "/a", "/d/b"],
    ["list", "/"],
    ["rename", "/d/b", "/a"],
    ["list", "/d"],
    ["unlink", "/a"],
    ["get", "/d/b"],
    ["stat", "/d/b"],
    ["unlink", "/d/b"],
    ["stat", "/d/b"],
  ],
  "symlinks, short and long, to what is there and what is not": [
    ["put", "/a", "file"],
    ["mkdir", "/d"],
    ["symlink", "a", "/s"],
    ["symlink", "a", "/s"],
    ["symlink", "../a", "/d/up"],
    ["symlink", `${"./".repeat(29)}a`, "/fits"],
    ["symlink", `${"./".repeat(30)}a`, "/block"],
    ["symlink", "nowhere", "/n"],
    ["symlink", "loop", "/loop"],
    ["symlink", "d", "/e"],
    ["lstat", "/fits"],
    ["lstat", "/block"],
    ["readlink", "/block"],
    ["readlink", "/a"],
    ["get", "/s"],
    ["get", "/d/up"],
    ["get", "/fits"],
    ["get", "/block"],
    ["get", "/n"],
    ["get", "/loop"],
    ["get", "/e/up"],
    ["get", "/s/"],
    ["list", "/e"],
    ["list", "/e/"],
    ["lstat", "/e"],
    ["lstat", "/e/"],
    ["put", "/n", "made"],
    ["get", "/nowhere"],
    ["unlink", "/nowhere"],
    ["mkdir", "/n"],
    ["mkdir", "/n/"],
    ["link", "/s", "/t"],
    ["readlink", "/t"],
    ["lstat", "/s"],
    ["rename", "/e", "/d"],
    ["rename", "/d", "/e"],
    ["rename", "/e/", "/x"],
    ["rename", "/s", "/n"],
    ["readlink", "/n"],
    ["rmdir", "/e"],
    ["rmdir", "/e/"],
    ["unlink", "/e/"],
    ["unlink", "/e"],
    ["unlink", "/block"],
    ["list", "/"],
  ],
  "permissions and times": [
    ["put", "/a", ""],
    ["mkdir", "/d"],
    ["symlink", "a", "/s"],
    ["chmod", "/a", 0o6751],
    ["stat", "/a"],
    ["chmod", "/s", 0o600],
    ["stat", "/a"],
    ["lstat", "/s"],
    ["chmod", "/d", 0o2770],
    ["mkdir", "/d/e"],
    ["put", "/d/f", ""],
    ["stat", "/d/e"],
    ["stat", "/d/f"],
    ["chmod", "/no", 0o600],
    ["utimens", "/a", 0, 1_700_000_000],
    ["times", "/a"],
    ["utimens", "/s", 1.5, 2_000_000_000.25],
    ["times", "/a"],
    ["utimens", "/no", 1, 1],
    ["utimens", "/d", 86_400, 2],
    ["times", "/d"],
  ],
};

/** What only root may do. */
const rootSequences: Record<string, NameCall[]> = {
  owners: [
    ["put", "/a", "x"],
    ["mkdir", "/d"],
    ["symlink", "a", "/s"],
    ...[0o6755, 0o6745, 0o2644].flatMap((mode): NameCall[] => [
      ["chmod", "/a", mode],
      ["chown", "/s", 1000, 70_000],
      ["stat", "/a"],
      ["owners", "/a"],
      ["owners", "/s"],
    ]),
    ["chmod", "/a", 0o6755],
    ["chown", "/a", -1, -1],
    ["stat", "/a"],
    ["chown", "/a", -1, 0],
    ["owners", "/a"],
    ["lchown", "/s", 4_294_967_294, -1],
    ["owners", "/s"],
    ["chmod", "/d", 0o6770],
    ["chown", "/d", 1, 5],
    ["stat", "/d"],
    ["mkdir", "/d/e"],
    ["owners", "/d/e"],
    ["put", "/d/f", ""],
    ["owners", "/d/f"],
    ["chown", "/no", 0, 0],
    ["chown", "/a/b", 0, 0],
    ["chown", "", 0, 0],
  ],
};
if (isRoot) Object.assign(sequences, rootSequences);

let umask = 0;
beforeAll(() => {
  umask = process.umask(0o022);
});
afterAll(() => {
  process.umask(umask);
});

describe("names", () => {
  const kernel = bootKernel(designs.get("ext4-xip-serialized") as Design);
  const sys = kernel.sys();
  const ours = sysWorld(sys);
  const theirs = nodeWorld();
  afterAll(() => theirs.remove());

  it.each(Object.keys(sequences))("as in Linux: %s", (name) => {
    empty(ours);
    empty(theirs);
    const calls = sequences[name] as NameCall[];
    expect(answersOf(ours, calls)).toEqual(answersOf(theirs, calls));
  });

  it("what a symlink says is bytes, text or not", () => {
    const target = new Uint8Array([0xff, 0xfe, 0x61]);
    sys.symlink(target, "/bytes");
    expect(sys.readlink("/bytes", "buffer")).toEqual(target);
    expect(sys.readlink("/bytes")).toBe("\ufffd\ufffda");
  });

  it("the root can neither be made nor moved nor taken away", () => {
    expect(codeOf(() => sys.mkdir("/"))).toBe("EEXIST");
    expect(codeOf(() => sys.rmdir("/"))).toBe("EBUSY");
    expect(codeOf(() => sys.unlink("/"))).toBe("EISDIR");
    expect(codeOf(() => sys.rename("/", "/x"))).toBe("EBUSY");
    expect(codeOf(() => sys.rename("/lost+found", "/"))).toBe("EBUSY");
    expect(codeOf(() => sys.rename("/lost+found", "/", 1))).toBe("EEXIST");
    for (const path of ["/", "/.", "/.."]) {
      expect(codeOf(() => sys.open(path, "wx"))).toBe("EEXIST");
      expect(codeOf(() => sys.open(path, "w"))).toBe("EISDIR");
    }
    expect(() => openSync("/..", "wx")).toThrow("EEXIST");
  });

  it("flags that rename does not have are refused before any name is looked up, a whiteout behind", () => {
    for (const flags of [3, 6, 7, 8, -1, 0.5, 2 ** 31, 2 ** 32])
      expect(codeOf(() => sys.rename("/no/such", "/nor/such", flags))).toBe("EINVAL");
    expect(codeOf(() => sys.rename("/no", "/x", 4))).toBe("ENOENT");
    expect(codeOf(() => sys.rename("/lost+found", "/x", 4))).toBe("EINVAL");
    expect(codeOf(() => sys.rename("/lost+found", "/lost+found/..", 5))).toBe("EEXIST");
  });
});
