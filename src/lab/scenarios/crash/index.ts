// The built-in scenarios for power failures, in the order in which they are listed.

import type { Scenario } from "../../scenario.ts";
import appendAndSync from "./append-and-sync.ts";
import freedTreeBlock from "./journal/freed-tree-block.ts";
import secondTurn from "./journal/second-turn.ts";
import withoutJournal from "./journal/without-journal.ts";
import renameOver from "./rename-over.ts";
import reserveAndWrite from "./reserve-and-write.ts";
import splitAndSync from "./split-and-sync.ts";
import storeAndSync from "./store-and-sync.ts";
import syncBesideWrite from "./sync-beside-write.ts";
import truncateAndReuse from "./truncate-and-reuse-crash.ts";
import twoSyncs from "./two-syncs.ts";
import unlinkWhileOpen from "./unlink-while-open.ts";
import writeAndSync from "./write-and-sync.ts";
import zeroRange from "./zero-range-crash.ts";

const all: Scenario[] = [
  writeAndSync,
  splitAndSync,
  syncBesideWrite,
  storeAndSync,
  appendAndSync,
  reserveAndWrite,
  truncateAndReuse,
  unlinkWhileOpen,
  renameOver,
  zeroRange,
  twoSyncs,
  freedTreeBlock,
  secondTurn,
  withoutJournal,
];

/** The scenarios that `unwritten crash` runs, by name. */
export const crashScenarios: ReadonlyMap<string, Scenario> = new Map(all.map((one) => [one.name, one]));
