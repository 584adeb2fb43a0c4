// mmap and what follows from it, by the words of POSIX and of mmap(2).

import { beforeEach, describe, expect, it } from "vitest";
import { freeBlockCount } from "../../src/ext4/alloc/open-group.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { SysError } from "../../src/syscalls/error.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";

const PAGE = 4096;
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

describe.each([...designs])("mappings through %s", (_name, design) => {
  let kernel: Kernel;
  let sys: Sys;
  let fd: number;

  beforeEach(() => {
    kernel = bootKernel(design);
    sys = kernel.sys();
    fd = sys.open("/file", "w+");
    sys.write(fd, bytes(3 * PAGE, 1));
  });

  describe("mmap refuses", () => {
    it("nothing, a negative length, and an offset within a page (EINVAL)", () => {
      expect(codeOf(() => sys.mmap(0, "r", "shared", fd, 0))).toBe("EINVAL");
      expect(codeOf(() => sys.mmap(-1, "r", "shared", fd, 0))).toBe("EINVAL");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", fd, 1))).toBe("EINVAL");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", fd, 512))).toBe("EINVAL");
      expect(codeOf(() => sys.mmap(Number.NaN, "r", "shared", fd, 0))).toBe("EINVAL");
    });

    it("a descriptor that is not open (EBADF)", () => {
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", 99, 0))).toBe("EBADF");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", 1, 0))).toBe("EBADF");
    });

    it("to write a file that was opened to read, unless privately (EACCES)", () => {
      const reader = sys.open("/file", "r");
      expect(codeOf(() => sys.mmap(PAGE, "rw", "shared", reader, 0))).toBe("EACCES");
      expect(codeOf(() => sys.mmap(PAGE, "rw", "private", reader, 0))).toBe("none");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", reader, 0))).toBe("none");
    });

    it("a file that was opened to write only, in every way (EACCES)", () => {
      const writer = sys.open("/file", "r+");
      const only = sys.open("/file", 1);
      expect(codeOf(() => sys.mmap(PAGE, "rw", "shared", writer, 0))).toBe("none");
      expect(codeOf(() => sys.mmap(PAGE, "rw", "shared", only, 0))).toBe("EACCES");
      expect(codeOf(() => sys.mmap(PAGE, "r", "private", only, 0))).toBe("EACCES");
    });

    it("a directory (ENODEV)", () => {
      const dir = sys.open("/", "r");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", dir, 0))).toBe("ENODEV");
    });

    it("more than there is room for (ENOMEM), and what no offset can say (EOVERFLOW)", () => {
      expect(codeOf(() => sys.mmap(2 ** 33, "r", "shared", fd, 0))).toBe("ENOMEM");
      expect(codeOf(() => sys.mmap(PAGE, "r", "shared", fd, -PAGE))).toBe("EOVERFLOW");
    });
  });

  it("shows the file from the offset on", () => {
    sys.pwrite(fd, bytes(10, 2), 2 * PAGE);
    const at = sys.mmap(PAGE, "r", "shared", fd, 2 * PAGE);
    expect([...sys.load(at, 12)]).toEqual([...bytes(10, 2), 1, 1]);
  });

  it("shows writes after the mapping, and reads show its stores", () => {
    const at = sys.mmap(3 * PAGE, "rw", "shared", fd, 0);
    expect(sys.load(at + PAGE, 1)[0]).toBe(1);
    sys.pwrite(fd, bytes(1, 5), PAGE);
    expect(sys.load(at + PAGE, 1)[0]).toBe(5);
    sys.store(at + PAGE + 1, bytes(2, 6));
    expect([...sys.pread(fd, 4, PAGE)]).toEqual([5, 6, 6, 1]);
  });

  it("shows one process the stores of another", () => {
    const other = kernel.sys(1);
    const theirs = other.mmap(PAGE, "rw", "shared", other.open("/file", "r+"), 0);
    const at = sys.mmap(PAGE, "rw", "shared", fd, 0);
    expect(other.load(theirs + 7, 1)[0]).toBe(1);
    sys.store(at + 7, bytes(1, 9));
    expect(other.load(theirs + 7, 1)[0]).toBe(9);
  });

  it("keeps private stores to itself", () => {
    const at = sys.mmap(PAGE, "rw", "private", fd, 0);
    sys.store(at, bytes(4, 8));
    expect([...sys.load(at, 5)]).toEqual([8, 8, 8, 8, 1]);
    expect([...sys.pread(fd, 5, 0)]).toEqual([1, 1, 1, 1, 1]);
    const shared = sys.mmap(PAGE, "r", "shared", fd, 0);
    expect(sys.load(shared, 1)[0]).toBe(1);
  });

  it("lives on when the descriptor is closed and the file unlinked", () => {
    const at = sys.mmap(PAGE, "rw", "shared", fd, 0);
    sys.close(fd);
    sys.unlink("/file");
    sys.store(at, bytes(1, 4));
    expect([...sys.load(at, 2)]).toEqual([4, 1]);
    const other = sys.open("/other", "w+");
    sys.write(other, bytes(64 * PAGE, 7));
    expect([...sys.load(at, 2)]).toEqual([4, 1]);
    sys.munmap(at, PAGE);
    expect(codeOf(() => sys.load(at, 1))).toBe("SIGSEGV");
  });

  it("gives the file's space back when the last mapping of an unlinked file goes", () => {
    const before = freeBlockCount(superBlock(kernel.mem));
    const gone = sys.open("/gone", "w+");
    sys.write(gone, bytes(50 * PAGE, 7));
    const at = sys.mmap(50 * PAGE, "r", "shared", gone, 0);
    sys.close(gone);
    sys.unlink("/gone");
    sys.munmap(at, 10 * PAGE);
    sys.munmap(at + 20 * PAGE, 10 * PAGE);
    expect(sys.load(at + 10 * PAGE, 1)[0]).toBe(7);
    sys.munmap(at, 50 * PAGE);
    expect(freeBlockCount(superBlock(kernel.mem))).toBe(before);
  });

  describe("SIGBUS", () => {
    it("comes behind the last page of the file, and not within it", () => {
      sys.ftruncate(fd, PAGE + 100);
      const at = sys.mmap(4 * PAGE, "rw", "shared", fd, 0);
      expect([...sys.load(at + PAGE + 98, 4)]).toEqual([1, 1, 0, 0]);
      expect(codeOf(() => sys.load(at + 2 * PAGE - 1, 1))).toBe("none");
      expect(codeOf(() => sys.load(at + 2 * PAGE, 1))).toBe("SIGBUS");
      expect(codeOf(() => sys.store(at + 3 * PAGE, bytes(1, 1)))).toBe("SIGBUS");
    });

    it("comes after a truncate for pages that were mapped before", () => {
      const at = sys.mmap(3 * PAGE, "rw", "shared", fd, 0);
      sys.store(at + 2 * PAGE, bytes(1, 3));
      sys.ftruncate(fd, PAGE);
      expect(codeOf(() => sys.load(at + 2 * PAGE, 1))).toBe("SIGBUS");
      expect(codeOf(() => sys.load(at, 1))).toBe("none");
      sys.ftruncate(fd, 3 * PAGE);
      expect(sys.load(at + 2 * PAGE, 1)[0]).toBe(0);
    });

    it("stops a store at the byte that cannot be reached; those before it are done", () => {
      sys.ftruncate(fd, PAGE);
      const at = sys.mmap(2 * PAGE, "rw", "shared", fd, 0);
      const failed = failureOf(() => sys.store(at + PAGE - 3, bytes(6, 9)));
      expect([failed.code, failed.address, failed.syscall]).toEqual(["SIGBUS", at + PAGE, "store"]);
      expect([...sys.pread(fd, 4, PAGE - 4)]).toEqual([1, 9, 9, 9]);
      expect(sys.fstat(fd).size).toBe(PAGE);
    });

    it("stops a load the same way", () => {
      sys.ftruncate(fd, PAGE);
      const at = sys.mmap(2 * PAGE, "r", "shared", fd, 0);
      const failed = failureOf(() => sys.load(at + PAGE - 3, 6));
      expect([failed.code, failed.address, failed.syscall]).toEqual(["SIGBUS", at + PAGE, "load"]);
    });
  });

  describe("SIGSEGV", () => {
    it("comes where nothing is mapped", () => {
      expect(codeOf(() => sys.load(0, 1))).toBe("SIGSEGV");
      expect(codeOf(() => sys.load(PAGE, 1))).toBe("SIGSEGV");
      expect(codeOf(() => sys.load(-1, 1))).toBe("SIGSEGV");
      expect(codeOf(() => sys.store(2 ** 32, bytes(1, 1)))).toBe("SIGSEGV");
      expect(codeOf(() => sys.load(0.5, 1))).toBe("SIGSEGV");
    });

    it("comes for a store to what was mapped to read", () => {
      const at = sys.mmap(PAGE, "r", "shared", fd, 0);
      expect(codeOf(() => sys.store(at, bytes(1, 1)))).toBe("SIGSEGV");
      expect(sys.load(at, 1)[0]).toBe(1);
    });

    it("comes behind a mapping, after the bytes in it", () => {
      const at = sys.mmap(PAGE, "rw", "shared", fd, 0);
      const failed = failureOf(() => sys.store(at + PAGE - 1, bytes(2, 9)));
      expect([failed.code, failed.address]).toEqual(["SIGSEGV", at + PAGE]);
      expect(sys.pread(fd, 1, PAGE - 1)[0]).toBe(9);
    });
  });

  describe("munmap", () => {
    it("refuses what is no page, no length, no user memory (EINVAL)", () => {
      const at = sys.mmap(PAGE, "r", "shared", fd, 0);
      expect(codeOf(() => sys.munmap(at + 1, PAGE))).toBe("EINVAL");
      expect(codeOf(() => sys.munmap(at, 0))).toBe("EINVAL");
      expect(codeOf(() => sys.munmap(at, -PAGE))).toBe("EINVAL");
      expect(codeOf(() => sys.munmap(-PAGE, PAGE))).toBe("EINVAL");
      expect(codeOf(() => sys.munmap(2 ** 40, PAGE))).toBe("EINVAL");
      expect(codeOf(() => sys.load(at, 1))).toBe("none");
    });

    it("takes the middle out of a mapping and leaves the rest", () => {
      const at = sys.mmap(3 * PAGE, "r", "shared", fd, 0);
      sys.munmap(at + PAGE, 1);
      expect(codeOf(() => sys.load(at, 1))).toBe("none");
      expect(codeOf(() => sys.load(at + PAGE, 1))).toBe("SIGSEGV");
      expect(codeOf(() => sys.load(at + 2 * PAGE, 1))).toBe("none");
      sys.munmap(at, 3 * PAGE);
      expect(codeOf(() => sys.load(at + 2 * PAGE, 1))).toBe("SIGSEGV");
    });

    it("finds nothing wrong with a range where nothing is", () => {
      const at = sys.mmap(PAGE, "r", "shared", fd, 0);
      sys.munmap(at, PAGE);
      expect(codeOf(() => sys.munmap(at, PAGE))).toBe("none");
    });
  });

  describe("msync", () => {
    it("refuses what is no page and flags that contradict (EINVAL), and holes (ENOMEM)", () => {
      const at = sys.mmap(PAGE, "rw", "shared", fd, 0);
      sys.store(at, bytes(1, 2));
      expect(codeOf(() => sys.msync(at, PAGE))).toBe("none");
      expect(codeOf(() => sys.msync(at, 0))).toBe("none");
      expect(codeOf(() => sys.msync(at, PAGE, 1))).toBe("none");
      expect(codeOf(() => sys.msync(at + 1, PAGE))).toBe("EINVAL");
      expect(codeOf(() => sys.msync(at, PAGE, 1 | 4))).toBe("EINVAL");
      expect(codeOf(() => sys.msync(at, PAGE, 64))).toBe("EINVAL");
      expect(codeOf(() => sys.msync(at, 2 * PAGE))).toBe("ENOMEM");
    });
  });

  describe("a write from user memory", () => {
    it("copies what is mapped, from another file and from the same", () => {
      const source = sys.open("/source", "w+");
      sys.write(source, bytes(2 * PAGE, 3));
      const at = sys.mmap(2 * PAGE, "r", "shared", source, 0);
      expect(sys.pwrite(fd, { address: at + 100, length: PAGE }, 50)).toBe(PAGE);
      expect([...sys.pread(fd, 2, 49)]).toEqual([1, 3]);
      expect([...sys.pread(fd, 2, PAGE + 49)]).toEqual([3, 1]);
      const own = sys.mmap(PAGE, "r", "shared", fd, 0);
      expect(sys.pwrite(fd, { address: own, length: 60 }, 2 * PAGE)).toBe(60);
      expect([...sys.pread(fd, 60, 2 * PAGE)]).toEqual([...sys.pread(fd, 60, 0)]);
    });

    it("from memory that is not mapped is EFAULT, and short where only the first part is", () => {
      expect(codeOf(() => sys.pwrite(fd, { address: PAGE, length: 5 }, 0))).toBe("EFAULT");
      const at = sys.mmap(PAGE, "r", "shared", fd, 0);
      expect(sys.pwrite(fd, { address: at + PAGE - 100, length: 2 * PAGE }, 2 * PAGE - 100)).toBe(100);
      expect(codeOf(() => sys.pwrite(fd, { address: Number.NaN, length: 5 }, 0))).toBe("EFAULT");
      expect(codeOf(() => sys.pwrite(fd, { address: -5, length: 5 }, 0))).toBe("EFAULT");
    });
  });
});

function failureOf(call: () => unknown): SysError {
  try {
    call();
  } catch (error) {
    return error as SysError;
  }
  throw new Error("the call did not fail");
}
