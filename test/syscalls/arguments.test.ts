// What JavaScript can hand over and C cannot: wrong types are mistakes of the program, wrong numbers are
// answered as Linux answers wrong values.

import { beforeEach, describe, expect, it } from "vitest";
import { MAX_DESCRIPTORS } from "../../src/machine/limits.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";

const design = [...designs.values()].find(({ sound }) => sound);
if (design === undefined) throw new Error("no design is meant to be sound");

let kernel: Kernel;
let sys: Sys;
let fd: number;
beforeEach(() => {
  kernel = bootKernel(design);
  sys = kernel.sys();
  fd = sys.open("/file", "w+");
});

describe("types", () => {
  const wrong: [name: string, args: () => unknown[]][] = [
    ["open", () => [5, "r"]],
    ["open", () => [undefined, "r"]],
    ["open", () => ["/file", {}]],
    ["open", () => ["/file", "r", "0666"]],
    ["close", () => ["3"]],
    ["close", () => []],
    ["pread", () => [fd, "10", 0]],
    ["pread", () => [fd, 10]],
    ["pread", () => [fd, 10n, 0]],
    ["pwrite", () => [fd, "text", 0]],
    ["pwrite", () => [fd, [1, 2], 0]],
    ["pwrite", () => [fd, null, 0]],
    ["pwrite", () => [fd, { address: 0 }, 0]],
    ["pwrite", () => [fd, new Uint8Array(1)]],
    ["write", () => [fd]],
    ["lseek", () => [fd, "0", 0]],
    ["fallocate", () => [fd, 0, 0]],
    ["ftruncate", () => [fd, null]],
    ["truncate", () => [7, 0]],
    ["stat", () => [fd]],
    ["mmap", () => [4096, 3, "shared", fd, 0]],
    ["munmap", () => ["0x1000", 4096]],
    ["load", () => [undefined, 1]],
    ["store", () => [4096, "x"]],
    ["unlink", () => [{}]],
  ];

  it.each(wrong)("%s with a wrong one throws a TypeError %#", (name, args) => {
    let error: unknown;
    try {
      const loose = sys as unknown as Record<string, (...values: unknown[]) => unknown>;
      loose[name]?.(...args());
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(TypeError);
    expect((error as { code: string }).code).toBe("ERR_INVALID_ARG_TYPE");
  });

  it("words that are none, and paths with null bytes, are wrong values", () => {
    const code = "ERR_INVALID_ARG_VALUE";
    expect(codeOf(() => sys.open("/file", "rw"))).toBe(code);
    expect(codeOf(() => sys.open("/fi\0le", "r"))).toBe(code);
    expect(codeOf(() => sys.mmap(4096, "w" as "r", "shared", fd, 0))).toBe(code);
    expect(codeOf(() => sys.mmap(4096, "r", "anonymous" as "shared", fd, 0))).toBe(code);
  });

  it("a call with a wrong type has no effect", () => {
    expect(() => sys.pwrite(fd, "text" as never, 0)).toThrow(TypeError);
    expect(sys.fstat(fd).size).toBe(0);
  });
});

describe("descriptors", () => {
  it.each([-1, 0, 1, 2, 3.5, Number.NaN, Infinity, 2 ** 32 + 3, MAX_DESCRIPTORS])(
    "%d is none (EBADF)",
    (bad) => {
      expect(codeOf(() => sys.close(bad))).toBe("EBADF");
      expect(codeOf(() => sys.pread(bad, 1, 0))).toBe("EBADF");
      expect(codeOf(() => sys.fstat(bad))).toBe("EBADF");
    },
  );

  it("are the lowest free number", () => {
    const [a, b, c] = [sys.open("/a", "w"), sys.open("/b", "w"), sys.open("/c", "w")];
    expect([b, c]).toEqual([a + 1, a + 2]);
    sys.close(a);
    sys.close(b);
    expect([sys.open("/c", "r"), sys.open("/c", "r"), sys.open("/c", "r")]).toEqual([a, b, c + 1]);
  });

  it("belong to one process", () => {
    expect(codeOf(() => kernel.sys(1).fstat(fd))).toBe("EBADF");
    const theirs = kernel.sys(1).open("/file", "r");
    expect(theirs).toBe(fd);
    sys.close(fd);
    expect(codeOf(() => kernel.sys(1).fstat(theirs))).toBe("none");
  });

  it("run out: EMFILE for a process, and a closed one makes room", () => {
    const all: number[] = [];
    let error = "none";
    while (error === "none") error = codeOf(() => all.push(sys.open("/file", "r")));
    expect(error).toBe("EMFILE");
    expect(Math.max(...all)).toBe(MAX_DESCRIPTORS - 1);
    sys.close(all[7] as number);
    expect(sys.open("/file", "r")).toBe(all[7]);
  });

  it("run out: ENFILE for the machine, while a process with few of them can still open", () => {
    let total = 0;
    let error = "none";
    for (let process = 0; process < 8 && error !== "ENFILE"; process++) {
      const other = kernel.sys(process);
      error = "none";
      while (error === "none") error = codeOf(() => (total += Math.sign(other.open("/file", "r"))));
    }
    expect(error).toBe("ENFILE");
    expect(total).toBeGreaterThan(MAX_DESCRIPTORS);
    expect(codeOf(() => sys.open("/file", "r"))).toBe("none");
  });
});
