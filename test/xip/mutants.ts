// The serialized design with one line of defence taken out, and the scenario that must notice.

import { fileURLToPath } from "node:url";
import type { PromiseName } from "../../src/index.ts";
import { besides } from "../history/claims.ts";
import { both, dropping, replacing, type Change } from "../support/mutate.ts";

export interface Mutant {
  /** What is missing: the end of the sentence "without …". */
  readonly without: string;
  readonly change: Change;
  /** A built-in one, or a module's path. */
  readonly scenario: string;
  readonly breaks: PromiseName;
  /** The module of src/xip/ that is changed, where it is not the design. */
  readonly module?: string;
  /** Lock checking is on: without it no schedule shows that something is missing. */
  readonly lockdep?: 1;
}

/** Where a file grows, and what is done there about the bytes behind its end. */
const tails = [
  { where: "truncateLocked", tail: /zeroTail\(inode, old\)/ },
  { where: "writeLocked", tail: /zeroTail\(inode, size\)/ },
  { where: "reserveLocked", tail: /zeroTail\(inode, size\)/ },
  { where: "changeLocked", tail: /zeroTail\(inode, readSize\(inode\)\)/ },
];

const unmapZeroPage = /if \(typeof made !== "number"\)\s*unmapRange\([^;]*\);\n/;
const lockAlone = "downWrite(inode.dataSem);";
const unlockAlone = "upWrite(inode.dataSem);";

export const mutants: Mutant[] = [
  {
    without: "rwsem in read",
    change: dropping("read", "downRead(inode.rwsem);", "upRead(inode.rwsem);"),
    scenario: "truncate-and-reuse",
    breaks: "no-stale-data",
  },
  {
    without: "rwsem in write",
    change: dropping("write", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "write-beside-truncate",
    breaks: "no-stale-data",
  },
  {
    without: "rwsem in truncate",
    change: dropping("truncate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "write-beside-truncate",
    breaks: "no-stale-data",
  },
  {
    without: "rwsem in fallocate",
    change: dropping("fallocate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "fallocate-next-door",
    breaks: "claim",
  },
  {
    without: "invalidateSem in fault",
    change: dropping("fault", "downRead(inode.invalidateSem);", "upRead(inode.invalidateSem);"),
    scenario: "store-beside-truncate",
    breaks: "no-freed-mapping",
  },
  {
    without: "invalidateSem in truncate",
    change: dropping("truncate", "downWrite(inode.invalidateSem);", "upWrite(inode.invalidateSem);"),
    scenario: "truncate-and-reuse",
    breaks: "no-stale-data",
  },
  {
    without: "dataSem where a hole is mapped",
    change: dropping("mapHole", "downRead(inode.dataSem);", "upRead(inode.dataSem);"),
    scenario: "zero-page",
    breaks: "no-lost-write",
  },
  {
    without: "dataSem until the zero page is unmapped: it is dropped before",
    change: both(
      replacing("makeWritten", unmapZeroPage, ""),
      replacing(
        "makeWritten",
        /upWrite\(inode\.dataSem\);/,
        `${unlockAlone} if (typeof made !== "number") unmapRange(inode.mapping, block, block, false);`,
      ),
    ),
    scenario: "write-into-new-block",
    breaks: "no-lost-write",
  },
  {
    without: "unmapping the zero page after the hole is filled: it is unmapped before",
    change: both(
      replacing("makeWritten", unmapZeroPage, ""),
      replacing(
        "makeWritten",
        /downWrite\(inode\.dataSem\);/,
        `unmapRange(inode.mapping, block, block, false); ${lockAlone}`,
      ),
    ),
    scenario: "zero-page",
    breaks: "no-freed-mapping",
  },
  {
    without: "unmapping the zero page of a hole that is filled",
    change: replacing("makeWritten", unmapZeroPage, ""),
    scenario: "zero-page",
    breaks: "no-freed-mapping",
  },
  {
    without: "unmapping the zero pages of blocks that are zeroed around the one that is written",
    change: replacing("makeWritten", /made\.start, made\.start \+ made\.length - 1/, "block, block"),
    scenario: fileURLToPath(new URL("./scenarios/zeroed-around.js", import.meta.url)),
    breaks: "no-lost-write",
  },
  {
    without: "dataSem around zeroing and converting",
    change: dropping("makeWritten", lockAlone, unlockAlone),
    scenario: "two-store-faults",
    breaks: "no-lost-write",
  },
  {
    without: "the zeroing before the unlock: it comes after",
    change: both(
      replacing("zeroAndConvert", /streamZeros\([^;]*\);/, ""),
      replacing(
        "makeWritten",
        /upWrite\(inode\.dataSem\);/,
        `${unlockAlone} if (typeof made !== "number") streamZeros(inode.mem, mediaAddress(superBlock(inode.mem), mediaBlock(made, block)), PAGE_SIZE);`,
      ),
    ),
    scenario: "write-beside-load",
    breaks: "no-stale-data",
  },
  {
    without: "the second look under the lock",
    change: replacing("zeroAndConvert", /if \(found\.state === State\.written\)\s*return [^;]*;/, ""),
    scenario: "two-store-faults",
    breaks: "no-lost-write",
  },
  {
    without: "unmapping what is truncated",
    change: replacing("truncateLocked", /unmapRange\([^;]*\);/, ""),
    scenario: "truncate-and-reuse",
    breaks: "no-freed-mapping",
  },
  {
    without: "dataSem around reserving a hole in fallocate",
    change: dropping("reserveHoles", lockAlone, unlockAlone),
    scenario: "store-beside-fallocate",
    breaks: "consistent",
    module: "space",
  },
  {
    without: "invalidateSem in fallocate",
    change: dropping("changeLocked", "downWrite(inode.invalidateSem);", "upWrite(inode.invalidateSem);"),
    scenario: "punch-beside-store",
    breaks: "no-freed-mapping",
  },
  {
    without: "invalidateSem in fallocate, for a zero range",
    change: dropping("changeLocked", "downWrite(inode.invalidateSem);", "upWrite(inode.invalidateSem);"),
    scenario: "zero-beside-store",
    breaks: "no-lost-write",
  },
  {
    without: "rwsem in fallocate, for a punch beside a read",
    change: dropping("fallocate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "punch-beside-read",
    breaks: "no-stale-data",
  },
  {
    without: "rwsem in fallocate, for a punch beside a write",
    change: dropping("fallocate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "punch-beside-write",
    breaks: "no-stale-data",
  },
  {
    without: "rwsem in fallocate, for a zero range that grows the file",
    change: dropping("fallocate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "zero-beside-write",
    breaks: "doors-agree",
  },
  {
    without: "unmapping what is punched",
    change: replacing("punchHole", /unmapRange\([^;]*\);/, ";"),
    scenario: "punch-beside-store",
    breaks: "no-freed-mapping",
    module: "ranges",
  },
  {
    without: "unmapping what a zero range covers",
    change: replacing("zeroRange", /unmapRange\([^;]*\);/, ""),
    scenario: "zero-beside-store",
    breaks: "no-lost-write",
    module: "ranges",
  },
  {
    without: "the end in the last block of a zero range: all of the block is zeroed",
    change: replacing("zeroEdges", /, end\)(?=;\n\}$)/, ", pagesIn(end) * PAGE_SIZE)"),
    scenario: "zero-beside-write",
    breaks: "no-lost-write",
    module: "ranges",
  },
  {
    without: "zeroing what a zero range has left unwritten",
    change: replacing("zeroAndConvert", /streamZeros\([^;]*\);/, ""),
    scenario: "zero-beside-read",
    breaks: "no-stale-data",
  },
  {
    // Nobody but FIEMAP and SEEK_HOLE looks at the tree meanwhile, and of a change without a step in it nobody sees a half:
    // what tells is the assertion that the tree is locked.
    without: "dataSem around removing what is punched",
    change: dropping("removeBlocks", lockAlone, unlockAlone),
    scenario: "punch-beside-read",
    breaks: "no-bug",
    lockdep: 1,
    module: "ranges",
  },
  {
    without: "dataSem around making written blocks unwritten",
    change: dropping("makeUnwritten", lockAlone, unlockAlone),
    scenario: "zero-beside-read",
    breaks: "no-bug",
    lockdep: 1,
    module: "ranges",
  },
  ...tails.map(({ where, tail }): Mutant => ({
    without: `zeroing behind the end of a file that grows in ${where}`,
    change: replacing(where, tail, "0"),
    scenario: besides("stored-behind-end"),
    breaks: "claim",
  })),
];
