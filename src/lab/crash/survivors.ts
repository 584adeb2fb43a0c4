// Which of the lines that were open when the power failed have arrived: the ways that a point leaves, all of them where
// they are few, chosen ones where they are many; and their form in a schedule's text.
//
//   all      every line by itself, up to every complete store of it
//   grouped  lines of the same stores together (a block of a transaction is 64 lines), every combination;
//            and some in which lines are torn apart, down to a word of eight bytes
//   sampled  of the grouped ones: nothing lost, all lost, each group alone lost, each alone kept, and random ones
//
// What a random way keeps of a line depends on the line alone: at the next point, where more lines are open, the same
// ways come up again, and what is new there has come with those.

import { LINE, type PendingLine, type Survivors } from "../../machine/pmem/crash.ts";
import { ScheduleError } from "../../sched/schedule.ts";

/** Lines that were stored to together; they arrive together unless a choice tears them apart. */
interface Group {
  readonly lines: readonly PendingLine[];
  /** How many of their stores may have arrived. */
  readonly levels: number;
}

export interface Choices {
  /** Whether these are all ways there are. */
  readonly complete: boolean;
  readonly ways: Iterable<Survivors>;
}

/** How many random ways of each kind are added where not all are tried. */
const SAMPLES = 24;

const levelsOf = ({ ends, reach }: PendingLine): number => ends.filter((end) => end <= reach).length;
const wordsAt = ({ ends }: PendingLine, level: number): number =>
  level === 0 ? 0 : (ends[level - 1] as number);
const waysOf = (groups: readonly Group[]): number =>
  groups.reduce((product, { levels }) => product * (levels + 1), 1);

/** The ways a point leaves: all where `2 ** maxLines` are enough. */
export function choicesOf(
  pending: readonly PendingLine[],
  maxLines: number,
  seed = 1,
  samples = SAMPLES,
): Choices {
  const open = pending.filter((line) => levelsOf(line) > 0);
  const limit = 2 ** maxLines;
  const single = open.map((line): Group => ({ lines: [line], levels: levelsOf(line) }));
  if (waysOf(single) <= limit) return { complete: true, ways: everyWay(single) };
  const groups = groupsOf(open);
  const random = randomFrom(seed);
  const grouped = waysOf(groups) <= limit ? everyWay(groups) : someWays(groups, random, samples);
  return { complete: false, ways: both(grouped, tornWays(open, random, samples)) };
}

/** The one way in which everything has arrived that can. */
export function everything(pending: readonly PendingLine[]): Choices {
  return { complete: true, ways: [new Map(pending.map(({ offset, reach }) => [offset, reach]))] };
}

export function lostLines(pending: readonly PendingLine[], survivors: Survivors): PendingLine[] {
  return pending.filter(({ offset, ends }) => (survivors.get(offset) ?? 0) < (ends.at(-1) ?? 0));
}

/** A way that `breaks` as well, with as few lines lost as can be. */
export function shrunk(
  pending: readonly PendingLine[],
  found: Survivors,
  breaks: (survivors: Survivors) => boolean,
): Survivors {
  let survivors = found;
  const lost = lostLines(pending, found).filter(({ reach }) => reach > 0);
  for (let size = lost.length >>> 1; size >= 1; size >>>= 1) {
    for (let from = 0; from < lost.length; from += size) {
      const candidate = new Map(survivors);
      for (const { offset, reach } of lost.slice(from, from + size)) candidate.set(offset, reach);
      const same = [...candidate].every(([offset, words]) => survivors.get(offset) === words);
      if (!same && breaks(candidate)) survivors = candidate;
    }
  }
  return survivors;
}

function groupsOf(lines: readonly PendingLine[]): Group[] {
  const groups = new Map<string, PendingLine[]>();
  for (const line of lines) {
    const key = line.stores.map(({ dataAt }) => dataAt).join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [line]);
    else group.push(line);
  }
  return [...groups.values()].map((members) => ({
    lines: members,
    levels: Math.max(...members.map((line) => levelsOf(line))),
  }));
}

function survivorsAt(groups: readonly Group[], levels: readonly number[]): Survivors {
  const words = new Map<number, number>();
  for (const [index, { lines }] of groups.entries()) {
    for (const line of lines) {
      const arrived = wordsAt(line, Math.min(levels[index] as number, levelsOf(line)));
      if (arrived > 0) words.set(line.offset, arrived);
    }
  }
  return words;
}

/** Every combination, the one in which nothing is lost first. */
function* everyWay(groups: readonly Group[]): Generator<Survivors> {
  const levels = groups.map((group) => group.levels);
  for (;;) {
    yield survivorsAt(groups, levels);
    let index = 0;
    while (index < groups.length && levels[index] === 0) {
      levels[index] = (groups[index] as Group).levels;
      index += 1;
    }
    if (index === groups.length) return;
    levels[index] = (levels[index] as number) - 1;
  }
}

function* someWays(groups: readonly Group[], random: Random, samples: number): Generator<Survivors> {
  const full = groups.map(({ levels }) => levels);
  const none = groups.map(() => 0);
  yield survivorsAt(groups, full);
  yield survivorsAt(groups, none);
  for (const [index] of groups.entries()) {
    yield survivorsAt(groups, full.with(index, 0));
    yield survivorsAt(groups, none.with(index, full[index] as number));
  }
  for (let way = 0; way < samples; way++)
    yield survivorsAt(
      groups,
      groups.map(({ lines, levels }) => random(way, lines[0]?.offset ?? 0, levels + 1)),
    );
}

function* tornWays(lines: readonly PendingLine[], random: Random, samples: number): Generator<Survivors> {
  for (let way = samples; way < 2 * samples; way++) {
    const words = lines.map(({ offset, reach }) => [offset, random(way, offset, reach + 1)] as const);
    yield new Map(words.filter(([, count]) => count > 0));
  }
}

function* both(first: Iterable<Survivors>, second: Iterable<Survivors>): Generator<Survivors> {
  yield* first;
  yield* second;
}

/** A number below another, for the n-th way and a line. */
type Random = (way: number, offset: number, below: number) => number;

function randomFrom(seed: number): Random {
  return (way, offset, below) => {
    let mixed = Math.imul(seed + way * 0x9e3779b9, 0x85ebca6b) ^ Math.imul(offset / LINE + 1, 0xc2b2ae35);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39);
    return Math.floor((((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32) * below);
  };
}

/** "40.12*64-3": from line 0x40 on 12 neighbours with 64 words each kept, … as text that a schedule can carry. */
export function printSurvivors(survivors: Survivors): string {
  const runs: { line: number; count: number; words: number }[] = [];
  for (const [offset, words] of [...survivors].toSorted(([one], [other]) => one - other)) {
    const last = runs.at(-1);
    if (last !== undefined && last.words === words && last.line + last.count === offset / LINE)
      last.count += 1;
    else runs.push({ line: offset / LINE, count: 1, words });
  }
  return runs.map(({ line, count, words }) => `${line.toString(16)}.${count}*${words}`).join("-") || "none";
}

/** Throws ScheduleError. */
export function parseSurvivors(text: string): Survivors {
  const survivors = new Map<number, number>();
  if (text === "none") return survivors;
  for (const run of text.split("-")) {
    const match = /^([0-9a-f]{1,8})\.(\d{1,8})\*(\d{1,8})$/.exec(run);
    if (match === null) throw new ScheduleError(`lines that survive are line.count*words, not "${run}"`);
    const [line, count, words] = [
      Number.parseInt(match[1] as string, 16),
      Number(match[2]),
      Number(match[3]),
    ];
    if (count === 0 || count > MAX_LINES) throw new ScheduleError(`"${run}" names ${count} lines`);
    for (let i = 0; i < count; i++) survivors.set((line + i) * LINE, words);
  }
  return survivors;
}

/** More lines than the largest machine's store log can fill. */
const MAX_LINES = 1_000_000;
