// b8a6176c214c "ext4: Support for synchronous DAX faults" (2017): a program flushes what it has stored, but the transaction
// that made the block its file's is not durable.  With MAP_SYNC a fault commits before the page may be stored to.

import { describe, expect, it, test } from "vitest";
import { mount } from "../../src/ext4/mount/mount.ts";
import { PowerFailures } from "../../src/machine/pmem/crash.ts";
import { startLog } from "../../src/machine/pmem/log.ts";
import { createMemory } from "../../src/machine/layout.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { bootKernel as boot } from "../../src/syscalls/boot.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { bootKernel, codeOf } from "../support/kernel.ts";
import { crash } from "../support/kept.ts";
import { imageOf } from "../support/machine.ts";
import { replacing, writeMutant } from "../support/mutate.ts";
import storeAndFlush from "./scenarios/store-and-flush.ts";

const PAGE = 4096;
const dax = designs.get("dax-6.1") as Design;

/** The first bytes of a file after a power failure that took whatever it could, behind a store that was flushed. */
function afterStore(sharing: "shared" | "sync", steps: (sys: Sys, at: number) => void): number[] {
  const { mem, sys } = bootKernel(dax);
  const calls = sys();
  const fd = calls.open("/file", "w+");
  calls.fallocate(fd, 0, 0, PAGE);
  calls.sync();
  const before = imageOf(mem);
  startLog(mem);
  const at = calls.mmap(PAGE, "rw", sharing, fd, 0);
  calls.store(at, new Uint8Array(4).fill(7));
  steps(calls, at);
  const failures = new PowerFailures(mem);
  const after = createMemory(before.length);
  boot(after);
  after.write(mediaAt(after, 0), before);
  failures.leave(failures.entries.length, new Map(), after);
  const mounted = mount(after, dax.options);
  if ("message" in mounted) throw new Error(mounted.message);
  const found = new Sys(after, dax, 0);
  return [...found.pread(found.open("/file"), 4, 0)];
}

/** As pmem_persist does. */
const persist = (sys: Sys, at: number): void => {
  sys.flush(at, 4);
  sys.drain();
};

describe("a store that the program has flushed and drained", () => {
  it("is there after a power failure with MAP_SYNC, and is not without", () => {
    expect(afterStore("sync", persist)).toEqual([7, 7, 7, 7]);
    expect(afterStore("shared", persist)).toEqual([0, 0, 0, 0]);
  });

  it("is not there without the flush, or without the drain", () => {
    expect(afterStore("sync", (sys) => sys.drain())).toEqual([0, 0, 0, 0]);
    expect(afterStore("sync", (sys, at) => sys.flush(at, 4))).toEqual([0, 0, 0, 0]);
  });
});

describe("in every state that a power failure leaves", () => {
  test("what was flushed through MAP_SYNC is there", async () => {
    const { violation, points } = await crash(storeAndFlush, { design: "dax-6.1" });
    expect(violation?.message).toBe(undefined);
    expect(points).toBeGreaterThan(4);
  });

  test("it is missed where the fault does not commit", async () => {
    const { path, remove } = writeMutant("dax-6.1", replacing("finishSynchronous", /commit\(sb\)/, "0"));
    try {
      const { violation } = await crash(storeAndFlush, { design: path });
      expect(violation?.promise).toBe("no-lost-write");
      expect(violation?.story).toContain("flush /file");
    } finally {
      remove();
    }
  });
});

test("MAP_SYNC is refused by designs that do not know it, and for what is no file (EOPNOTSUPP)", () => {
  for (const [name, design] of designs) {
    const sys = bootKernel(design).sys();
    const fd = sys.open("/file", "w+");
    const code = codeOf(() => sys.mmap(PAGE, "rw", "sync", fd, 0));
    expect(code, name).toBe(name === "dax-6.1" ? "none" : "EOPNOTSUPP");
    expect(codeOf(() => sys.mmap(PAGE, "r", "sync", sys.open("/", "r"), 0))).toBe("EOPNOTSUPP");
  }
});

test("flush faults where a load does", () => {
  const sys = bootKernel(dax).sys();
  const fd = sys.open("/file", "w+");
  sys.ftruncate(fd, PAGE);
  const at = sys.mmap(2 * PAGE, "rw", "sync", fd, 0);
  expect(codeOf(() => sys.flush(at, PAGE))).toBe("none");
  expect(codeOf(() => sys.flush(at, PAGE + 1))).toBe("SIGBUS");
  expect(codeOf(() => sys.flush(at + 2 * PAGE, 1))).toBe("SIGSEGV");
  expect(codeOf(() => sys.flush(-1, 1))).toBe("SIGSEGV");
  expect(codeOf(() => sys.flush("a" as never, 1))).toBe("ERR_INVALID_ARG_TYPE");
});

test("what is left of a mapping with MAP_SYNC when its middle is unmapped keeps it", () => {
  const { mem, sys } = bootKernel(dax);
  const calls = sys();
  const fd = calls.open("/file", "w+");
  calls.fallocate(fd, 0, 0, 3 * PAGE);
  const at = calls.mmap(3 * PAGE, "rw", "sync", fd, 0);
  calls.munmap(at + PAGE, PAGE);
  calls.sync();
  startLog(mem);
  calls.store(at + 2 * PAGE, new Uint8Array([1]));
  expect(new PowerFailures(mem).entries.length).toBeGreaterThan(5); // a commit, and the store
});
