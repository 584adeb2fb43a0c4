// Offsets, lengths and addresses that no file has: negative, fractional, not a number, beyond 16 TiB, 2^53 and
// 2^63.  The answers are Linux's (the manual pages, and the order of checks in fs/read_write.c, fs/open.c and
// mm/mmap.c); where C has no such number at all it is an invalid value.  And whatever the numbers are: a call
// that is refused changes nothing in the machine.

import { array, assert, constantFrom, double, integer, oneof, property, tuple } from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { hashState, restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { SysError } from "../../src/syscalls/error.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";

const PAGE = 4096;
/** s_maxbytes of ext4 with blocks of 4 KiB. */
const MAX = 2 ** 44 - PAGE;
const one = new Uint8Array([1]);

let kernel: Kernel;
let sys: Sys;
let fd: number;
let address: number;

beforeAll(() => {
  kernel = bootKernel(designs.get("dax-6.1") as Design);
  sys = kernel.sys();
  fd = sys.open("/file", "w+");
  sys.fallocate(fd, 0, 0, 16 * PAGE);
  for (let page = 0; page < 16; page += 3) sys.pwrite(fd, one, page * PAGE);
  address = sys.mmap(16 * PAGE, "rw", "shared", fd, 0);
  sys.store(address, one);
  takeSnapshot(kernel.mem);
});

/** The call's code, and the machine as it was. */
function codeAfter(call: () => unknown): string {
  const code = codeOf(call);
  restoreSnapshot(kernel.mem);
  return code;
}

const noNumbers = [0.5, 1.5, Number.NaN, Infinity, -Infinity, 2 ** 63, 2 ** 64, 1e300, -(2 ** 64)];
const negative = [-1, -PAGE, -(2 ** 31), -(2 ** 53), -(2 ** 62)];

describe("numbers that are no offsets, and negative ones", () => {
  it.each([...noNumbers, ...negative])("%d is EINVAL for calls on files", (bad) => {
    const calls: Record<string, () => unknown> = {
      "pread position": () => sys.pread(fd, 1, bad),
      "pread length": () => sys.pread(fd, bad, 0),
      "pwrite position": () => sys.pwrite(fd, one, bad),
      "pwrite length": () => sys.pwrite(fd, { address, length: bad }, 0),
      "fallocate offset": () => sys.fallocate(fd, 0, bad, PAGE),
      "fallocate length": () => sys.fallocate(fd, 0, 0, bad),
      "punch offset": () => sys.fallocate(fd, 3, bad, PAGE),
      "collapse length": () => sys.fallocate(fd, 8, 0, bad),
      ftruncate: () => sys.ftruncate(fd, bad),
      truncate: () => sys.truncate("/file", bad),
      lseek: () => sys.lseek(fd, bad, 0),
      "munmap length": () => sys.munmap(address, bad),
      "munmap address": () => sys.munmap(bad, PAGE),
      "mmap length": () => sys.mmap(bad, "r", "shared", fd, 0),
    };
    const codes = Object.entries(calls).map(([name, call]) => [name, codeAfter(call)]);
    expect(codes).toEqual(Object.keys(calls).map((name) => [name, "EINVAL"]));
    // To the kernel a negative address is a high one, where nothing is mapped.
    const isHigh = bad % PAGE === 0 && negative.includes(bad);
    expect(codeAfter(() => sys.msync(bad, PAGE))).toBe(isHigh ? "ENOMEM" : "EINVAL");
    expect(codeAfter(() => sys.load(bad, 1))).toBe("SIGSEGV");
    expect(codeAfter(() => sys.load(address, bad))).toBe("SIGSEGV");
    expect(codeAfter(() => sys.store(bad, one))).toBe("SIGSEGV");
    expect(codeAfter(() => sys.pwrite(fd, { address: bad, length: 1 }, 0))).toBe("EFAULT");
  });

  it.each(noNumbers)("%d is no fallocate mode, no whence, no flags of msync", (bad) => {
    expect(codeAfter(() => sys.fallocate(fd, bad, 0, PAGE))).toBe("EOPNOTSUPP");
    expect(codeAfter(() => sys.lseek(fd, 0, bad))).toBe("EINVAL");
    expect(codeAfter(() => sys.msync(address, PAGE, bad))).toBe("EINVAL");
    expect(codeAfter(() => sys.fiemap(bad))).toBe("EBADF");
  });
});

describe("numbers beyond what a file can have", () => {
  it.each<[string, () => unknown, string]>([
    ["a read at 16 TiB gives nothing", () => sys.pread(fd, PAGE, MAX), "none"],
    ["a read of 2^62 bytes gives what there is", () => sys.pread(fd, 2 ** 62, 15 * PAGE), "none"],
    ["a write at the last byte but one", () => sys.pwrite(fd, one, MAX - 1), "none"],
    ["a write behind the last byte", () => sys.pwrite(fd, one, MAX), "EFBIG"],
    ["a write at 2^53 + 2", () => sys.pwrite(fd, one, 2 ** 53 + 2), "EFBIG"],
    ["the largest size", () => sys.ftruncate(fd, MAX), "none"],
    ["a byte more", () => sys.ftruncate(fd, MAX + 1), "EFBIG"],
    ["a byte more, by path", () => sys.truncate("/file", 2 ** 62), "EFBIG"],
    ["fallocate over the end", () => sys.fallocate(fd, 1, MAX - PAGE, 2 * PAGE), "EFBIG"],
    ["fallocate whose end overflows", () => sys.fallocate(fd, 0, 2 ** 62, 2 ** 62), "EFBIG"],
    ["a hole over the end", () => sys.fallocate(fd, 3, 2 ** 62, 2 ** 62), "EFBIG"],
    ["insert that makes it too long", () => sys.fallocate(fd, 0x20, PAGE, MAX - 2 * PAGE), "EFBIG"],
    ["collapse behind the end", () => sys.fallocate(fd, 8, 2 ** 40, PAGE), "EINVAL"],
    ["insert behind the end", () => sys.fallocate(fd, 0x20, 2 ** 40, PAGE), "EINVAL"],
    ["seek to the largest size", () => sys.lseek(fd, MAX, 0), "none"],
    ["seek behind it", () => sys.lseek(fd, MAX + 1, 0), "EINVAL"],
    ["seek from the end over it", () => sys.lseek(fd, MAX, 2), "EINVAL"],
    ["seek for data at 2^62", () => sys.lseek(fd, 2 ** 62, 3), "ENXIO"],
    ["seek for a hole before the start", () => sys.lseek(fd, -1, 4), "ENXIO"],
    ["a mapping of 16 TiB", () => sys.mmap(2 ** 44, "r", "shared", fd, 0), "ENOMEM"],
    [
      "a mapping that ends behind all offsets",
      () => sys.mmap(2 * PAGE, "r", "shared", fd, 2 ** 63 - PAGE),
      "EOVERFLOW",
    ],
    ["loading where no file can be", () => sys.load(sys.mmap(PAGE, "r", "shared", fd, 2 ** 44), 1), "SIGBUS"],
    [
      "storing at the end of all",
      () => sys.store(sys.mmap(PAGE, "rw", "shared", fd, 2 ** 62), new Uint8Array(1)),
      "SIGBUS",
    ],
    ["a mapping longer than all addresses", () => sys.mmap(2 ** 60, "r", "shared", fd, 0), "ENOMEM"],
    ["a mapping before the start", () => sys.mmap(PAGE, "r", "shared", fd, -PAGE), "EOVERFLOW"],
    ["unmapping up to 2^62", () => sys.munmap(address, 2 ** 62), "EINVAL"],
    ["syncing up to 2^62", () => sys.msync(address, 2 ** 62), "ENOMEM"],
    ["loading up to 2^40", () => sys.load(address, 2 ** 40), "SIGSEGV"],
    ["a source up to 2^62", () => sys.pwrite(fd, { address, length: 2 ** 62 }, 0), "EFAULT"],
  ])("%s", (_what, call, code) => {
    expect(codeAfter(call)).toBe(code);
  });
});

const telling = [
  0,
  1,
  -1,
  PAGE - 1,
  PAGE,
  -PAGE,
  3 * PAGE,
  16 * PAGE,
  2 ** 31,
  2 ** 32 + PAGE,
  MAX - PAGE,
  MAX,
  MAX + 1,
];
const far = [2 ** 44, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63 - 1024, -(2 ** 63)];
const anyNumber = oneof(
  constantFrom(...telling, ...far, ...noNumbers, ...negative),
  integer({ min: -70_000, max: 70_000 }),
  double(),
);
const mode = oneof(constantFrom(0, 1, 3, 8, 0x10, 0x11, 0x20, 0x40, 2, 9, 0x22, 0x100), anyNumber);
const whence = oneof(integer({ min: -1, max: 6 }), anyNumber);

/** Every call that takes offsets and lengths; which of the numbers it takes is its affair. */
const calls: ((a: number, b: number, c: number) => unknown)[] = [
  (a, b) => sys.pread(fd, a, b),
  (a) => sys.read(fd, a),
  (a) => sys.pwrite(fd, new Uint8Array(5000), a),
  (a, b, c) => sys.pwrite(fd, { address: a, length: b }, c),
  (a, b) => sys.pwrite(fd, { address: address + PAGE, length: a }, b),
  (a, b) => sys.write(fd, { address: a, length: b }),
  (a) => sys.ftruncate(fd, a),
  (a) => sys.truncate("/file", a),
  (a, b) => sys.mmap(a, "rw", "shared", fd, b),
  (a) => sys.munmap(address + PAGE, a),
  (a, b) => sys.munmap(a, b),
  (a, b, c) => sys.msync(a, b, c),
  (a, b) => sys.msync(address, a, b),
  (a) => sys.load(address, Math.min(a, 2 ** 31)),
  (a, b) => sys.load(a, Math.min(b, 2 ** 31)),
  (a) => sys.store(a, one),
  (a) => sys.fiemap(a),
  (a) => sys.fsync(a),
];

/** A signal stops after what was stored; a full file system keeps what it gave, a copy that faults its block. */
const mayHaveChanged = new Set(["EFAULT", "ENOSPC", "SIGBUS", "SIGSEGV"]);

function tryCall(call: () => unknown, shown: string): void {
  const before = hashState(kernel.mem);
  let code = "none";
  try {
    call();
  } catch (error) {
    if (!(error instanceof SysError)) throw new Error(`${shown} threw ${String(error)}`, { cause: error });
    ({ code } = error);
  }
  const changed = hashState(kernel.mem) !== before;
  restoreSnapshot(kernel.mem);
  if (changed && code !== "none" && !mayHaveChanged.has(code))
    throw new Error(`${shown} gave ${code} and changed something`);
}

it("no numbers make a call throw anything but a SysError, and a refused call changes nothing", () => {
  const numbers = tuple(anyNumber, anyNumber, anyNumber);
  assert(
    property(array(tuple(constantFrom(...calls.keys()), numbers), { maxLength: 4 }), (some) => {
      for (const [index, [a, b, c]] of some)
        tryCall(() => calls[index]?.(a, b, c), `call ${index} with ${a}, ${b}, ${c}`);
    }),
    { numRuns: 600 },
  );
  assert(
    property(mode, anyNumber, anyNumber, (bits, offset, length) =>
      tryCall(() => sys.fallocate(fd, bits, offset, length), `fallocate ${bits}, ${offset}, ${length}`),
    ),
    { numRuns: 600 },
  );
  assert(
    property(anyNumber, whence, (offset, from) =>
      tryCall(() => sys.lseek(fd, offset, from), `lseek ${offset}, ${from}`),
    ),
    { numRuns: 300 },
  );
});
