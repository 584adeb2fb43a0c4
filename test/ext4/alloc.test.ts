// The allocators and the journal's door, on images of mke2fs and our own: what they leave, e2fsck likes.

import { array, assert, integer, nat, property, record } from "fast-check";
import { Buffer as NodeBuffer } from "node:buffer";
import { expect, test } from "vitest";
import { freeBlockCount, freeInodeCount } from "../../src/ext4/alloc/open-group.ts";
import { Errno } from "../../src/machine/errors.ts";
import { MIB } from "../../src/machine/limits.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { hashState, restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import {
  ALLOCATE_CREDITS,
  allocateBlocks,
  freeBlocks,
  freeCredits,
  type Run,
} from "../../src/ext4/alloc/blocks.ts";
import { allocateInode, freeInode, INODE_CREDITS } from "../../src/ext4/alloc/inodes.ts";
import {
  bufferCache,
  dirtyBuffers,
  getBuffer,
  Kind,
  releaseBuffer,
  setKind,
  type Buffer,
} from "../../src/ext4/buffer.ts";
import { check } from "../../src/ext4/check/check.ts";
import { freeze } from "../../src/ext4/journal/commit.ts";
import {
  dirtyMetadata,
  forget,
  getCreateAccess,
  getWriteAccess,
  journalStart,
  journalStop,
} from "../../src/ext4/journal/handle.ts";
import type { Handle } from "../../src/ext4/journal/state.ts";
import type { SuperBlock } from "../../src/ext4/super.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { imageOf, mountedMachine } from "../support/machine.ts";

function inHandle<T>(sb: SuperBlock, credits: number, work: (handle: Handle) => T): T {
  const handle = journalStart(sb, credits);
  if (typeof handle === "number") throw new Error(`journalStart returned ${handle}`);
  const result = work(handle);
  expect(journalStop(handle)).toBe(0);
  return result;
}

const allocate = (sb: SuperBlock, goal: number, count: number): Run | number =>
  inHandle(sb, ALLOCATE_CREDITS, (handle) => allocateBlocks(handle, sb, goal, count));
const free = (sb: SuperBlock, { start, count }: Run): number =>
  inHandle(sb, freeCredits(sb, count), (handle) => freeBlocks(handle, sb, start, count));

function run(result: Run | number): Run {
  if (typeof result === "number") throw new Error(`allocateBlocks returned ${result}`);
  return result;
}

function buffer(result: Buffer | number): Buffer {
  if (typeof result === "number") throw new Error(`there is no buffer: ${result}`);
  return result;
}

test("blocks come from the goal on, never twice, and free counts follow", () => {
  const { sb } = mountedMachine();
  const before = freeBlockCount(sb);
  const first = run(allocate(sb, 2000, 10));
  expect(first).toEqual({ start: 2000, count: 10 });
  const second = run(allocate(sb, 2000, 5));
  expect(second).toEqual({ start: 2010, count: 5 });
  expect(run(allocate(sb, 1995, 50))).toEqual({ start: 1995, count: 5 }); // what is free at the goal comes first
  expect(freeBlockCount(sb)).toBe(before - 20);
  expect(free(sb, second)).toBe(0);
  // A freed block can be had again when that is durable: a crash before would give it back to its old owner.
  expect(run(allocate(sb, 2000, 5))).toEqual({ start: 2015, count: 5 });
  expect(freeze(sb)).toBe(0);
  expect(run(allocate(sb, 2000, 5))).toEqual(second);
});

test("freeing what is free, out of range, or the file system's own is refused and changes nothing", () => {
  const { mem, sb } = mountedMachine();
  const before = freeBlockCount(sb);
  for (const [start, count] of [
    [3000, 1],
    [0, 1],
    [40, 2],
    [sb.blockCount - 1, 2],
    [sb.blockCount, 1],
    [5000, 0],
    [-1, 3],
    [Number.NaN, 1],
  ] as const) {
    expect(free(sb, { start, count })).toBe(-Errno.EUCLEAN);
  }
  expect(freeBlockCount(sb)).toBe(before);
  expect(freeze(sb)).toBe(0);
  expect(check(mem)).toEqual([]);
});

// Each with groups that mke2fs left uninitialised, in another way.
test.each([
  [136 * MIB, []],
  [136 * MIB, ["-O", "^metadata_csum,uninit_bg"]],
  [136 * MIB, ["-O", "^metadata_csum,^64bit"]],
  [24 * MIB, ["-g", "1024", "-O", "^flex_bg"]],
])("filling and emptying an image of %d bytes made with %j leaves e2fsck nothing to say", (size, args) => {
  const { mem, sb } = mountedMachine({ image: mkfs(size, args) });
  const start = { blocks: freeBlockCount(sb), inodes: freeInodeCount(sb) };
  const runs: Run[] = [];
  for (;;) {
    const result = allocate(sb, 77, 4000);
    if (typeof result === "number") {
      expect(result).toBe(-Errno.ENOSPC);
      break;
    }
    runs.push(result);
  }
  expect(freeBlockCount(sb)).toBe(0);
  expect(runs.reduce((sum, { count }) => sum + count, 0)).toBe(start.blocks);
  for (const each of runs) expect(free(sb, each)).toBe(0);
  const parent = sb.inodesPerGroup + 1; // in the second group, where nothing was used yet
  const inodes = Array.from({ length: 20 }, (_, i) =>
    inHandle(sb, INODE_CREDITS, (handle) =>
      allocateInode(handle, sb, sb.groupCount > 1 ? parent : 2, i % 2 === 0),
    ),
  );
  expect(new Set(inodes).size).toBe(20);
  expect(Math.min(...inodes)).toBeGreaterThanOrEqual(sb.firstInode);
  for (const [i, inode] of inodes.entries()) {
    expect(inHandle(sb, INODE_CREDITS, (handle) => freeInode(handle, sb, inode, i % 2 === 0))).toBe(0);
  }
  expect({ blocks: freeBlockCount(sb), inodes: freeInodeCount(sb) }).toEqual(start);
  expect(freeze(sb)).toBe(0);
  expect(check(mem)).toEqual([]);
  expect(e2fsck(imageOf(mem))).toBe("");
  // The second time nothing happens.
  for (const inode of inodes) {
    expect(inHandle(sb, INODE_CREDITS, (handle) => freeInode(handle, sb, inode, false))).toBe(-Errno.EUCLEAN);
  }
  expect(freeInodeCount(sb)).toBe(start.inodes);
});

test("inodes run out with ENOSPC, after every one was handed out once", () => {
  const { sb } = mountedMachine({ size: 1 * MIB });
  const seen = new Set<number>();
  const wanted = freeInodeCount(sb);
  for (let i = 0; i < wanted; i++)
    seen.add(inHandle(sb, INODE_CREDITS, (handle) => allocateInode(handle, sb, 2, false)));
  expect(seen.size).toBe(wanted);
  expect(Math.max(...seen)).toBe(sb.inodeCount);
  expect(inHandle(sb, INODE_CREDITS, (handle) => allocateInode(handle, sb, 2, false))).toBe(-Errno.ENOSPC);
});

test("whatever is allocated and freed, no block has two owners and the counts stay right", () => {
  const image = mkfs(16 * MIB);
  const step = record({ goal: nat(5000), count: integer({ min: 1, max: 900 }), free: nat(9) });
  assert(
    property(array(step, { maxLength: 40 }), (steps) => {
      const { sb } = mountedMachine({ image });
      const owned = new Set<number>();
      const runs: Run[] = [];
      const start = freeBlockCount(sb);
      for (const { goal, count, free: victim } of steps) {
        const gone = runs.splice(victim, 1)[0];
        if (gone !== undefined) {
          expect(free(sb, gone)).toBe(0);
          for (let block = gone.start; block < gone.start + gone.count; block++) owned.delete(block);
        }
        const result = allocate(sb, goal, count);
        if (typeof result === "number") continue;
        expect(result.count).toBeLessThanOrEqual(count);
        for (let block = result.start; block < result.start + result.count; block++) {
          expect(owned.has(block)).toBe(false);
          owned.add(block);
        }
        runs.push(result);
      }
      expect(freeBlockCount(sb)).toBe(start - owned.size);
    }),
    { numRuns: 30 },
  );
});

test("a bitmap whose checksum is wrong, or that calls the inode table free, is never allocated from", () => {
  const { mem, sb } = mountedMachine({ image: mkfs(16 * MIB) });
  mem.u8[mediaAt(mem, 3 * 4096) + 400] = 0x5a;
  expect(allocate(sb, 2000, 1)).toBe(-Errno.EFSBADCRC);
  const bare = mountedMachine({ image: mkfs(16 * MIB, ["-O", "^metadata_csum,^resize_inode"]) });
  bare.mem.u8[mediaAt(bare.mem, 2 * 4096) + 10] = 0;
  expect(allocate(bare.sb, 2000, 1)).toBe(-Errno.EUCLEAN);
});

test("changed metadata reaches media with commit and not before", () => {
  const { mem, sb } = mountedMachine();
  const before = imageOf(mem);
  run(allocate(sb, 2000, 10));
  expect(NodeBuffer.compare(imageOf(mem), before)).toBe(0);
  expect(bufferCache(mem).dirtyCount).toBe(2);
  expect(freeze(sb)).toBe(0);
  expect(NodeBuffer.compare(imageOf(mem), before)).not.toBe(0);
  expect(dirtyBuffers(mem)).toEqual([]);
});

test("a handle that changes more blocks than it asked for is a bug; one inside another shares its credits", () => {
  const { sb } = mountedMachine();
  inHandle(sb, 2, (outer) => {
    inHandle(sb, 1, (inner) => {
      expect(inner.at).toBe(outer.at);
      run(allocateBlocks(inner, sb, 2000, 1));
    });
    const third = buffer(getCreateAccess(outer, 3000));
    expect(() => dirtyMetadata(outer, third)).toThrow(/asked for 2 credits and changes one block more: 3000/);
    releaseBuffer(third);
  });
});

test("a forgotten block is not written, whatever its buffer held", () => {
  const { mem, sb } = mountedMachine();
  const before = mem.read(mediaAt(mem, 3000 * 4096), 4096);
  inHandle(sb, 4, (handle) => {
    const node = buffer(getCreateAccess(handle, 3000));
    mem.fill(node.data, 0x77, 4096);
    dirtyMetadata(handle, node);
    forget(handle, 3000);
    releaseBuffer(node);
  });
  expect(freeze(sb)).toBe(0);
  expect(mem.read(mediaAt(mem, 3000 * 4096), 4096)).toEqual(before);
});

test("the cache forgets clean blocks when it is full, and commits by itself when too many are dirty", () => {
  const { mem, sb } = mountedMachine({ size: 64 * MIB });
  const { capacity } = bufferCache(mem);
  for (let block = 2000; block < 2000 + 3 * capacity; block++) {
    releaseBuffer(buffer(getBuffer(sb, block)));
  }
  for (let block = 5000; block < 5000 + capacity; block++) {
    inHandle(sb, 1, (handle) => {
      const made = buffer(getCreateAccess(handle, block));
      getWriteAccess(handle, made);
      mem.u32[made.data >>> 2] = block;
      setKind(made, Kind.plain);
      dirtyMetadata(handle, made);
      releaseBuffer(made);
    });
  }
  expect(freeze(sb)).toBe(0);
  for (let block = 5000; block < 5000 + capacity; block++) {
    expect(mem.u32[mediaAt(mem, block * 4096) >>> 2]).toBe(block);
  }
});

test("when every buffer is held the next one is ENOMEM, not somebody else's", () => {
  const { mem, sb } = mountedMachine();
  const held: Buffer[] = [];
  for (let block = 0; held.length < bufferCache(mem).capacity + 1; block++) {
    const result = getBuffer(sb, block);
    if (typeof result === "number") {
      expect(result).toBe(-Errno.ENOMEM);
      break;
    }
    held.push(result);
  }
  expect(new Set(held.map(({ data }) => data)).size).toBe(held.length);
  for (const each of held) releaseBuffer(each);
  expect(getBuffer(sb, sb.blockCount)).toBe(-Errno.EUCLEAN);
});

test("restore takes the cache back with the media, and the order of two changes leaves no trace", () => {
  const { mem, sb } = mountedMachine();
  run(allocate(sb, 1500, 3));
  takeSnapshot(mem);
  const clean = hashState(mem);
  const first = (): Run => run(allocate(sb, 2000, 1));
  const second = (): number => inHandle(sb, INODE_CREDITS, (handle) => allocateInode(handle, sb, 2, false));
  const states = [
    [first, second],
    [second, first],
  ].map((order) => {
    for (const change of order) change();
    const hash = hashState(mem);
    expect(freeze(sb)).toBe(0);
    restoreSnapshot(mem);
    expect(hashState(mem)).toBe(clean);
    return hash;
  });
  expect(states[0]).toBe(states[1]);
  expect(states[0]).not.toBe(clean);
  expect(freeze(sb)).toBe(0);
  // The three blocks of before the snapshot are nobody's.
  expect(check(mem).map(({ message }) => message)).toEqual([
    expect.stringMatching(/free blocks/),
    expect.stringMatching(/differs in 3 bits: 1500 is marked used/),
    expect.stringMatching(/free blocks/),
  ]);
});
