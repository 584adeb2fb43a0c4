// Recovery: how long a mount takes with a full journal, and many damaged journals.

import { MIB } from "../../src/machine/limits.ts";
import { mediaAt } from "../../src/machine/pmem.ts";
import { restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { JournalIncompat } from "../../src/ext4/media/journal.ts";
import { mount, unmount } from "../../src/ext4/mount/mount.ts";
import { superBlock } from "../../src/ext4/super.ts";
import { makeBase, withJournal, type Transaction } from "../ext4/recovery/build.ts";
import { fuzzJournals } from "../ext4/recovery/fuzz.ts";
import { bareMachine } from "../support/machine.ts";
import { median, print, round } from "./figures.ts";

/** Blocks that a transaction has besides its copies here: a descriptor and a commit block. */
const RECORDS = 2;
const COPIES = 250;
const ROUNDS = 7;

/** Milliseconds that mount takes, and how many blocks it brings home. */
function mountFull(journalMib: number): { ms: number; blocks: number } {
  const base = makeBase(4 * journalMib * MIB, ["-J", `size=${journalMib}`], 8200);
  const transactions: Transaction[] = [];
  const room = base.journal.length - 2;
  for (let used = 0; used + COPIES + RECORDS <= room; used += COPIES + RECORDS) {
    const first = transactions.length * COPIES;
    transactions.push({ blocks: base.free.slice(first, first + COPIES).map((block) => [block, 1] as const) });
  }
  const incompat = JournalIncompat.revoke | JournalIncompat["64bit"] | JournalIncompat.csum_v3;
  const mem = bareMachine({ image: withJournal(base, { incompat, transactions }).image });
  takeSnapshot(mem);
  const times: number[] = [];
  for (let turn = 0; turn < ROUNDS; turn++) {
    const begin = performance.now();
    const result = mount(mem);
    times.push(performance.now() - begin);
    if ("message" in result) throw new Error(result.message);
    const last = transactions.at(-1)?.blocks?.at(-1)?.[0] as number;
    if (mem.u8[mediaAt(mem, last * 4096)] !== 1) throw new Error("the last block was not brought home");
    unmount(superBlock(mem));
    restoreSnapshot(mem);
  }
  return { ms: median(times), blocks: transactions.length * COPIES };
}

const FUZZED = 10_000;

export function benchRecovery(): void {
  console.log("recovery");
  const { ms, blocks } = mountFull(32);
  print(`mount with a full journal of 32 MiB, ${blocks} blocks`, `${ms.toFixed(0)} ms`, "300 ms");
  const begin = performance.now();
  const { mounted, refused, problems } = fuzzJournals(
    makeBase(),
    Math.ceil(FUZZED / 3),
    Math.trunc(begin * 1000),
  );
  for (const problem of problems) console.log(`  ${problem}`);
  const told = [...refused.values()].reduce((sum, count) => sum + count, 0);
  print(
    `damaged journals: ${mounted} mounted, ${told} refused in ${refused.size} ways; problems`,
    `${problems.length}`,
    "0",
  );
  print(
    "each, with the damage and the way back",
    `${round(((performance.now() - begin) / FUZZED) * 1000)} µs`,
  );
}
