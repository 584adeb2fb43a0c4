// The journal's format, held to journals that Linux wrote.

import { describe, expect, test } from "vitest";
import { createMemory, header } from "../../../src/machine/layout.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import {
  CommitBlock,
  commitBlockSum,
  hasBlockSums,
  JOURNAL_MAGIC,
  JournalBlock,
  JournalHeader,
  JournalIncompat,
  JournalSuperBlock,
  journalSuperBlockSum,
  recordsEnd,
  recordsSum,
  RevokeHeader,
  storedRecordsSum,
  storeRecordsSum,
  tagBlock,
  TagFlag,
  tagFlags,
  taggedSum,
  tagSize,
  tagSumMatches,
  TAG_UUID,
  writeTag,
} from "../../../src/ext4/media/journal.ts";
import { seedOf } from "../../../src/ext4/media/sums.ts";
import { crashImage } from "../../golden/crash.ts";
import { debugfs, debugfsDump } from "../../support/e2fsprogs.ts";

const BLOCK = 4096;

/** The journal of an image by itself, and what debugfs says is logged where. */
function journalOf(number: number) {
  const image = crashImage(number);
  const bytes = debugfsDump(image, "<8>");
  const mem = createMemory(bytes.length);
  const { start } = header(mem).media;
  mem.write(start, bytes);
  const logged = [
    ...debugfs(image, "logdump -a").matchAll(/FS block (\d+) logged at journal block (\d+)/g),
  ].map((match) => match.slice(1, 3).map(Number));
  return { mem, start, logged, raw: JournalSuperBlock.of(mem, start) };
}

interface Walk {
  logged: number[][];
  blocks: number;
  revoked: number;
}

/** Walks the log from its start, and expects every checksum to be the one that we compute. */
function walk(mem: Memory, start: number, raw: JournalSuperBlock): Walk {
  const { s_feature_incompat: incompat, s_maxlen: length } = raw;
  const seed = seedOf(mem, raw.s_uuid);
  const found: Walk = { logged: [], blocks: 0, revoked: 0 };
  let at = raw.s_start;
  const next = (): number => {
    const here = at;
    at = at + 1 === length ? raw.s_first : at + 1;
    found.blocks += 1;
    return start + here * BLOCK;
  };
  for (let sequence = raw.s_sequence; ;) {
    const block = next();
    const { h_magic, h_blocktype, h_sequence } = JournalHeader.of(mem, block);
    if (h_magic !== JOURNAL_MAGIC || h_sequence !== sequence) return found;
    if (h_blocktype === JournalBlock.commit) {
      expect(commitBlockSum(mem, seed, block)).toBe(CommitBlock.of(mem, block).h_chksum);
      sequence += 1;
      continue;
    }
    const sum = recordsSum(mem, seed, block);
    expect(sum).toBe(storedRecordsSum(mem, block));
    storeRecordsSum(mem, block, sum);
    expect(recordsSum(mem, seed, block)).toBe(storedRecordsSum(mem, block));
    if (h_blocktype === JournalBlock.revoke) {
      found.revoked += (RevokeHeader.of(mem, block).r_count - RevokeHeader.size) / 8;
      continue;
    }
    expect(h_blocktype).toBe(JournalBlock.descriptor);
    for (let tag = block + JournalHeader.size; tag < block + recordsEnd(incompat);) {
      const flags = tagFlags(mem, tag);
      const number = tagBlock(mem, tag, incompat);
      const journalBlock = at;
      const data = next();
      const mine = taggedSum(mem, seed, sequence, data);
      expect(tagSumMatches(mem, tag, incompat, mine)).toBe(true);
      expect(tagSumMatches(mem, tag, incompat, mine ^ 1)).toBe(false);
      const before = mem.read(tag, tagSize(incompat));
      writeTag(mem, tag, incompat, number, flags, mine);
      expect(mem.read(tag, tagSize(incompat))).toEqual(before);
      found.logged.push([number, journalBlock]);
      tag += tagSize(incompat) + ((flags & TagFlag.sameUuid) === 0 ? TAG_UUID : 0);
      if ((flags & TagFlag.last) !== 0) break;
    }
  }
}

describe("a journal that Linux left behind", () => {
  test.each([1, 2, 3])("image %i: debugfs and we read the same, and all checksums are ours", (number) => {
    const { mem, start, raw, logged } = journalOf(number);
    expect(raw.h_magic).toBe(JOURNAL_MAGIC);
    expect(raw.s_checksum).toBe(journalSuperBlockSum(mem, start));
    expect(hasBlockSums(raw.s_feature_incompat)).toBe(true);
    expect(raw.s_feature_incompat).toBe(
      JournalIncompat.revoke | JournalIncompat["64bit"] | JournalIncompat.csum_v3,
    );
    const found = walk(mem, start, raw);
    expect(found.blocks).toBeGreaterThan(100);
    expect(found.logged).toEqual(logged);
  });
});
