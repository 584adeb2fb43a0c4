// The first fit starts where the allocator believes the first free block to be.  A model that believes nothing, and
// looks at every bit, must come to the same block each time.

import { expect, test } from "vitest";
import { ALLOCATE_CREDITS, allocateBlocks, freeBlocks, freeCredits } from "../../../src/ext4/alloc/blocks.ts";
import { getBuffer, releaseBuffer } from "../../../src/ext4/buffer.ts";
import { getGroup, rawGroup, releaseGroup } from "../../../src/ext4/group.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import { journalStart, journalStop } from "../../../src/ext4/journal/handle.ts";
import type { Handle } from "../../../src/ext4/journal/state.ts";
import type { SuperBlock } from "../../../src/ext4/super.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { mkfs } from "../../support/e2fsprogs.ts";
import { type MachineOptions, mountedMachine } from "../../support/machine.ts";

function inHandle(sb: SuperBlock, credits: number, work: (handle: Handle) => number): number {
  const handle = journalStart(sb, credits);
  if (typeof handle === "number") throw new Error(`journalStart returned ${handle}`);
  const result = work(handle);
  journalStop(handle);
  return result;
}

const allocate = (sb: SuperBlock, goal: number): number =>
  inHandle(sb, ALLOCATE_CREDITS, (handle) => {
    const run = allocateBlocks(handle, sb, goal, 1);
    return typeof run === "number" ? run : run.start;
  });

/** Whether the bitmap of the only group says that a block is in use. */
function isUsed(sb: SuperBlock, block: number): boolean {
  const descriptors = getGroup(sb, 0);
  if (typeof descriptors === "number") throw new Error("no descriptor");
  const bitmap = getBuffer(sb, rawGroup(sb, descriptors, 0).bg_block_bitmap_lo);
  releaseGroup(descriptors);
  if (typeof bitmap === "number") throw new Error("no bitmap");
  const bit = block - sb.firstDataBlock;
  const used = ((sb.mem.u8[bitmap.data + (bit >>> 3)] as number) & (1 << (bit & 7))) !== 0;
  releaseBuffer(bitmap);
  return used;
}

const images: [string, boolean, MachineOptions][] = [
  ["with a journal, which holds what was freed until the commit", true, {}],
  ["without a journal", false, { image: mkfs(4 * MIB, ["-O", "^has_journal"]) }],
];

test.each(images)("the first free block behind the goal is found %s", (_, holds, options) => {
  const { sb } = mountedMachine(options);
  const first =
    Array.from({ length: sb.blockCount }, (__, block) => block).find((block) => !isUsed(sb, block)) ?? 0;
  const owned: number[] = [];
  const held = new Set<number>();
  let draw = 1;
  const next = (below: number): number => {
    draw = (Math.imul(draw, 1103515245) + 12345) >>> 0;
    return (draw >>> 8) % below;
  };
  for (let round = 0; round < 1500; round++) {
    const kind = next(10);
    if (kind < 5) {
      const goal = first + next(8);
      let expected = goal;
      while (isUsed(sb, expected) || held.has(expected)) expected += 1;
      expect(allocate(sb, goal), `round ${round}, goal ${goal}`).toBe(expected);
      owned.push(expected);
    } else if (kind < 9 && owned.length > 20) {
      const [gone] = owned.splice(next(owned.length), 1) as [number];
      expect(inHandle(sb, freeCredits(sb, 1), (handle) => freeBlocks(handle, sb, gone, 1))).toBe(0);
      if (holds) held.add(gone);
    } else {
      expect(commit(sb)).toBe(0);
      held.clear();
    }
  }
  expect(owned.length).toBeGreaterThan(20);
});
