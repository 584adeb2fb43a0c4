// The same sequences of calls through our system calls and through node:fs on a real directory: every
// call must return the same, or fail with the same error.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { designs } from "../../src/xip/designs/index.ts";
import { type Call, type Door, nodeDoor, type Step, sysDoor, through } from "../support/doors.ts";
import { bootKernel } from "../support/kernel.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const opened = (as: string, path: string, flags: string | number, mode = 0o666): Step => ({
  call: ["open", path, flags, mode],
  as,
});
const on = (...call: Call): Step => ({ call });

const O = {
  wronly: 0o1,
  rdwr: 0o2,
  creat: 0o100,
  excl: 0o200,
  trunc: 0o1000,
  append: 0o2000,
  directory: 0o200000,
  nofollow: 0o400000,
};

/** Sequences that change nothing but the files a, b, c in the root. */
const sequences: Record<string, Step[]> = {
  "a read stops at the end of the file, and behind it there is nothing": [
    opened("a", "/a", "w+"),
    on("pwrite", "$a", text("hello"), 3),
    on("pread", "$a", 100, 0),
    on("pread", "$a", 2, 3),
    on("pread", "$a", 1, 7),
    on("pread", "$a", 1, 8),
    on("pread", "$a", 10, 1_000_000),
    on("pread", "$a", 0, 0),
    on("fstat", "$a"),
  ],
  "read and write move the position, pread and pwrite do not": [
    opened("a", "/a", "w+"),
    on("write", "$a", text("0123456789")),
    on("read", "$a", 4),
    on("pwrite", "$a", text("AB"), 4),
    on("pread", "$a", 4, 2),
    on("write", "$a", text("xyz")),
    on("pread", "$a", 100, 0),
    opened("again", "/a", "r"),
    on("read", "$again", 3),
    on("read", "$again", 3),
    on("read", "$again", 100),
    on("read", "$again", 100),
  ],
  "what lies between the end and a later write reads as zeros": [
    opened("a", "/a", "w+"),
    on("pwrite", "$a", text("end"), 9000),
    on("pread", "$a", 10, 4090),
    on("pread", "$a", 10, 8995),
    on("fstat", "$a"),
  ],
  "appending goes to the end, whatever the position": [
    opened("a", "/a", "a+"),
    on("write", "$a", text("one")),
    on("pwrite", "$a", text("two"), 0),
    on("read", "$a", 10),
    on("pread", "$a", 10, 0),
    opened("b", "/a", "a"),
    on("write", "$b", text("three")),
    on("write", "$a", text("four")),
    on("pread", "$a", 100, 0),
    on("read", "$b", 1),
  ],
  "each descriptor has a position of its own": [
    opened("a", "/a", "w+"),
    opened("b", "/a", "r"),
    on("write", "$a", text("abcdef")),
    on("read", "$b", 2),
    on("read", "$b", 2),
    on("write", "$a", text("g")),
    on("read", "$b", 9),
  ],
  "opening with w empties the file, with r+ and a it does not": [
    opened("a", "/a", "w"),
    on("write", "$a", text("something")),
    opened("b", "/a", "r+"),
    on("pread", "$b", 100, 0),
    opened("c", "/a", "a"),
    on("stat", "/a"),
    opened("d", "/a", "w"),
    on("stat", "/a"),
    on("pread", "$b", 100, 0),
  ],
  "exclusive opening fails where the file is": [
    opened("a", "/a", "wx"),
    opened("b", "/a", "wx"),
    opened("c", "/a", "ax+"),
    opened("d", "/b", "ax+"),
    opened("e", "/a", O.creat | O.excl | O.rdwr),
    opened("f", "/a", O.creat | O.rdwr),
  ],
  "what is not there cannot be opened, except to make it": [
    opened("a", "/a", "r"),
    opened("b", "/a", "r+"),
    opened("c", "/no/a", "w"),
    opened("d", "", "r"),
    opened("e", "/a/", "w"),
    on("stat", "/a"),
    on("lstat", "/a"),
    on("unlink", "/a"),
    on("truncate", "/a", 0),
    on("readdir", "/a"),
    on("readlink", "/a"),
  ],
  "a file is no directory": [
    opened("a", "/a", "w"),
    opened("b", "/a/b", "r"),
    opened("c", "/a/b", "w"),
    opened("d", "/a/", "r"),
    opened("e", "/a", O.directory),
    on("stat", "/a/"),
    on("stat", "/a/."),
    on("unlink", "/a/"),
    on("unlink", "/a/b"),
    on("readdir", "/a"),
    on("readlink", "/a"),
  ],
  "a directory is no file": [
    opened("a", "/", "r"),
    on("read", "$a", 10),
    on("pread", "$a", 10, 0),
    on("fstat", "$a"),
    on("ftruncate", "$a", 0),
    on("write", "$a", text("x")),
    on("fsync", "$a"),
    opened("b", "/", "r+"),
    opened("c", "/", "w"),
    opened("d", "/", O.trunc),
    opened("e", "/", O.creat),
    opened("f", "/", O.directory),
    opened("g", "/.", "r"),
    on("truncate", "/", 0),
  ],
  "a descriptor does what it was opened for": [
    opened("w", "/a", "w"),
    on("pread", "$w", 1, 0),
    on("read", "$w", 1),
    on("write", "$w", text("x")),
    opened("r", "/a", "r"),
    on("write", "$r", text("x")),
    on("pwrite", "$r", text("x"), 0),
    on("write", "$r", text("")),
    on("ftruncate", "$r", 0),
    on("pread", "$r", 10, 0),
    on("fsync", "$r"),
    on("fdatasync", "$w"),
  ],
  "a closed descriptor is none": [
    opened("a", "/a", "w+"),
    on("close", "$a"),
    on("close", "$a"),
    on("pread", "$a", 1, 0),
    on("pwrite", "$a", text("x"), 0),
    on("read", "$a", 1),
    on("write", "$a", text("x")),
    on("fstat", "$a"),
    on("ftruncate", "$a", 0),
    on("fsync", "$a"),
    on("fdatasync", "$a"),
  ],
  "truncating shrinks and grows, and growth reads as zeros": [
    opened("a", "/a", "w+"),
    on("write", "$a", text("abcdefghij")),
    on("ftruncate", "$a", 4),
    on("pread", "$a", 100, 0),
    on("ftruncate", "$a", 8),
    on("pread", "$a", 100, 0),
    on("truncate", "/a", 20_000),
    on("pread", "$a", 8, 0),
    on("pread", "$a", 8, 19_996),
    on("truncate", "/a", 0),
    on("fstat", "$a"),
    on("write", "$a", text("!")),
    on("fstat", "$a"),
    on("pread", "$a", 4, 8),
  ],
  "the part of the last block behind a shorter end is zeros when the file grows again": [
    opened("a", "/a", "w+"),
    on("pwrite", "$a", new Uint8Array(5000).fill(7), 0),
    on("ftruncate", "$a", 4100),
    on("pwrite", "$a", text("x"), 6000),
    on("pread", "$a", 8, 4096),
    on("pread", "$a", 8, 5996),
  ],
  "an unlinked file lives while it is open": [
    opened("a", "/a", "w+"),
    on("write", "$a", text("still here")),
    on("unlink", "/a"),
    on("stat", "/a"),
    on("pread", "$a", 100, 0),
    on("fstat", "$a"),
    on("pwrite", "$a", text("more"), 5000),
    opened("b", "/a", "w+"),
    on("fstat", "$b"),
    on("close", "$a"),
    on("pread", "$b", 10, 0),
    on("unlink", "/a"),
    on("unlink", "/a"),
  ],
  "names are told, and a name too long is refused": [
    opened("a", "/a", "w"),
    opened("b", "/b", "w", 0o600),
    opened("c", "/žluťoučký 猫", "w"),
    on("stat", "/b"),
    on("readdir", "/"),
    on("unlink", "/žluťoučký 猫"),
    on("unlink", "/b"),
    on("readdir", "/"),
    opened("d", `/${"n".repeat(255)}`, "w"),
    opened("e", `/${"n".repeat(256)}`, "w"),
    on("unlink", `/${"n".repeat(255)}`),
    on("stat", `/${"n".repeat(256)}/x`),
    on("stat", `/${"./".repeat(2100)}a`),
  ],
  "dots and slashes in paths": [
    opened("a", "//./a", "w"),
    on("stat", "/./a"),
    on("stat", "a"),
    on("stat", "///a"),
    on("stat", "/a/.."),
    on("unlink", "/."),
    on("unlink", "/./a"),
    on("stat", "/a"),
  ],
  "permissions of a new file are what was asked for, less the mask": [
    opened("a", "/a", "w", 0o777),
    on("stat", "/a"),
    opened("b", "/b", "w", 0o4711),
    on("stat", "/b"),
    opened("c", "/c", "wx", 0),
    on("stat", "/c"),
    on("write", "$c", text("root may")),
    on("pread", "$c", 1, 0),
  ],
};

let umask = 0;
beforeAll(() => {
  umask = process.umask(0o022);
});
afterAll(() => {
  process.umask(umask);
});

/** Empties the root. */
function clear(door: Door): void {
  for (const name of door.readdir("/")) door.unlink(`/${name}`);
}

describe.each([...designs])("through %s", (_name, design) => {
  const kernel = bootKernel(design);
  const ours = sysDoor(kernel.sys());
  const theirs = nodeDoor();
  afterAll(() => theirs.remove());

  it.each(Object.keys(sequences))("as in Linux: %s", (name) => {
    const steps = sequences[name] as Step[];
    clear(ours);
    clear(theirs);
    const expected = through(theirs, steps);
    const seen = through(ours, steps);
    const table = (answers: unknown[]): unknown[] => answers.map((answer, i) => [steps[i]?.call, answer]);
    expect(table(seen)).toEqual(table(expected));
  });

  it("answers any sequence of calls as Linux does", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40 }), (steps) => {
        clear(ours);
        clear(theirs);
        expect(through(ours, steps)).toEqual(through(theirs, steps));
      }),
      { numRuns: 60, seed: 1 },
    );
  });
});

const name = fc.constantFrom("a", "b", "c");
const path = name.map((letter) => `/${letter}`);
const fd = name.map((letter) => `$${letter}`);
const place = fc.oneof(
  fc.integer({ min: 0, max: 64 }),
  fc.integer({ min: 4000, max: 4200 }),
  fc.integer({ min: 0, max: 40_000 }),
);
/** node:fs answers a read of nothing itself, also where Linux would object. */
const some = place.map((length) => length + 1);
const data = fc
  .tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 1, max: 255 }))
  .map(([length, value]) => new Uint8Array(Math.floor((length * length) / 9000)).fill(value));
const flags = fc.constantFrom("r", "r+", "w", "w+", "wx", "wx+", "a", "a+", "ax", "ax+", "rs+", "as");

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(name, path, flags).map(([as, file, how]) => opened(as, file, how)) },
  { weight: 1, arbitrary: fd.map((f) => on("close", f)) },
  { weight: 4, arbitrary: fc.tuple(fd, data, place).map(([f, bytes, at]) => on("pwrite", f, bytes, at)) },
  { weight: 4, arbitrary: fc.tuple(fd, some, place).map(([f, length, at]) => on("pread", f, length, at)) },
  { weight: 3, arbitrary: fc.tuple(fd, data).map(([f, bytes]) => on("write", f, bytes)) },
  { weight: 3, arbitrary: fc.tuple(fd, some).map(([f, length]) => on("read", f, length)) },
  { weight: 2, arbitrary: fc.tuple(fd, place).map(([f, length]) => on("ftruncate", f, length)) },
  { weight: 1, arbitrary: fc.tuple(path, place).map(([file, length]) => on("truncate", file, length)) },
  { weight: 1, arbitrary: path.map((file) => on("unlink", file)) },
  { weight: 1, arbitrary: path.map((file) => on("stat", file)) },
  { weight: 2, arbitrary: fd.map((f) => on("fstat", f)) },
  { weight: 1, arbitrary: fd.map((f) => on("fsync", f)) },
  { weight: 1, arbitrary: fc.constant(on("readdir", "/")) },
);
