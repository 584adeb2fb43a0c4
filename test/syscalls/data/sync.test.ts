// sync, fsync and msync, by what they leave open: lines of stores that a power failure would still lose.

import { describe, expect, it, test } from "vitest";
import { PowerFailures } from "../../../src/machine/pmem/crash.ts";
import { startLog, Writer } from "../../../src/machine/pmem/log.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { dirtyPages } from "../../../src/mm/dirty.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { bootKernel, codeOf, type Kernel } from "../../support/kernel.ts";

const PAGE = 4096;
const FLUSHING = ["ext4-xip-serialized", "dax-4.9", "dax-6.1"];
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

function boot(name: string): Kernel & { calls: Sys } {
  const kernel = bootKernel(designs.get(name) as Design);
  const calls = kernel.sys();
  for (const path of ["/one", "/two"]) {
    const fd = calls.open(path, "w+");
    calls.write(fd, bytes(2 * PAGE, 1));
    calls.close(fd);
  }
  calls.sync();
  startLog(kernel.mem);
  return { ...kernel, calls };
}

/** How many lines of programs' stores a power failure could lose now. */
function open(mem: Memory): number {
  const failures = new PowerFailures(mem);
  return failures
    .pendingAt(failures.entries.length)
    .filter(({ stores }) => stores.some(({ writer }) => writer === Writer.user)).length;
}

function stored(sys: Sys, path: string, value: number): number {
  const at = sys.mmap(2 * PAGE, "rw", "shared", sys.open(path, "r+"), 0);
  sys.store(at + PAGE, bytes(128, value));
  return at;
}

describe.each(FLUSHING)("under %s", (name) => {
  it("sync makes stores through mappings of all files durable, again and again", () => {
    const { mem, calls, sys } = boot(name);
    const other = sys(1);
    const [one, two] = [stored(calls, "/one", 2), stored(other, "/two", 3)];
    expect(open(mem)).toBe(4);
    calls.sync();
    expect(open(mem)).toBe(0);
    calls.store(one + PAGE, bytes(64, 4));
    other.store(two, bytes(64, 4));
    expect(open(mem)).toBe(2);
    calls.sync();
    expect(open(mem)).toBe(0);
  });

  it("sync finds the stores to a file that nobody has open or mapped any more", () => {
    const { mem, calls } = boot(name);
    const fd = calls.open("/one", "r+");
    const at = calls.mmap(2 * PAGE, "rw", "shared", fd, 0);
    calls.store(at, bytes(64, 2));
    calls.close(fd);
    calls.munmap(at, 2 * PAGE);
    expect(open(mem)).toBe(1);
    calls.sync();
    expect(open(mem)).toBe(0);
  });

  it("fsync of a file makes its stores durable, and no others", () => {
    const { mem, calls } = boot(name);
    stored(calls, "/one", 2);
    stored(calls, "/two", 2);
    calls.fsync(calls.open("/one", "r"));
    expect(open(mem)).toBe(2);
  });

  it("msync flushes shared mappings with MS_SYNC only", () => {
    const { mem, calls } = boot(name);
    const at = stored(calls, "/one", 2);
    calls.msync(at, 2 * PAGE, 1);
    calls.msync(at, 2 * PAGE, 2);
    calls.msync(at, 2 * PAGE, 0);
    expect(open(mem)).toBe(2);
    calls.msync(at, PAGE, 4);
    expect(open(mem)).toBe(0);
  });
});

test("before 4.5 neither fsync nor sync flushed what had been stored through a mapping", () => {
  for (const name of [...designs.keys()].filter((each) => !FLUSHING.includes(each))) {
    const { mem, calls } = boot(name);
    const at = stored(calls, "/one", 2);
    calls.fsync(calls.open("/one", "r"));
    calls.msync(at, 2 * PAGE);
    calls.sync();
    expect(open(mem), name).toBe(2);
  }
});

test("after a sync under the designs that protect pages none is dirty", () => {
  for (const name of ["ext4-xip-serialized", "dax-6.1"]) {
    const { mem, calls } = boot(name);
    stored(calls, "/one", 2);
    expect(dirtyPages(mem).count).toBe(1);
    calls.sync();
    expect(dirtyPages(mem).count).toBe(0);
  }
});

test("msync goes over holes to what lies behind them, and tells them at the end", () => {
  const { mem, calls } = boot("dax-6.1");
  const fd = calls.open("/one", "r+");
  const first = calls.mmap(2 * PAGE, "rw", "shared", fd, 0);
  const behind = calls.mmap(PAGE, "rw", "shared", fd, 0);
  calls.munmap(first + PAGE, PAGE);
  calls.store(behind, bytes(64, 3));
  expect(codeOf(() => calls.msync(first, 3 * PAGE))).toBe("ENOMEM");
  expect(open(mem)).toBe(0);
});

// As Linux 6.18 has answered the same calls on a file of an ext4 without direct access.
test("msync answers what Linux answers", () => {
  const { calls } = boot("dax-6.1");
  const at = stored(calls, "/one", 2);
  expect(codeOf(() => calls.msync(at, PAGE, 2 | 4))).toBe("none");
  expect(codeOf(() => calls.msync(at, PAGE, 1 | 2))).toBe("none");
  expect(codeOf(() => calls.msync(at, PAGE, 1 | 2 | 4))).toBe("EINVAL");
  expect(codeOf(() => calls.msync(at, PAGE, 8))).toBe("EINVAL");
  expect(codeOf(() => calls.msync(at, PAGE, -1))).toBe("EINVAL");
  expect(codeOf(() => calls.msync(at + 1, 0))).toBe("EINVAL");
  expect(codeOf(() => calls.msync(-PAGE, 0))).toBe("none");
  expect(codeOf(() => calls.msync(-PAGE, PAGE, 1))).toBe("ENOMEM");
  expect(codeOf(() => calls.msync(at, 1 - PAGE))).toBe("none");
  expect(codeOf(() => calls.msync(at, -PAGE))).toBe("ENOMEM");
  expect(codeOf(() => calls.msync(0, PAGE, 1))).toBe("ENOMEM");
  expect(codeOf(() => calls.msync(at, 0, 1))).toBe("none");
});
