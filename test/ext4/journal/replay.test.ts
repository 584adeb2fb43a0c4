// What our journal holds, as e2fsck and debugfs read it: machines lose power in the middle of their work, and e2fsck, which
// knows nothing of us, recovers what is left.

import { expect, test } from "vitest";
import { getBuffer, releaseBuffer } from "../../../src/ext4/buffer.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import {
  dirtyMetadata,
  getWriteAccess,
  journalStart,
  journalStop,
} from "../../../src/ext4/journal/handle.ts";
import { journalOf } from "../../../src/ext4/journal/state.ts";
import { mediaAddress, superBlock } from "../../../src/ext4/super.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { PowerFailures } from "../../../src/machine/pmem/crash.ts";
import { readLog, startLog } from "../../../src/machine/pmem/log.ts";
import { clearPages } from "../../../src/machine/pmem/page-set.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { debugfs, debugfsDump, e2fsck, e2fsckRecover, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";
import { bareMachine, imageOf } from "../../support/machine.ts";

const serialized = designs.get("ext4-xip-serialized") as Design;
const BLOCK = 4096;
const block = (value: number): Uint8Array => new Uint8Array(BLOCK).fill(value);

function randomFrom(seed: number): (below: number) => number {
  let state = seed * 7919 + 17;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Makes the next changes of a file dirty its inode: the clock has moved on. */
function tick(mem: Memory): void {
  header(mem).seconds += 1;
}

/** When a file was known to hold what: log positions from an fsync's return to the start of the next change. */
interface Durable {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly from: number;
  until: number;
}

/** Works on four files; gives what fsync promised. */
function work(mem: Memory, sys: Sys, random: (below: number) => number): Durable[] {
  const promised: Durable[] = [];
  const position = (): number => readLog(mem).entries.length;
  for (let step = 0; step < 60; step++) {
    tick(mem);
    const name = `/file${random(4)}`;
    const fd = sys.open(name, "a+");
    const here = position();
    const what = random(8);
    if (what < 6) {
      for (const one of promised) if (one.name === name) one.until = Math.min(one.until, here);
    }
    const offset = random(40_000);
    if (what < 2) sys.pwrite(reopened(sys, name), new Uint8Array(1 + random(9000)).fill(step + 1), offset);
    else if (what < 4) sys.fallocate(fd, random(2), offset, 1 + random(30_000));
    else if (what === 4) sys.ftruncate(fd, offset);
    else if (what === 5 && random(2) === 0) sys.unlink(name);
    else {
      sys.fsync(fd);
      const bytes = sys.pread(fd, 100_000, 0);
      promised.push({ name, bytes, from: position(), until: Infinity });
    }
    sys.close(fd);
  }
  return promised;
}

function reopened(sys: Sys, name: string): number {
  return sys.open(name, "r+");
}

test.each([...designs.values()].filter(({ sound }) => sound))(
  "$name: whatever a power failure leaves, e2fsck only replays the journal, and what was fsynced is there",
  (design) => {
    let kept = 0;
    for (let seed = 0; seed < 3; seed++) {
      const random = randomFrom(seed);
      const { mem, sys } = bootKernel(design);
      const base = imageOf(mem);
      startLog(mem);
      const promised = work(mem, sys(), random);
      const failures = new PowerFailures(mem, seed === 0 ? "none" : "adr");
      for (let crash = 0; crash < 8; crash++) {
        const point = 1 + random(failures.entries.length);
        const survivors = new Map(
          failures.pendingAt(point).map(({ offset, reach }) => [offset, random(reach + 1)]),
        );
        const target = bareMachine({ image: base });
        failures.leave(point, survivors, target);
        const { image, findings } = e2fsckRecover(imageOf(target));
        expect(findings, `seed ${seed}, point ${point}`).toBe("");
        for (const { name, bytes, from, until } of promised) {
          if (point < from || point > until) continue;
          kept += 1;
          expect(debugfsDump(image, name), `seed ${seed}, point ${point}, ${name}`).toEqual(bytes);
        }
      }
    }
    expect(kept).toBeGreaterThan(5);
  },
);

/** Overwrites one block and fsyncs, so often, each time with another time in the inode. */
function fsyncs(mem: Memory, sys: Sys, fd: number, count: number): void {
  for (let i = 0; i < count; i++) {
    tick(mem);
    sys.pwrite(fd, block(i + 1), 0);
    sys.fsync(fd);
  }
}

test.each([
  ["our own", 16 * MIB],
  ["with old tags", mkfs(16 * MIB, ["-O", "^64bit,^metadata_csum"])],
  ["64bit without checksums", mkfs(16 * MIB, ["-O", "64bit,^metadata_csum"])],
])("debugfs reads the log of a file system: %s; e2fsck replays it round the end of the ring", (_, media) => {
  const { mem, sys } = bootKernel(serialized, media);
  const calls = sys();
  const fd = calls.open("/file", "w+");
  const journal = journalOf(mem);
  fsyncs(mem, calls, fd, 10);
  const dump = debugfs(imageOf(mem), "logdump");
  expect(dump.match(/^Found expected sequence \d+, type 1 \(descriptor block\)/gm)).toHaveLength(10);
  expect(dump.match(/^Found expected sequence \d+, type 2 \(commit block\)/gm)).toHaveLength(10);
  expect(dump).not.toMatch(/corrupt|invalid|wrong|error/i);
  let turns = 0;
  for (let before = journal.head; turns < 2; before = journal.head) {
    fsyncs(mem, calls, fd, 1);
    if (journal.head >= before) continue;
    turns += 1;
    tick(mem);
    calls.pwrite(fd, block(200 + turns), 0);
    calls.ftruncate(fd, BLOCK * (1 + turns));
    calls.fsync(fd);
    const { image, findings } = e2fsckRecover(imageOf(mem));
    expect(findings).toBe("");
    expect(debugfsDump(image, "/file").length).toBe(BLOCK * (1 + turns));
    expect(debugfsDump(image, "/file").subarray(0, BLOCK)).toEqual(block(200 + turns));
  }
});

test("sequence numbers wrap, and e2fsck replays what lies before and behind", () => {
  const { mem, sys } = bootKernel(serialized, withSequence(0xffff_fffd));
  expect(journalOf(mem).running).toBe(0xffff_fffd);
  const calls = sys();
  const fd = calls.open("/file", "w+");
  fsyncs(mem, calls, fd, 5);
  calls.ftruncate(fd, 5 * BLOCK);
  calls.fsync(fd);
  expect(journalOf(mem).running).toBe(3);
  const { image, findings } = e2fsckRecover(imageOf(mem));
  expect(findings).toBe("");
  expect(debugfsDump(image, "/file").length).toBe(5 * BLOCK);
});

/** A file system whose journal goes on with a number. */
function withSequence(sequence: number): Uint8Array {
  const made = mkfs(16 * MIB);
  const at = Number(/\(0-\d+\):(\d+)/.exec(debugfs(made, "stat <8>"))?.[1]) * BLOCK;
  new DataView(made.buffer).setUint32(at + 24, sequence);
  return made;
}

/** A file with a tree node in a block of its own, which is committed. */
function withNode(mem: Memory, sys: Sys): { fd: number; node: number } {
  const fd = sys.open("/many", "w+");
  for (let i = 0; i < 8; i++) sys.pwrite(fd, block(7), 2 * i * BLOCK);
  sys.fsync(fd);
  const tree = debugfs(image(mem), "ex /many");
  return { fd, node: Number(/^ *0\/ *1.* (\d+) +\d+ *$/m.exec(tree)?.[1]) };
}

const image = (mem: Memory): Uint8Array => e2fsckRecover(imageOf(mem)).image;

test.each([true, false])(
  "a freed node's block holds somebody's data after replay; its revoke is written: %s",
  (revokes) => {
    const { mem, sys } = bootKernel(serialized);
    const calls = sys();
    const { fd, node } = withNode(mem, calls);
    expect(node).toBeGreaterThan(0);
    tick(mem);
    calls.ftruncate(fd, 0);
    if (!revokes) clearPages(journalOf(mem).revoked);
    calls.fsync(fd);
    const other = calls.open("/other", "w+");
    for (let i = 0; i < 40; i++) calls.pwrite(other, block(9), i * BLOCK);
    calls.fsync(other);
    const owned = calls.fiemap(other).some(({ physical, length }) => {
      const first = physical / BLOCK;
      return first <= node && node < first + length / BLOCK;
    });
    expect(owned).toBe(true);
    const { image: after, findings } = e2fsckRecover(imageOf(mem));
    expect(findings).toBe("");
    const same = debugfsDump(after, "/other").every((byte) => byte === 9);
    expect(same).toBe(revokes); // without the revoke the replay writes the old node over the data
  },
);

test("a block that begins with the journal's magic number comes back with it", () => {
  const { mem, sys } = bootKernel(serialized);
  const sb = superBlock(mem);
  const free = sb.blockCount - 5;
  const handle = journalStart(sb, 1);
  const buffer = getBuffer(sb, free);
  if (typeof handle === "number" || typeof buffer === "number") throw new Error("no handle, or no buffer");
  getWriteAccess(handle, buffer);
  mem.fill(buffer.data, 0x77, BLOCK);
  new DataView(mem.buffer).setUint32(buffer.data, 0xc03b3998);
  dirtyMetadata(handle, buffer);
  releaseBuffer(buffer);
  journalStop(handle);
  expect(commit(sb)).toBe(0);
  const fd = sys().open("/file", "w+"); // what comes behind it is read, too
  sys().fsync(fd);
  expect(mem.u8[mediaAddress(sb, free)]).toBe(0xdb); // not at its place yet
  const { image: after, findings } = e2fsckRecover(imageOf(mem));
  expect(findings).toBe("");
  const expected = block(0x77);
  new DataView(expected.buffer).setUint32(0, 0xc03b3998);
  expect(after.subarray(free * BLOCK, (free + 1) * BLOCK)).toEqual(expected);
  expect(debugfs(after, "stat /file")).toMatch(/Type: regular/);
  expect(e2fsck(after)).toBe("");
});
