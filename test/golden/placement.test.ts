// Which blocks of a file are unwritten, and where they lie, is what Linux 6.1 said.
//
// The two go together: the kernel gives blocks to a written neighbour if they are one run on the media, and
// zeroes small unwritten extents out if not.  Where blocks lie hangs on what is free, and that on things no
// recording says: which processor ran a call, for each has a run for small files of its own; and when a commit
// gave back what was freed, which a thread does beside the calls, every five seconds.  So the rules are tried
// twice: with the blocks where they were in Linux, and with the allocator's own choice.

import { expect, test } from "vitest";
import { loadGroup, markUsed } from "../../src/ext4/alloc/free-map.ts";
import { addPreallocation, discardPreallocations } from "../../src/ext4/alloc/preallocation.ts";
import { iget } from "../../src/ext4/inodes/cache.ts";
import type { Inode } from "../../src/ext4/inode.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { downWrite, upWrite } from "../../src/locks/rwsem.ts";
import { runAs } from "../../src/machine/cpu.ts";
import { HOST_TASK } from "../../src/machine/limits.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { setTasks } from "../../src/syscalls/process.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { bootKernel, type Kernel } from "../support/kernel.ts";
import { cleanImage } from "../support/machine.ts";
import { Player, recorded, type Seen } from "./player.ts";
import { readTraces, type Trace, type TraceCall } from "./traces.ts";

const design = designs.get("dax-6.1") as Design;
const traces = readTraces();
const callCount = traces.reduce((sum, { calls }) => sum + calls.length, 0);
/** As large as that of the recordings, which have blocks in two groups. */
const image = mkfs(256 * 1024 * 1024);

/** Counts calls whose states are alike, and keeps the first that is not. */
class Comparison {
  alike = 0;
  first = "none";

  add(trace: Trace, index: number, here: string, linux: string): void {
    if (here === linux) this.alike += 1;
    else if (this.first === "none") {
      const call = JSON.stringify({ ...trace.calls[index], extents: undefined });
      this.first = `trace ${trace.header.trace} call ${index + 1} ${call}\n  Linux: ${linux}\n  here:  ${here}`;
    }
  }
}

/** The file's blocks by number, and where each lies. */
function blocksOf({ extents }: TraceCall): Map<number, number> {
  const blocks = new Map<number, number>();
  for (const [start, count, media] of extents) {
    for (let i = 0; i < count; i++) blocks.set(start + i, media + i);
  }
  return blocks;
}

const takesBlocks = ({ op, mode }: TraceCall): boolean =>
  op === "pwrite" || op === "mstore" || (op === "fallocate" && [0, 1, 16, 17].includes(mode as number));

/** Sets aside for an inode what a call gives it in the recording, and so leaves the allocator no choice. */
function setAside(inode: Inode, before: Map<number, number>, call: TraceCall): void {
  const runs: { logical: number; media: number; length: number }[] = [];
  for (const [logical, media] of blocksOf(call)) {
    if (before.get(logical) === media) continue;
    const last = runs.at(-1);
    const goesOn =
      last !== undefined && last.logical + last.length === logical && last.media + last.length === media;
    if (goesOn) last.length += 1;
    else runs.push({ logical, media, length: 1 });
  }
  const sb = superBlock(inode.mem);
  for (const run of runs) addPreallocation(sb, inode, { ...run, free: run.length });
}

/** Plays a trace with all blocks where Linux had them. */
function playInPlace({ mem, sys }: Kernel, trace: Trace, seen: (index: number, state: Seen) => void): void {
  const sb = superBlock(mem);
  const player = new Player(sys(), trace);
  const inode = iget(sb, player.sys.fstat(player.fd).ino) as Inode;
  for (let group = 0; group < sb.groupCount; group++) loadGroup(sb, group);
  // Blocks of trees are the allocator's own choice: not among those that the file gets later.
  for (const { extents } of trace.calls) for (const [, count, media] of extents) markUsed(sb, media, count);
  let before = new Map<number, number>();
  trace.calls.forEach((call, index) => {
    if (takesBlocks(call)) setAside(inode, before, call);
    seen(index, player.play(call));
    expect(inode.preallocations, `trace ${trace.header.trace} call ${index + 1}: all is taken`).toBe(0);
    downWrite(inode.dataSem);
    discardPreallocations(inode);
    upWrite(inode.dataSem);
    before = blocksOf(call);
  });
}

test("with their blocks where Linux put them, files have the same extents written and unwritten after every call", () => {
  const kinds = new Comparison();
  const places = new Comparison();
  const kernel = bootKernel(design, image);
  takeSnapshot(kernel.mem);
  for (const trace of traces) {
    restoreSnapshot(kernel.mem);
    playInPlace(kernel, trace, (index, state) => {
      const right = recorded(trace.calls[index] as TraceCall);
      kinds.add(trace, index, state.kinds, right.kinds);
      places.add(trace, index, state.places, right.places);
    });
  }
  console.log(`golden traces, blocks placed: extents alike in ${kinds.alike} of ${callCount} calls`);
  expect(kinds.alike, kinds.first).toBe(callCount);
  expect(places.alike, places.first).toBe(callCount);
});

/** Where the recordings show that another processor went on: blocks come from another run for small files. */
const MOVES = [
  { trace: 4, call: 14, to: 0 },
  { trace: 6, call: 43, to: HOST_TASK },
];
/** The first whose blocks were free only after a commit. */
const FIRST_AFTER_COMMIT = 14;

test("one after another on one file system, files get their blocks where Linux put them until its first commit, and the same are unwritten in all but three calls", () => {
  const { mem, sys } = bootKernel(design, image);
  setTasks(mem, HOST_TASK, 2);
  const kinds = new Comparison();
  const places = new Comparison();
  for (const trace of traces) {
    const { trace: number } = trace.header;
    const player = new Player(sys(), trace);
    trace.calls.forEach((call, index) => {
      const move = MOVES.find((each) => each.trace === number && each.call === index + 1);
      if (move !== undefined) runAs(move.to);
      const state = player.play(call);
      const right = recorded(call);
      kinds.add(trace, index, state.kinds, right.kinds);
      if (number < FIRST_AFTER_COMMIT) places.add(trace, index, state.places, right.places);
    });
    player.end();
  }
  runAs(HOST_TASK);
  console.log(`golden traces, blocks chosen: extents alike in ${kinds.alike} of ${callCount} calls`);
  expect(places.first).toBe("none");
  expect(kinds.alike, kinds.first).toBeGreaterThanOrEqual(callCount - 3);
  sys().sync();
  expect(e2fsck(cleanImage(mem))).toBe("");
});
