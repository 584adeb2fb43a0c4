// Recovery of journals of every kind, held to what e2fsck makes of the same image: every block of it.

import { describe, expect, test } from "vitest";
import { JournalCompat, JournalIncompat, JournalSuperBlock } from "../../../src/ext4/media/journal.ts";
import { mount, unmount } from "../../../src/ext4/mount/mount.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { mediaAt } from "../../../src/machine/pmem.ts";
import { debugfs, dumpe2fs, e2fsck, e2fsckRepairs } from "../../support/e2fsprogs.ts";
import { bareMachine, imageOf } from "../../support/machine.ts";
import {
  BLOCK,
  makeBase,
  sealSuperBlock,
  withJournal,
  type Base,
  type Journal,
  type Written,
} from "./build.ts";

const base = makeBase();
const plain = makeBase(undefined, ["-O", "^metadata_csum"]);
const [a, b, c, d, e] = base.free as [number, number, number, number, number];
const { revoke, "64bit": wide, csum_v2, csum_v3, async_commit } = JournalIncompat;

/** The image after mount and unmount, or why it is not mounted; then the image did not change. */
function recovered(image: Uint8Array): Uint8Array | string {
  const mem = bareMachine({ image });
  const result = mount(mem);
  if ("message" in result) {
    expect(Buffer.compare(imageOf(mem), image)).toBe(0);
    return result.message;
  }
  expect(unmount(superBlock(mem))).toBe(0);
  return imageOf(mem);
}

/** The numbers of the blocks in which two images differ. */
function differences(one: Uint8Array, other: Uint8Array): number[] {
  const found: number[] = [];
  for (let at = 0; at < one.length; at += BLOCK) {
    if (Buffer.compare(one.subarray(at, at + BLOCK), other.subarray(at, at + BLOCK)) !== 0)
      found.push(at / BLOCK);
  }
  return found;
}

/** Expects ours and e2fsck's recovery to leave the same; the superblock and the journal's have their own times and counts. */
function expectAgreement({ journal }: Base, { image }: Written): Uint8Array {
  const ours = recovered(image);
  if (typeof ours === "string") throw new Error(ours);
  const theirs = e2fsckRepairs(image);
  expect(theirs.code & ~1).toBe(0);
  expect(differences(ours, theirs.image).filter((block) => block !== 0 && block !== journal[0])).toEqual([]);
  expect(e2fsck(ours)).toBe("");
  return ours;
}

const byteOf = (image: Uint8Array, block: number): number => image[block * BLOCK + 4] as number;

/** Four transactions: a block written twice, revoked, written after it was revoked, escaped; and one cut short. */
const story: Journal["transactions"] = [
  {
    blocks: [
      [a, 1],
      [b, 2],
      [c, "magic"],
    ],
  },
  { blocks: [[d, 3]], revokes: [b, c] },
  {
    blocks: [
      [a, 4],
      [c, 5],
      [e, "magic"],
    ],
  },
  {
    blocks: [
      [a, 6],
      [b, 7],
    ],
    seconds: "never",
  },
];

describe("a journal is recovered as e2fsck does it", () => {
  test.each<[string, Base, Omit<Journal, "transactions">]>([
    ["without features", plain, { incompat: revoke }],
    ["with 64bit", base, { incompat: revoke | wide }],
    ["with csum_v2", base, { incompat: revoke | csum_v2 }],
    ["with csum_v2 and 64bit", base, { incompat: revoke | wide | csum_v2 }],
    ["with csum_v3", base, { incompat: revoke | csum_v3 }],
    ["with csum_v3 and 64bit", base, { incompat: revoke | wide | csum_v3 }],
    ["with csum_v3 and async_commit", base, { incompat: revoke | csum_v3 | async_commit }],
    ["with one checksum for a transaction", plain, { incompat: revoke, compat: JournalCompat.checksum }],
    ["that wraps", base, { incompat: revoke | wide | csum_v3, start: 1018 }],
    ["that wraps inside a descriptor's blocks", plain, { incompat: revoke, start: 1022 }],
    ["whose sequence numbers wrap", base, { incompat: revoke | wide | csum_v3, sequence: 0xffff_fffe }],
  ])("%s", (_, on, features) => {
    const ours = expectAgreement(on, withJournal(on, { ...features, transactions: story }));
    expect([a, c, d].map((block) => byteOf(ours, block))).toEqual([4, 5, 3]);
    expect([b, e].map((block) => byteOf(ours, block))).toEqual([byteOf(on.image, b), 0x77]);
    expect(ours.subarray(e * BLOCK, e * BLOCK + 4)).toEqual(new Uint8Array([0xc0, 0x3b, 0x39, 0x98]));
  });

  test("with descriptors and revoke blocks that are full", () => {
    const many = base.free.slice(0, 380).map((block, index) => [block, index & 0xff] as const);
    const revokes = Array.from({ length: 600 }, (_, index) => base.free[index % 50] as number);
    const incompat = revoke | wide | csum_v3;
    const ours = expectAgreement(
      base,
      withJournal(base, { incompat, transactions: [{ blocks: many }, { revokes }] }),
    );
    expect(byteOf(ours, many[379]?.[0] as number)).toBe(379 & 0xff);
    expect(byteOf(ours, a)).toBe(byteOf(base.image, a));
  });
});

/** The journal of `story` with csum_v3, after `change` has seen its superblock and the address of its blocks. */
function damaged(
  change: (raw: JournalSuperBlock, block: (number: number) => number, written: Written) => void,
  journal: Partial<Journal> = {},
  seal = true,
): Written {
  const written = withJournal(base, { incompat: revoke | wide | csum_v3, transactions: story, ...journal });
  const mem = bareMachine({ image: written.image });
  const block = (number: number): number => mediaAt(mem, (base.journal[number] as number) * BLOCK);
  change(JournalSuperBlock.of(mem, block(0)), block, written);
  if (seal) sealSuperBlock(mem, block(0));
  return { ...written, image: imageOf(mem) };
}

test.each<[string, (raw: JournalSuperBlock) => void, RegExp]>([
  ["no magic number", (raw) => (raw.h_magic = 0), /has no superblock: its magic number is 0x0/],
  ["another type", (raw) => (raw.h_blocktype = 1), /h_blocktype is 1/],
  ["version 1", (raw) => (raw.h_blocktype = 3), /is of version 1, which knows nothing of metadata_csum/],
  ["other blocks", (raw) => (raw.s_blocksize = 1024), /s_blocksize is 1024/],
  ["more blocks than its inode", (raw) => (raw.s_maxlen = 1025), /counts 1025 blocks, its inode has 1024/],
  ["a huge number of blocks", (raw) => (raw.s_maxlen = 0xffff_ffff), /counts 4294967295 blocks/],
  ["too few blocks", (raw) => (raw.s_maxlen = 1023), /s_maxlen is 1023/],
  ["a ring that starts at 0", (raw) => (raw.s_first = 0), /s_first is 0/],
  ["a ring that starts behind the end", (raw) => (raw.s_first = 5000), /s_first is 5000/],
  ["a log that starts behind the end", (raw) => (raw.s_start = 1024), /s_start is 1024/],
  ["fast commits", (raw) => (raw.s_feature_incompat |= 0x20), /not supported: fast_commit$/],
  [
    "a feature of the future",
    (raw) => (raw.s_feature_incompat |= 0x40),
    /unknown incompatible feature 0x40$/,
  ],
  ["a read-only feature", (raw) => (raw.s_feature_ro_compat |= 2), /unknown read-only feature 0x2$/],
  ["checksums of two kinds", (raw) => (raw.s_feature_compat |= 1), /checksums of 2 kinds/],
  ["an unknown checksum", (raw) => (raw.mem.u8[raw.at + 80] = 1), /unknown kind of checksum: 1/],
])("a journal whose superblock has %s is refused by name", (_, change, sentence) => {
  const refused = recovered(damaged((raw) => change(raw)).image);
  expect(refused).toMatch(sentence);
});

test("a journal's superblock with a wrong checksum is refused", () => {
  const { image } = damaged((raw) => (raw.s_sequence += 1), {}, false);
  expect(recovered(image)).toBe("the checksum of the journal's superblock is wrong");
});

test.each<[string, Partial<Journal>, Parameters<typeof damaged>[0], RegExp]>([
  [
    "a copy",
    {},
    (raw, block, { copies }) => (raw.mem.u8[block(copies[0] as number) + 9]! ^= 1),
    /copy of block \d+ in transaction 7 has a wrong checksum/,
  ],
  [
    "a descriptor",
    {},
    (raw, block) => (raw.mem.u8[block(1) + 900]! ^= 1),
    /checksum is wrong in transaction 7/,
  ],
  [
    "a commit block",
    {},
    (raw, block, { records }) => (raw.mem.u8[block(records[1] as number) + 56]! ^= 1), // h_commit_nsec
    /checksum is wrong in transaction 7/,
  ],
  [
    "the end of a commit block and its fields",
    {},
    (raw, block, { records }) => {
      const at = block(records[1] as number);
      raw.mem.u8[at + 56]! ^= 1;
      raw.mem.fill(at + 64, 0xdb, BLOCK - 64);
    },
    /checksum is wrong in transaction 7/,
  ],
  [
    "a number beyond the file system",
    {
      transactions: [
        {
          blocks: [
            [a, 1],
            [2560, 1],
          ],
        },
      ],
    },
    () => {},
    /copy of block 2560 .*outside the file system, which has 2560 blocks/,
  ],
  [
    "a block of its own",
    { transactions: [{ blocks: [[base.journal[500] as number, 1]] }] },
    () => {},
    /belongs into the journal itself/,
  ],
  [
    "a revoke block without end",
    { incompat: revoke, transactions: [{ revokes: [a] }] },
    (raw, block) => (raw.mem.u8[block(1) + 14] = 0xff),
    /a revoke block says that it has 65300 bytes/,
  ],
])(
  "a log with %s damaged is refused with a sentence, and nothing is written",
  (_, journal, change, sentence) => {
    const { image } = damaged(change, journal);
    expect(recovered(image)).toMatch(sentence);
  },
);

test.each([
  ["csum_v2", csum_v2],
  ["csum_v3", csum_v3],
])(
  "a commit block of which the fields alone have arrived counts, with %s: in Linux 6.18 it does",
  (_, sums) => {
    const { image } = damaged(
      ({ mem }, block, { records }) => mem.fill(block(records[1] as number) + 64, 0xdb, BLOCK - 64),
      { incompat: revoke | sums, transactions: [{ blocks: [[a, 1]] }, { blocks: [[b, 2]] }] },
    );
    const ours = recovered(image);
    if (typeof ours === "string") throw new Error(ours);
    expect([a, b].map((block) => byteOf(ours, block))).toEqual([1, 2]);
    expect(e2fsck(ours)).toBe("");
  },
);

test.each<[string, Partial<Journal>, Parameters<typeof damaged>[0], number[]]>([
  [
    "a commit block that is not there",
    {},
    (raw, block, { records }) => raw.mem.fill(block(records[4] as number), 0, BLOCK),
    [1, 2],
  ],
  [
    "a block of an unknown type",
    {},
    (raw, block, { records }) => (raw.mem.u8[block(records[2] as number) + 7] = 9),
    [1, 2],
  ],
  [
    "a commit block of an older turn of the ring",
    {
      transactions: [
        {
          blocks: [
            [a, 1],
            [b, 2],
          ],
        },
        { blocks: [[a, 9]], seconds: 5 },
      ],
    },
    (raw, block, { records }) => (raw.mem.u8[block(records[3] as number) + 56]! ^= 1), // h_commit_nsec
    [1, 2],
  ],
  [
    "a descriptor of an older turn of the ring",
    {
      transactions: [
        {
          blocks: [
            [a, 1],
            [b, 2],
          ],
        },
        { blocks: [[a, 9]], seconds: 5 },
      ],
    },
    (raw, block, { records }) => (raw.mem.u8[block(records[2] as number) + 900]! ^= 1),
    [1, 2],
  ],
])("a log that is cut by %s ends before it, for e2fsck too", (_, journal, change, expected) => {
  const written = damaged(change, journal);
  const ours = expectAgreement(base, written);
  expect([a, b].map((block) => byteOf(ours, block))).toEqual(expected);
});

test("a ring full of one transaction's records has an end", () => {
  const { image } = damaged(
    (raw, block) => {
      for (let number = 2; number < 1024; number++) raw.mem.copy(block(number), block(1), BLOCK);
    },
    { transactions: [{ revokes: [a] }] },
  );
  const ours = recovered(image);
  expect(typeof ours).not.toBe("string");
});

test("a recovery that a power failure cuts anywhere is finished by the next one", () => {
  const { image } = withJournal(base, { incompat: revoke | wide | csum_v3, transactions: story });
  const whole = recovered(image) as Uint8Array;
  const changed = differences(image, whole);
  expect(changed).toEqual([0, base.journal[0], a, c, d, e]);
  // Some lines of the blocks have reached the media, and neither superblock.
  for (let turn = 0; turn < 12; turn++) {
    const cut = image.slice();
    for (const block of changed.slice(2)) {
      for (let line = 0; line < 64; line++) {
        const at = block * BLOCK + line * 64;
        if (((line * 7 + block + turn) * 2654435761) % 12 < turn) cut.set(whole.subarray(at, at + 64), at);
      }
    }
    expect(differences(recovered(cut) as Uint8Array, whole)).toEqual([]);
  }
  // All blocks and the journal's superblock have: only the mark is left.
  const marked = whole.slice();
  marked.set(image.subarray(0, BLOCK));
  expect(differences(recovered(marked) as Uint8Array, whole)).toEqual([]);
});

test("without the mark the log is not replayed, and emptied", () => {
  const { image } = withJournal(base, { incompat: revoke, transactions: story });
  image.set(base.image.subarray(0, BLOCK));
  const ours = recovered(image) as Uint8Array;
  expect(differences(ours, image)).toEqual([base.journal[0]]);
  expect(debugfs(ours, "logdump")).toContain("Journal starts at block 0");
});

test("an error that the journal recorded makes the image one that has errors", () => {
  const { image } = damaged((raw) => (raw.s_errno = -5 >>> 0));
  const mem = bareMachine({ image });
  expect(mount(mem)).toEqual({ message: "the image is marked as having errors: run e2fsck on it first" });
  expect(dumpe2fs(imageOf(mem))).toMatch(/Filesystem state: +clean with errors/);
  expect(byteOf(imageOf(mem), a)).toBe(4);
});
