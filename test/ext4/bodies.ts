// What the tasks of threads.test.ts run.  Each works on a file of its own, the shared ones by name.

import { State } from "../../src/ext4/extents/extent.ts";
import { iput } from "../../src/ext4/inodes/cache.ts";
import { lookUp } from "../../src/ext4/map.ts";
import { create } from "../../src/ext4/names/create.ts";
import { walk } from "../../src/ext4/names/path.ts";
import { unlink } from "../../src/ext4/names/remove.ts";
import { commit } from "../../src/ext4/journal/commit.ts";
import { superBlock } from "../../src/ext4/super.ts";

import type { Memory } from "../../src/machine/memory.ts";
import { allocate, convert, must, remove } from "./model.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function next(seed: number): number {
  return (Math.imul(seed, 1103515245) + 12345) >>> 0;
}

/** Random changes of one file's tree, of which a plain array is kept; returns what does not agree. */
export function ownFile(mem: Memory, _at: number, rounds: number, task: number): string[] {
  const file = must(walk(superBlock(mem), `/own${task}`));
  const model = new Map<number, number>();
  const wrong: string[] = [];
  let seed = task + 1;
  for (let round = 0; round < rounds; round++) {
    seed = next(seed);
    const block = (seed >>> 8) % 400;
    const count = 1 + ((seed >>> 20) % 6);
    const what = (seed >>> 28) % 4;
    if (what === 0) {
      must(remove(file, block, block + count));
      for (let i = 0; i < count; i++) model.delete(block + i);
    } else if (what === 1) {
      must(convert(file, block, count));
      for (let i = 0; i < count; i++) if (model.has(block + i)) model.set(block + i, State.written);
    } else if (!model.has(block)) {
      const extent = must(allocate(file, block, count, State.unwritten));
      for (let i = 0; i < extent.length; i++) model.set(block + i, State.unwritten);
    }
    const { state } = must(lookUp(file, block));
    if (state !== (model.get(block) ?? State.hole)) wrong.push(`round ${round}: block ${block} is ${state}`);
  }
  must(iput(file));
  return wrong;
}

/** Makes and removes files that the other tasks make and remove too; returns how many it made. */
export function sharedNames(mem: Memory, _at: number, rounds: number, task: number): number {
  const sb = superBlock(mem);
  let made = 0;
  for (let round = 0; round < rounds; round++) {
    const root = must(walk(sb, "/"));
    const name = bytes(`shared${(round + task) % 3}`);
    const file = create(root, name, 0o644);
    if (typeof file !== "number") {
      made += 1;
      must(allocate(file, 0, 4, State.unwritten));
      must(convert(file, 1, 1));
      unlink(root, name);
      must(iput(file));
    } else {
      unlink(root, name);
    }
    must(iput(root));
  }
  return made;
}

/** Reads the tree of a file that another task changes: what is there must lie on the media. */
export function reader(mem: Memory, _at: number, rounds: number): number {
  const sb = superBlock(mem);
  const file = must(walk(sb, "/own0"));
  let seen = 0;
  // The file's owner may get a core later than this thread: then it takes more rounds to see a block.
  for (let round = 0; round < rounds || (seen === 0 && round < 1000 * rounds); round++) {
    const extent = must(lookUp(file, round % 400));
    if (extent.state !== State.hole && extent.media > 0 && extent.media < sb.blockCount) seen += 1;
  }
  must(iput(file));
  return seen;
}

/** Commits again and again beside the others. */
export function committer(mem: Memory, _at: number, rounds: number): number {
  for (let round = 0; round < rounds / 10; round++) must(commit(superBlock(mem)));
  return 0;
}
