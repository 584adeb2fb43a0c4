// Journals damaged block by block, with checksums made right again and not.  For the tests, and in greater number
// for the benchmark.

import type { Memory } from "../../../src/machine/memory.ts";
import { mediaAt, storeBytes, storeCopy } from "../../../src/machine/pmem.ts";
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/snapshot.ts";
import {
  CommitBlock,
  commitBlockSum,
  hasBlockSums,
  JournalBlock,
  JournalHeader,
  JournalIncompat,
  JournalSuperBlock,
  recordsSum,
  storeRecordsSum,
} from "../../../src/ext4/media/journal.ts";
import { seedOf } from "../../../src/ext4/media/sums.ts";
import { mount, unmount } from "../../../src/ext4/mount/mount.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { bareMachine } from "../../support/machine.ts";
import { BLOCK, content, sealSuperBlock, withJournal, type Base, type Journal } from "./build.ts";

/** Media behind the file system, which nobody may write. */
const GUARD = 4 * BLOCK;
const GUARD_BYTE = 0xa7;

interface Subject {
  readonly mem: Memory;
  readonly name: string;
  /** The media as it is before the damage, the guard included. */
  readonly pristine: Uint8Array;
  /** Addresses of the journal's superblock and of the blocks of its log; of those that are no copies. */
  readonly blocks: readonly number[];
  readonly records: readonly number[];
  readonly seed: number;
  readonly checked: boolean; // blocks have checksums, where the damage leaves it so
  /** The blocks that transactions change, and their first bytes after none, one, two … transactions. */
  readonly targets: readonly number[];
  readonly states: readonly string[];
  readonly length: number; // of the file system
}

export interface Tally {
  mounted: number;
  /** Sentences, with the numbers taken out. */
  readonly refused: Map<string, number>;
  readonly problems: string[];
}

const { revoke, "64bit": wide, csum_v2, csum_v3 } = JournalIncompat;
const KINDS: readonly [string, number][] = [
  ["no checksums", revoke],
  ["csum_v2", revoke | csum_v2],
  ["csum_v3, 64bit", revoke | wide | csum_v3],
];

function subject(base: Base, name: string, incompat: number): Subject {
  const [a, b, c, d] = base.free as [number, number, number, number];
  const transactions: Journal["transactions"] = [
    {
      blocks: [
        [a, 1],
        [b, 2],
        [c, "magic"],
      ],
    },
    {
      blocks: [
        [d, 3],
        [a, 4],
      ],
      revokes: [b],
    },
    {
      blocks: [
        [b, 5],
        [c, 6],
      ],
      revokes: [d],
    },
  ];
  const { image, end, records } = withJournal(base, { incompat, transactions });
  const guarded = new Uint8Array(image.length + GUARD).fill(GUARD_BYTE);
  guarded.set(image);
  const mem = bareMachine({ image: guarded });
  const addressOf = (index: number): number => mediaAt(mem, (base.journal[index] as number) * BLOCK);
  const blocks = Array.from({ length: end }, (_, index) => addressOf(index));
  const targets = [a, b, c, d].map((block) => mediaAt(mem, block * BLOCK));
  const old = targets.map((at) => mem.u8[at] as number);
  const magic = content("magic")[0] as number;
  // What e2fsck makes of each prefix: test/ext4/recovery/recover.test.ts holds the rules to it.
  const states = [old, [1, 2, magic, old[3]], [4, old[1], magic, 3], [4, 5, 6, old[3]]].map(String);
  takeSnapshot(mem);
  const seed = seedOf(mem, (blocks[0] as number) + 48);
  return {
    mem,
    name,
    pristine: guarded,
    blocks,
    records: [0, 0, ...records].map(addressOf),
    seed,
    checked: hasBlockSums(incompat),
    targets,
    states,
    length: image.length,
  };
}

/** A generator of whole numbers below a limit, the same for the same seed. */
function dice(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

const WORDS = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 0x7f, 0x80, 0xff, 0x1000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
  0xc03b3998,
];

/** Changes up to three places of a block, most of them where its numbers lie. */
function damage(mem: Memory, at: number, roll: (limit: number) => number): void {
  for (let left = 1 + roll(3); left > 0; left--) {
    const reach = [64, 256, 1024, BLOCK][roll(4)] as number;
    const place = at + roll(reach);
    if (roll(2) === 0) storeBytes(mem, place, new Uint8Array([roll(256)]));
    else {
      const bytes = new Uint8Array(4);
      new DataView(bytes.buffer).setUint32(0, WORDS[roll(WORDS.length)] as number);
      storeBytes(mem, place & ~3, bytes);
    }
  }
}

function seal({ mem, blocks, seed, checked }: Subject, at: number): void {
  if (at === blocks[0]) return sealSuperBlock(mem, at);
  if (!checked) return;
  const type = JournalHeader.of(mem, at).h_blocktype;
  if (type === JournalBlock.commit) CommitBlock.of(mem, at).h_chksum = commitBlockSum(mem, seed, at);
  else storeRecordsSum(mem, at, recordsSum(mem, seed, at));
}

interface Outcome {
  readonly sentence: string | undefined;
  readonly problem: string | undefined;
}

/** Damages a block of the journal and mounts: what came of it. */
function once(tested: Subject, roll: (limit: number) => number): Outcome {
  const { mem, blocks, records } = tested;
  const among = roll(4) === 0 ? blocks : records;
  const at = among[roll(among.length)] as number;
  damage(mem, at, roll);
  const sealed = roll(2) === 0;
  if (sealed) seal(tested, at);
  // Sometimes a block of the log lies where another one should.
  const also = roll(8) === 0 ? (blocks[1 + roll(blocks.length - 1)] as number) : at;
  if (also !== at) storeCopy(mem, also, at, BLOCK);
  // Without the feature in its superblock, nothing of a journal is checked.  Linux believes that as well.
  const raw = JournalSuperBlock.of(mem, blocks[0] as number);
  const hasSums = raw.h_blocktype === JournalBlock.superblock2 && hasBlockSums(raw.s_feature_incompat);
  const damaged = tested.pristine.slice();
  for (const block of [at, also]) damaged.set(mem.read(block, BLOCK), block - mediaAt(mem, 0));
  const result = mount(mem);
  const sentence = "message" in result ? result.message : undefined;
  if (sentence === undefined) unmount(superBlock(mem));
  return { sentence, problem: problemOf(tested, damaged, sentence, !sealed && hasSums) };
}

/** What must not be.  `evident`: the damage shows in a checksum. */
function problemOf(
  { mem, targets, states, length }: Subject,
  before: Uint8Array,
  sentence: string | undefined,
  evident: boolean,
): string | undefined {
  const media = Buffer.from(mem.buffer, mediaAt(mem, 0), before.length);
  if (media.compare(before, length, before.length, length, before.length) !== 0)
    return "media behind the end was written";
  if (!evident) return undefined;
  if (sentence !== undefined)
    return media.compare(before) === 0 ? undefined : `refused, and written: ${sentence}`;
  const state = targets.map((target) => mem.u8[target]).join();
  return states.includes(state) ? undefined : `the end of no transaction: ${state}`;
}

/** `runs` damaged journals of each kind. */
export function fuzzJournals(base: Base, runs: number, seed: number): Tally {
  const tally: Tally = { mounted: 0, refused: new Map(), problems: [] };
  for (const [name, incompat] of KINDS) {
    const tested = subject(base, name, incompat);
    for (let run = 0; run < runs; run++) {
      const { sentence, problem } = once(tested, dice(seed + run * 7919));
      if (problem !== undefined) tally.problems.push(`${name}, seed ${seed + run * 7919}: ${problem}`);
      if (sentence === undefined) tally.mounted += 1;
      else {
        const kind = sentence.replaceAll(/0x[0-9a-f]+|\d+/g, "N");
        tally.refused.set(kind, (tally.refused.get(kind) ?? 0) + 1);
      }
      restoreSnapshot(tested.mem);
    }
  }
  return tally;
}
