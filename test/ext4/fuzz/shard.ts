// A share of the damaged images, on a thread of its own: a mount or a call that never returns must not hang the
// test.  One machine for each source; before every image it goes back to where nothing was mounted.

import { mount, unmount } from "../../../src/ext4/mount/mount.ts";
import { check } from "../../../src/ext4/check/check.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { createMemory, header } from "../../../src/machine/layout.ts";
import { HOST_TASK } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot, touch } from "../../../src/machine/snapshot.ts";
import { bootKernel } from "../../../src/syscalls/boot.ts";
import { Sys } from "../../../src/syscalls/sys.ts";
import { serveFaults } from "../../../src/xip/fault.ts";
import { design, GUARD_LENGTH, type Source } from "./images.ts";
import { journalOf, structuresOf, type Structure } from "./structures.ts";
import { changeThings, lookAround, type Met, WRITTEN } from "./workload.ts";

export interface Share {
  readonly sources: readonly Source[];
  /** The seeds of this share's images: so many, from the first on. */
  readonly first: number;
  readonly count: number;
  /** The seed that is under way, for who waits. */
  readonly progress: Int32Array<SharedArrayBuffer>;
}

export interface Outcome {
  /** What went wrong, with the seed and the damage. */
  readonly failures: string[];
  readonly refused: number;
  readonly codes: string[];
  /** What was named, without its numbers. */
  readonly named: string[];
  readonly messages: string[];
}

interface Target {
  readonly name: string;
  readonly mem: Memory;
  readonly media: Buffer;
  /** As it is before the mount. */
  readonly before: Buffer;
  readonly kinds: Structure[][];
  /** The journal's bytes, as nothing is damaged. */
  readonly journal: ReturnType<typeof journalOf>;
}

function prepare({ name, bytes }: Source): Target {
  const mem = createMemory(bytes.length);
  bootKernel(mem);
  header(mem).lockdep = 1;
  mem.write(header(mem).media.start, bytes);
  serveFaults(mem, design);
  const kinds = new Map<string, Structure[]>();
  for (const structure of structuresOf(mem)) {
    kinds.set(structure.kind, [...(kinds.get(structure.kind) ?? []), structure]);
  }
  const journal = journalOf(mem);
  takeSnapshot(mem);
  const { start, length } = header(mem).media;
  const media = Buffer.from(mem.buffer, start, length);
  return { name, mem, media, before: Buffer.from(media), kinds: [...kinds.values()], journal };
}

/** mulberry32: numbers from 0 up to 1, the same for the same seed. */
function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const telling = [
  0, 1, 2, 3, 4, 5, 8, 11, 12, 16, 0xff, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff, 0x7fff_ffff, 0xffff_ffff,
];

/** Damages one structure in one to three places, and mostly makes its checksum right.  Returns what it did. */
function damage({ name, mem, kinds, media, journal }: Target, random: () => number): string {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const structure = pick(pick(kinds));
  const start = header(mem).media.start + structure.at;
  touch(mem, start, structure.length);
  // A seal may change the descriptors, too.
  touch(mem, header(mem).media.start, 8192);
  const done: string[] = [];
  // What a journal's block may be taken for: anybody's.
  const firstOfJournal = (journal[0]?.at ?? 0) / 4096;
  const inJournal = firstOfJournal > 0 && random() < 0.1;
  for (let left = 1 + below(3); left > 0; left--) {
    // Headers and first entries decide most.
    const offset = below(random() < 0.7 ? Math.min(structure.length, 160) : structure.length);
    const at = start + offset;
    const blocks = (media.length - GUARD_LENGTH) / 4096;
    const value = random() < 0.3 ? below(blocks + 2) : pick(inJournal ? [firstOfJournal] : telling);
    const width = pick(["bit", "byte", "half", "word"]);
    if (width === "bit") mem.u8[at]! ^= 1 << below(8);
    else if (width === "byte") mem.u8[at] = value;
    else if (width === "half") mem.u16[at >>> 1] = value;
    else mem.u32[at >>> 2] = value;
    done.push(`${width} at 0x${offset.toString(16)}${width === "bit" ? "" : ` = 0x${value.toString(16)}`}`);
  }
  const sealed = random() < 0.8;
  if (sealed) structure.seal();
  return `${name}, ${structure.name}: ${done.join(", ")}${sealed ? ", sealed" : ""}`;
}

const written = Buffer.alloc(4096, WRITTEN);

/** Whether a block of the journal holds what the workload writes into files. */
const dataInJournal = ({ journal, media }: Target): boolean =>
  journal.some(({ at, length }) => {
    for (let offset = at; offset < at + length; offset += 4096)
      if (written.equals(media.subarray(offset, offset + 4096))) return true;
    return false;
  });

/** Mounts the damaged image, uses it, and looks whether anything happened that must not. */
function tryOne(target: Target, random: () => number, met: Met, messages: Set<string>): string | undefined {
  const { mem, media, before } = target;
  media.copy(before);
  const mounted = mount(mem, design.options);
  if ("message" in mounted) {
    messages.add(mounted.message.replaceAll(/0x[0-9a-f]+|(?<![a-z])\d+/g, "N"));
    return media.equals(before) ? undefined : "a mount that was refused has written";
  }
  const sys = new Sys(mem, design, HOST_TASK);
  const tree = lookAround(sys, met);
  sys.sync();
  if (!media.equals(before)) return "mounting and reading have written";
  changeThings(sys, met, tree, random);
  unmount(superBlock(mem));
  check(mem);
  if (dataInJournal(target)) return "a file's bytes were written into the journal";
  const outside = media.length - GUARD_LENGTH;
  return media.subarray(outside).equals(before.subarray(outside)) ? undefined : "bytes outside were written";
}

export default function run({ sources, first, count, progress }: Share): Outcome {
  const targets = sources.map(prepare);
  const failures: string[] = [];
  const met: Met = { codes: new Set(), reasons: new Set() };
  const messages = new Set<string>();
  let refused = 0;
  for (let seed = first; seed < first + count && failures.length < 5; seed++) {
    Atomics.store(progress, 0, seed);
    const random = generator(seed);
    const target = targets[seed % targets.length] as Target;
    const what = damage(target, random);
    let failure: string | undefined;
    try {
      failure = tryOne(target, random, met, messages);
    } catch (error) {
      failure = (error as Error).stack ?? String(error);
    }
    if (superBlock(target.mem).rootAt === 0) refused += 1;
    if (failure !== undefined) failures.push(`seed ${seed} (${what}): ${failure}`);
    restoreSnapshot(target.mem);
  }
  const named = new Set([...met.reasons].map((reason) => reason.replaceAll(/\d+/g, "N")));
  return { failures, refused, codes: [...met.codes], named: [...named], messages: [...messages] };
}
