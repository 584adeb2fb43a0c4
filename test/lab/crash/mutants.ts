// The order in which data, log and superblocks reach the media, with one mistake in it, and the scenario that must notice.

import type { PromiseName } from "../../../src/index.ts";
import { both, dropping, replacing, type Change } from "../../support/mutate.ts";

export interface CrashMutant {
  /** What is missing, or what is done instead: the end of the sentence "without …". */
  readonly without: string;
  /** The module of src/ that is changed. */
  readonly module: string;
  readonly change: Change;
  /** A built-in one. */
  readonly scenario: string;
  readonly breaks: PromiseName;
  /** The serialized one unless it says otherwise. */
  readonly design?: string;
  readonly preemptions?: number;
  /** Seen only when the power fails again, during recovery. */
  readonly nested?: true;
}

const FENCE = "fence(mem);";

/** One more name from the module that another one comes from. */
const alsoImporting =
  (name: string, beside: string): Change =>
  (text) =>
    text.replace(new RegExp(`(import \\{[^}]*\\b${beside}\\b)`), `$1, ${name}`);

export const mutants: CrashMutant[] = [
  {
    without: "flushing what was stored through a mapping",
    module: "xip/write-back",
    change: replacing("flushPage", /flush\([^;]*;/, ";"),
    scenario: "store-and-sync",
    breaks: "no-lost-write",
  },
  {
    without: "taking the right to store away when a page is flushed",
    module: "xip/write-back",
    change: dropping("writeBackPage", "protectPage(inode.mapping, page);"),
    scenario: "store-and-sync",
    breaks: "no-lost-write",
  },
  {
    without: "zeroing past the caches: zeros are stored, and nobody flushes them",
    module: "xip/copy",
    change: replacing("streamZeros", /true/, "false"),
    scenario: "write-and-sync",
    breaks: "no-stale-data",
  },
  {
    without: "copying past the caches: the copy is stored, and nobody flushes it",
    module: "mm/user",
    change: replacing("copyFrom", /streamBytes\(([^;]*), [^,;]*\);/, "storeBytes($1);"),
    scenario: "write-and-sync",
    breaks: "no-lost-write",
  },
  {
    without: "a fence at an fsync that has nothing to commit",
    module: "ext4/journal/commit",
    change: replacing("commit", /if \(result === 0 && !changed\)\s*fence\(mem\);/, ""),
    scenario: "store-and-sync",
    breaks: "no-lost-write",
  },
  {
    without: "a fence behind the commit block",
    module: "ext4/journal/commit",
    change: replacing("commitRunning", /(writeCommitBlock\(cursor\);\s*)fence\(mem\);/, "$1"),
    scenario: "append-and-sync",
    breaks: "no-lost-write",
  },
  {
    without: "a fence between the blocks and what makes them count",
    module: "ext4/journal/log",
    change: dropping("writeCommitBlock", FENCE),
    scenario: "second-turn",
    breaks: "consistent",
  },
  {
    without: "writing the commit block's first word by itself",
    module: "ext4/journal/log",
    change: replacing("writeCommitBlock", /raw\.h_magic = 0;\s*raw\.h_blocktype = 0;/, "fence(mem);"),
    scenario: "second-turn",
    breaks: "consistent",
  },
  {
    without: "a revoke for a freed block of metadata",
    module: "ext4/journal/commit",
    change: dropping("close", "writeRevokes(cursor);"),
    scenario: "freed-tree-block",
    breaks: "no-lost-write",
  },
  {
    without: "holding freed blocks until the commit",
    module: "ext4/journal/held",
    change: replacing("holdBlocks", /journal\.length === 0/, "true"),
    scenario: "truncate-and-reuse-crash",
    breaks: "no-stale-data",
  },
  {
    without: "keeping freed blocks from the kernel's allocator until the commit",
    module: "ext4/journal/held",
    change: replacing("holdBlocks", /journal\.length === 0/, "true"),
    scenario: "truncate-and-reuse-crash",
    design: "dax-6.1",
    breaks: "no-stale-data",
  },
  {
    without: "a commit when a directory is synced",
    module: "syscalls/data/sync",
    change: replacing("syncDescriptor", /commit\(superBlock\(caller\.mem\)\)/, "0"),
    scenario: "rename-over",
    breaks: "no-lost-write",
  },
  {
    without: "writing a transaction's blocks past the caches: they are stored, and nobody flushes them",
    module: "ext4/journal/log",
    change: both(
      alsoImporting("storeCopy", "streamCopy"),
      replacing("writeBlock", /streamCopy\(([^;]*), [^,;]*\);/, "storeCopy($1);"),
    ),
    scenario: "append-and-sync",
    breaks: "consistent",
  },
  {
    without: "zeroing past the caches what a small extent is converted with",
    module: "ext4/extents/zero-out",
    change: both(
      alsoImporting("storeFill", "streamFill"),
      replacing("zeroBlocks", /streamFill\(/, "storeFill("),
    ),
    scenario: "write-and-sync",
    design: "dax-6.1",
    breaks: "no-stale-data",
  },
  {
    without: "a fence where there is no journal",
    module: "ext4/journal/commit",
    change: dropping("writeInPlace", FENCE),
    scenario: "without-journal",
    breaks: "no-lost-write",
  },
  {
    without: "zeroing before the conversion commits: the block is zeroed after",
    module: "xip/designs/ext4-xip-serialized",
    change: both(
      replacing("zeroAndConvert", /streamZeros\([^;]*\);/, ""),
      replacing("writeBlocks", /const copied =/, "commit(superBlock(mem)); const copied ="),
    ),
    scenario: "write-and-sync",
    breaks: "no-stale-data",
  },
  {
    without: "a fence between the blocks that recovery brings home and the log that is said to be empty",
    module: "ext4/journal/recovery/replay",
    change: replacing("writeCopies", /if \(copies\.length > 0\)\s*fence\(mem\);/, ""),
    scenario: "write-and-sync",
    breaks: "consistent",
    nested: true,
  },
  {
    without: "saying that the log is empty after its blocks are home: it is said before",
    module: "ext4/journal/recovery/recover",
    change: replacing("recoverJournal", /(writeCopies\([^;]*;)/, "finishRecovery(log, sequence); $1"),
    scenario: "append-and-sync",
    breaks: "consistent",
    nested: true,
  },
  {
    without: "bringing the superblock home as a whole",
    module: "ext4/journal/superblock",
    change: replacing("writeHome", /block !== 0/, "true"),
    scenario: "unlink-while-open",
    breaks: "consistent",
    nested: true,
  },
];

/** The same where no program's calls are the reason: what a whole life, a recovery, or an abort leaves (orders.ts). */
export interface OrderMutant {
  readonly without: string;
  readonly module: string;
  readonly change: Change;
  readonly seenIn: "a life" | "a recovery" | "a recovery of an error" | "an abort";
}

export const orderMutants: OrderMutant[] = [
  {
    without: "a fence between the blocks of a checkpoint and the tail that lets go of their copies",
    module: "ext4/journal/checkpoint",
    change: replacing("checkpoint", /if \(buffers\.length > 0\)\s*fence\(mem\);/, ""),
    seenIn: "a life",
  },
  {
    without: "a fence between an empty log and the superblock that says so",
    module: "ext4/journal/checkpoint",
    change: dropping("advanceTail", "fence(sb.mem);"),
    seenIn: "a life",
  },
  {
    without: "a fence between the superblock's mark and the first transaction's log",
    module: "ext4/journal/superblock",
    change: dropping("writeNeedsRecovery", FENCE),
    seenIn: "a life",
  },
  {
    without: "bringing the superblock home as a whole, in a checkpoint",
    module: "ext4/journal/superblock",
    change: replacing("writeHome", /block !== 0/, "true"),
    seenIn: "a life",
  },
  {
    without: "a fence between the empty log and the superblock that asks for it no more",
    module: "ext4/journal/recovery/replay",
    change: dropping("emptyLog", FENCE),
    seenIn: "a recovery",
  },
  {
    without: "a fence between the error's mark and the log that forgets it",
    module: "ext4/journal/recovery/replay",
    change: replacing("writeSuperBlock", /fence\([^;]*;/, ""),
    seenIn: "a recovery of an error",
  },
  {
    without: "a fence behind the error that stops the journal",
    module: "ext4/journal/superblock",
    change: dropping("abortJournal", "fence(sb.mem);"),
    seenIn: "an abort",
  },
];
