// What the threads of stress.test.ts do, each as a task of its own.

import type { Memory } from "../../src/machine/memory.ts";
import { allocateBlocks, freeBlocks, type Run } from "../../src/ext4/alloc/blocks.ts";
import { allocateInode, freeInode } from "../../src/ext4/alloc/inodes.ts";
import { getBuffer, releaseBuffer } from "../../src/ext4/buffer.ts";
import { commit } from "../../src/ext4/journal/commit.ts";
import { dirtyMetadata, getWriteAccess, journalStart, journalStop } from "../../src/ext4/journal/handle.ts";
import type { Handle } from "../../src/ext4/journal/state.ts";
import { superBlock } from "../../src/ext4/super.ts";

function inHandle<T>(mem: Memory, credits: number, work: (handle: Handle) => T): T {
  const handle = journalStart(superBlock(mem), credits);
  if (typeof handle === "number") throw new Error(`journalStart returned ${handle}`);
  const result = work(handle);
  journalStop(handle);
  return result;
}

/** Allocates and frees runs of blocks and inodes; ends owning what it returns. */
export function allocator(
  mem: Memory,
  _at: number,
  rounds: number,
  task: number,
): { runs: Run[]; inodes: number[] } {
  const sb = superBlock(mem);
  const runs: Run[] = [];
  const inodes: number[] = [];
  for (let round = 0; round < rounds; round++) {
    inHandle(mem, 6, (handle) => {
      const run = allocateBlocks(handle, sb, 1500 + 64 * task, 1 + (round % 9));
      if (typeof run !== "number") runs.push(run);
      const old = runs.length > 6 ? runs.shift() : undefined;
      if (old !== undefined && freeBlocks(handle, sb, old.start, old.count) !== 0) {
        throw new Error(`the blocks ${old.start}+${old.count} cannot be freed`);
      }
    });
    inHandle(mem, 6, (handle) => {
      const inode = allocateInode(handle, sb, 2, false);
      if (inode > 0) inodes.push(inode);
      const old = inodes.length > 3 ? (inodes.shift() as number) : 0;
      if (old !== 0 && freeInode(handle, sb, old, false) !== 0)
        throw new Error(`inode ${old} cannot be freed`);
    });
    if (round % 50 === 49) commit(sb);
  }
  return { runs, inodes };
}

/** Reads blocks far beyond the cache's size, so that buffers are evicted all the time. */
export function reader(mem: Memory, at: number, rounds: number, task: number): number {
  const sb = superBlock(mem);
  for (let round = 0; round < rounds * 20; round++) {
    const block = at + ((round * 7919 + task * 104_729) % 3000);
    const buffer = getBuffer(sb, block);
    if (typeof buffer === "number") throw new Error(`getBuffer returned ${buffer}`);
    if (buffer.block !== block) throw new Error(`the buffer of block ${block} holds block ${buffer.block}`);
    if (mem.u32[buffer.data >>> 2] !== block) throw new Error(`block ${block} has another block's bytes`);
    releaseBuffer(buffer);
  }
  return rounds;
}

/** Counts up the second word of every block it changes. */
export function writer(mem: Memory, at: number, rounds: number): number {
  const sb = superBlock(mem);
  for (let round = 0; round < rounds; round++) {
    inHandle(mem, 1, (handle) => {
      const buffer = getBuffer(sb, at + (round % 100));
      if (typeof buffer === "number") throw new Error(`getBuffer returned ${buffer}`);
      getWriteAccess(handle, buffer);
      Atomics.add(mem.u32, (buffer.data >>> 2) + 1, 1);
      dirtyMetadata(handle, buffer);
      releaseBuffer(buffer);
    });
  }
  return rounds;
}
