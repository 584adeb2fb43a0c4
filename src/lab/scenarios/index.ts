// The built-in scenarios, in the order in which the matrix shows them.

import type { Scenario } from "../scenario.ts";
import preallocatedWrite from "./unwritten/preallocated-write.ts";
import splitInThree from "./unwritten/split-in-three.ts";
import twoReaders from "./unwritten/two-readers.ts";
import twoWriters from "./unwritten/two-writers.ts";
import writeBesideRead from "./unwritten/write-beside-read.ts";
import punchBesideRead from "./ranges/punch-beside-read.ts";
import punchBesideStore from "./ranges/punch-beside-store.ts";
import punchBesideWrite from "./ranges/punch-beside-write.ts";
import zeroBesideRead from "./ranges/zero-beside-read.ts";
import zeroBesideStore from "./ranges/zero-beside-store.ts";
import zeroBesideWrite from "./ranges/zero-beside-write.ts";
import twoStoreFaults from "./mapping/two-store-faults.ts";
import writeBesideLoad from "./mapping/write-beside-load.ts";
import writeBesideStore from "./mapping/write-beside-store.ts";
import writeFromOwnMapping from "./mapping/write-from-own-mapping.ts";
import writeIntoNewBlock from "./mapping/write-into-new-block.ts";
import zeroPage from "./mapping/zero-page.ts";
import fallocateNextDoor from "./size/fallocate-next-door.ts";
import storeBesideFallocate from "./size/store-beside-fallocate.ts";
import storeBesideTruncate from "./size/store-beside-truncate.ts";
import truncateAndReuse from "./size/truncate-and-reuse.ts";
import twoAppends from "./size/two-appends.ts";
import writeBesideTruncate from "./size/write-beside-truncate.ts";

const all: Scenario[] = [
  preallocatedWrite,
  writeBesideRead,
  writeBesideLoad,
  writeBesideStore,
  twoStoreFaults,
  twoWriters,
  twoReaders,
  splitInThree,
  truncateAndReuse,
  writeFromOwnMapping,
  zeroPage,
  writeIntoNewBlock,
  fallocateNextDoor,
  storeBesideFallocate,
  writeBesideTruncate,
  storeBesideTruncate,
  twoAppends,
  punchBesideRead,
  punchBesideWrite,
  punchBesideStore,
  zeroBesideRead,
  zeroBesideWrite,
  zeroBesideStore,
];

/** The scenarios that `matrix` runs, by name. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(all.map((one) => [one.name, one]));
