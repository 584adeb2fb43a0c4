// The serialized design with one line of defence taken out, and the built-in scenario that must notice.

import type { PromiseName } from "../../src/index.ts";
import { both, dropping, replacing, type Change } from "../support/mutate.ts";

export interface Mutant {
  /** What is missing: the end of the sentence "without …". */
  readonly without: string;
  readonly change: Change;
  readonly scenario: string;
  readonly breaks: PromiseName;
  /** The module of src/xip/ that is changed, where it is not the design. */
  readonly module?: string;
}

const unmapZeroPage = /if \(media > 0\)\s*unmapRange\([^;]*\);\n/;
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
    breaks: "no-freed-mapping",
  },
  {
    without: "dataSem until the zero page is unmapped: it is dropped before",
    change: both(
      replacing("makeWritten", unmapZeroPage, ""),
      replacing(
        "makeWritten",
        /upWrite\(inode\.dataSem\);/,
        `${unlockAlone} if (media > 0) unmapRange(inode.mapping, block, block, false);`,
      ),
    ),
    scenario: "zero-page",
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
        `${unlockAlone} if (media > 0) streamZeros(inode.mem, mediaAddress(superBlock(inode.mem), media), PAGE_SIZE);`,
      ),
    ),
    scenario: "write-beside-load",
    breaks: "no-stale-data",
  },
  {
    without: "the second look under the lock",
    change: replacing("zeroAndConvert", /if \(extent\.state === State\.written\)\s*return [^;]*;/, ""),
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
];
