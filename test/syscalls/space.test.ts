// Sizes, holes and extents: what has no counterpart in node:fs, by the words of the manual pages.

import { beforeEach, describe, expect, it } from "vitest";
import { freeBlockCount } from "../../src/ext4/alloc/open-group.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { header } from "../../src/machine/layout.ts";
import { MAX_FILE_SIZE, Seek } from "../../src/syscalls/flags.ts";
import { Fallocate } from "../../src/xip/modes.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";

const BLOCK = 4096;
const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value);

describe.each([...designs])("space through %s", (name, design) => {
  let kernel: Kernel;
  let sys: Sys;
  let fd: number;
  const hasExtents = name !== "ext2-xip";

  beforeEach(() => {
    kernel = bootKernel(design);
    sys = kernel.sys();
    fd = sys.open("/file", "w+");
  });

  describe("lseek", () => {
    it("counts from the start, the position and the end", () => {
      sys.write(fd, bytes(100));
      expect(sys.lseek(fd, 0, Seek.current)).toBe(100);
      expect(sys.lseek(fd, 10, Seek.set)).toBe(10);
      expect(sys.lseek(fd, -3, Seek.current)).toBe(7);
      expect(sys.lseek(fd, -1, Seek.end)).toBe(99);
      expect(sys.read(fd, 10)).toHaveLength(1);
      expect(sys.lseek(fd, 1000, Seek.end)).toBe(1100);
      expect(sys.write(fd, bytes(1))).toBe(1);
      expect(sys.fstat(fd).size).toBe(1101);
    });

    it("refuses places before the start, behind the largest file, and other whences (EINVAL)", () => {
      sys.write(fd, bytes(10));
      expect(codeOf(() => sys.lseek(fd, -1, Seek.set))).toBe("EINVAL");
      expect(codeOf(() => sys.lseek(fd, -11, Seek.end))).toBe("EINVAL");
      expect(codeOf(() => sys.lseek(fd, MAX_FILE_SIZE + 1, Seek.set))).toBe("EINVAL");
      expect(codeOf(() => sys.lseek(fd, 0, 5))).toBe("EINVAL");
      expect(codeOf(() => sys.lseek(fd, 0.5, Seek.set))).toBe("EINVAL");
      expect(codeOf(() => sys.lseek(77, 0, Seek.set))).toBe("EBADF");
      expect(sys.lseek(fd, 0, Seek.current)).toBe(10);
      expect(sys.lseek(fd, MAX_FILE_SIZE, Seek.set)).toBe(MAX_FILE_SIZE);
    });

    it("finds data and holes", () => {
      sys.pwrite(fd, bytes(BLOCK), 2 * BLOCK);
      sys.pwrite(fd, bytes(10), 5 * BLOCK);
      expect(sys.lseek(fd, 0, Seek.data)).toBe(2 * BLOCK);
      expect(sys.lseek(fd, 0, Seek.hole)).toBe(0);
      expect(sys.lseek(fd, 2 * BLOCK, Seek.hole)).toBe(3 * BLOCK);
      expect(sys.lseek(fd, 2 * BLOCK + 5, Seek.data)).toBe(2 * BLOCK + 5);
      expect(sys.lseek(fd, 3 * BLOCK, Seek.data)).toBe(5 * BLOCK);
      expect(sys.lseek(fd, 5 * BLOCK, Seek.hole)).toBe(5 * BLOCK + 10);
      expect(codeOf(() => sys.lseek(fd, 5 * BLOCK + 10, Seek.data))).toBe("ENXIO");
      expect(codeOf(() => sys.lseek(fd, 5 * BLOCK + 10, Seek.hole))).toBe("ENXIO");
      expect(codeOf(() => sys.lseek(fd, -1, Seek.data))).toBe("ENXIO");
      sys.ftruncate(fd, 8 * BLOCK);
      expect(codeOf(() => sys.lseek(fd, 6 * BLOCK, Seek.data))).toBe("ENXIO");
      expect(sys.lseek(fd, 5 * BLOCK, Seek.hole)).toBe(6 * BLOCK);
    });
  });

  describe("the largest file", () => {
    it("is as large as ext4's, and nothing is written behind it (EFBIG)", () => {
      expect(codeOf(() => sys.ftruncate(fd, MAX_FILE_SIZE + 1))).toBe("EFBIG");
      expect(codeOf(() => sys.truncate("/file", 2 ** 60))).toBe("EFBIG");
      expect(codeOf(() => sys.pwrite(fd, bytes(1), MAX_FILE_SIZE))).toBe("EFBIG");
      expect(codeOf(() => sys.pwrite(fd, bytes(1), 2 ** 62))).toBe("EFBIG");
      expect(sys.pwrite(fd, bytes(0), MAX_FILE_SIZE)).toBe(0);
      expect(sys.fstat(fd).size).toBe(0);
      sys.ftruncate(fd, MAX_FILE_SIZE);
      expect(sys.fstat(fd).size).toBe(MAX_FILE_SIZE);
      expect(sys.pread(fd, 10, MAX_FILE_SIZE)).toHaveLength(0);
      expect([...sys.pread(fd, 10, MAX_FILE_SIZE - 4)]).toEqual([0, 0, 0, 0]);
      expect(sys.pread(fd, 10, 2 ** 60)).toHaveLength(0);
    });

    it("is written up to its last byte: a write across the end is short", () => {
      expect(sys.pwrite(fd, bytes(100, 7), MAX_FILE_SIZE - 60)).toBe(60);
      expect(sys.fstat(fd).size).toBe(MAX_FILE_SIZE);
      expect([...sys.pread(fd, 2, MAX_FILE_SIZE - 1)]).toEqual([7]);
    });

    it("leaves sizes below zero and numbers that are none alone (EINVAL)", () => {
      for (const size of [-1, Number.NaN, 1.5, Infinity, 2 ** 64]) {
        expect(codeOf(() => sys.ftruncate(fd, size))).toBe("EINVAL");
        expect(codeOf(() => sys.truncate("/file", size))).toBe("EINVAL");
        expect(codeOf(() => sys.pwrite(fd, bytes(1), size))).toBe("EINVAL");
        expect(codeOf(() => sys.pread(fd, 1, size))).toBe("EINVAL");
        expect(codeOf(() => sys.pread(fd, size, 0))).toBe("EINVAL");
      }
    });
  });

  describe("fallocate refuses", () => {
    it("nothing, and negative ranges (EINVAL)", () => {
      for (const [offset, length] of [
        [0, 0],
        [0, -1],
        [-1, 10],
        [Number.NaN, 1],
        [0, 0.5],
      ] as const) {
        expect(codeOf(() => sys.fallocate(fd, 0, offset, length))).toBe("EINVAL");
      }
    });

    it("what is no file opened to write (EBADF)", () => {
      expect(codeOf(() => sys.fallocate(55, 0, 0, 1))).toBe("EBADF");
      expect(codeOf(() => sys.fallocate(sys.open("/file", "r"), 0, 0, 1))).toBe("EBADF");
      expect(codeOf(() => sys.fallocate(sys.open("/", "r"), 0, 0, 1))).toBe("EBADF");
    });

    it("more than a file can hold (EFBIG)", () => {
      expect(codeOf(() => sys.fallocate(fd, 0, MAX_FILE_SIZE, 1))).toBe("EFBIG");
      expect(codeOf(() => sys.fallocate(fd, 0, 0, 2 ** 60))).toBe("EFBIG");
    });

    it("mode bits that Linux does not know or that contradict (EOPNOTSUPP)", () => {
      const { keepSize, punchHole, zeroRange, collapseRange, noHideStale } = Fallocate;
      for (const mode of [0x100, 0x4000_0000, noHideStale, punchHole, punchHole | zeroRange | keepSize]) {
        expect(codeOf(() => sys.fallocate(fd, mode, 0, BLOCK))).toBe("EOPNOTSUPP");
      }
      expect(codeOf(() => sys.fallocate(fd, collapseRange | keepSize, 0, BLOCK))).toBe("EOPNOTSUPP");
      expect(codeOf(() => sys.fallocate(fd, 0.5, 0, BLOCK))).toBe("EOPNOTSUPP");
      expect(codeOf(() => sys.fallocate(fd, 2 ** 33, 0, BLOCK))).toBe("EOPNOTSUPP");
    });
  });

  if (hasExtents) {
    it("fallocate reserves unwritten space, and says so", () => {
      sys.fallocate(fd, 0, 100, 2 * BLOCK);
      const { size, blocks } = sys.fstat(fd);
      expect([size, blocks]).toEqual([100 + 2 * BLOCK, (3 * BLOCK) / 512]);
      const extents = sys.fiemap(fd);
      expect(extents.map(({ logical, length, unwritten }) => [logical, length, unwritten])).toEqual([
        [0, 3 * BLOCK, true],
      ]);
      expect(extents[0]?.physical).toBeGreaterThan(0);
      expect(sys.lseek(fd, 0, Seek.hole)).toBe(0);
      expect(codeOf(() => sys.lseek(fd, 0, Seek.data))).toBe("ENXIO");
    });

    it("fallocate with KEEP_SIZE leaves the size alone", () => {
      sys.write(fd, bytes(10));
      sys.fallocate(fd, Fallocate.keepSize, 0, 4 * BLOCK);
      expect(sys.fstat(fd).size).toBe(10);
      expect(sys.fiemap(fd).reduce((sum, { length }) => sum + length, 0)).toBe(4 * BLOCK);
    });

    it("fallocate of more than there is fails with ENOSPC and the file system goes on", () => {
      expect(codeOf(() => sys.fallocate(fd, 0, 0, 64 * 1024 * 1024))).toBe("ENOSPC");
      sys.ftruncate(fd, 0);
      expect(sys.write(fd, bytes(10))).toBe(10);
    });
  }

  const shifts = ["dax-4.9", "dax-6.1", "ext4-xip-serialized"].includes(name);
  if (shifts)
    it("insert range moves no extent to where no block can be (EINVAL)", () => {
      const { insertRange, keepSize } = Fallocate;
      sys.write(fd, bytes(2 * BLOCK));
      sys.fallocate(fd, keepSize, MAX_FILE_SIZE - 2 * BLOCK, BLOCK);
      sys.fallocate(fd, insertRange, BLOCK, BLOCK);
      const whole = sys.fiemap(fd);
      expect(whole.map(({ logical, length }) => [logical, length])).toEqual([
        [0, BLOCK],
        [2 * BLOCK, BLOCK],
        [MAX_FILE_SIZE - BLOCK, BLOCK],
      ]);
      expect(codeOf(() => sys.fallocate(fd, insertRange, BLOCK, BLOCK))).toBe("EINVAL");
      expect(sys.fiemap(fd)).toEqual(whole);
    });

  it("fiemap tells the extents in bytes, holes left out", () => {
    expect(sys.fiemap(fd)).toEqual([]);
    sys.pwrite(fd, bytes(10), 0);
    sys.pwrite(fd, bytes(2 * BLOCK), 4 * BLOCK);
    const extents = sys.fiemap(fd);
    expect(extents.map(({ logical, length, unwritten }) => [logical, length, unwritten])).toEqual([
      [0, BLOCK, false],
      [4 * BLOCK, 2 * BLOCK, false],
    ]);
    const [first] = extents;
    const media = kernel.mem.u8.subarray(mediaStart(kernel) + (first?.physical as number));
    expect([...media.subarray(0, 11)]).toEqual([...bytes(10), 0]);
    expect(codeOf(() => sys.fiemap(44))).toBe("EBADF");
  });

  it("a full file system says ENOSPC, a write before it may be short, and unlink makes room again", () => {
    const free = freeBlockCount(superBlock(kernel.mem));
    const chunk = bytes(1024 * 1024);
    let error = "none";
    while (error === "none") error = codeOf(() => sys.write(fd, chunk));
    expect(error).toBe("ENOSPC");
    const { keptBlocks } = superBlock(kernel.mem);
    expect(freeBlockCount(superBlock(kernel.mem)) - keptBlocks).toBeLessThan(4);
    sys.close(fd);
    sys.unlink("/file");
    expect(freeBlockCount(superBlock(kernel.mem))).toBe(free);
  });
});

const mediaStart = ({ mem }: Kernel): number => header(mem).media.start;
