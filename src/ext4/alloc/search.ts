// The search for a run of free blocks, by criteria that get weaker: a power of two from a group that has an
// aligned piece of it; any length from a group whose runs are long on average; from one with enough blocks;
// from any.
//
// A run of free blocks counts as its buddies: the largest aligned powers of two that it is made of.  What is
// measured from a place on is whole buddies, until they are as long as wanted, so a run gives the same piece
// however it came to be free.
//
// Caller has sb.allocMutex: with it the free counts of groups stand still, and the one flag that does not, for an inode
// may be allocated meanwhile, is a hint.   kernel: ext4_mb_regular_allocator

import { Errno } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import { blocksOf, firstBlockOf, getGroup, groupAt, groupFlag, rawGroup, releaseGroup } from "../group.ts";
import { GROUP_BLOCK_UNINIT } from "../media/group.ts";
import type { SuperBlock } from "../super.ts";
import { nextBit } from "./bits.ts";
import type { Run } from "./blocks.ts";
import { isLoaded, loadGroup, usedMap } from "./free-map.ts";

/** The largest buddy: two bits for each byte of a block. */
const MAX_ORDER = 13;
/** Runs looked at before a good one is taken although a better one may follow.  kernel: s_mb_min_to_scan */
const ENOUGH = 10;
/** Runs looked at, at most, before the best so far is taken.  kernel: s_mb_max_to_scan */
const TOO_MANY = 200;
/** Flexible groups as large as this keep data out of their first group.  kernel: EXT4_FLEX_SIZE_DIR_ALLOC_SCHEME */
export const ROOMY_FLEX = 4;

export interface Wish {
  count: number;
  /** Where the search starts. */
  group: number;
  /** The block to be tried first; 0 for none. */
  first: number;
  /** For the data of a file. */
  data: boolean;
}

const orderOf = (count: number): number => 31 - Math.clz32(count);

/** A free run that is as long as wished, or the longest that was found; it is not marked. */
export function findRun(sb: SuperBlock, wish: Wish): Run | number {
  const { count, first } = wish;
  if (first > 0) {
    const loaded = loadGroup(sb, groupAt(sb, first));
    if (loaded < 0) return loaded;
    if (isFree(sb, first, count)) return { start: first, count };
  }
  return new Search(sb, wish).run();
}

/** Whether blocks are free, all in one group. */
function isFree(sb: SuperBlock, start: number, count: number): boolean {
  const group = groupAt(sb, start);
  if (start + count > firstBlockOf(sb, group) + blocksOf(sb, group)) return false;
  const from = start - sb.firstDataBlock;
  return nextBit(sb.mem, usedMap(sb.mem), 1, from, from + count) === from + count;
}

/** The end of the largest buddy in a free run `from` to `to` that has a block. */
function buddyEnd(block: number, from: number, to: number): number {
  for (let order = MAX_ORDER; order > 0; order--) {
    const start = block - (block & ((1 << order) - 1));
    if (start >= from && start + (1 << order) <= to) return start + (1 << order);
  }
  return block + 1;
}

class Search {
  readonly #sb: SuperBlock;
  readonly #mem: Memory;
  readonly #wish: Wish;
  readonly #order: number;
  #seen = 0;
  #best: Run | undefined;
  #done = false;
  // The group that is looked at.
  #base = 0;
  #size = 0;
  #group = 0;

  constructor(sb: SuperBlock, wish: Wish) {
    this.#sb = sb;
    this.#mem = sb.mem;
    this.#wish = wish;
    const order = orderOf(wish.count);
    this.#order = wish.count === 1 << order && order <= MAX_ORDER ? order : 0;
  }

  run(): Run | number {
    const { groupCount } = this.#sb;
    for (let level = this.#order > 0 ? 0 : 1; level <= 3; level++) {
      for (let turn = 0; turn < groupCount && !this.#done; turn++) {
        const error = this.#enter((this.#wish.group + turn) % groupCount, level);
        if (error < 0) return error;
      }
    }
    const best = this.#best;
    if (best === undefined) return -Errno.ENOSPC;
    return { start: best.start, count: Math.min(best.count, this.#wish.count) };
  }

  /** Looks at a group if it is good enough. */
  #enter(group: number, level: number): number {
    const sb = this.#sb;
    const descriptors = getGroup(sb, group);
    if (typeof descriptors === "number") return descriptors;
    const raw = rawGroup(sb, descriptors, group);
    const free = raw.bg_free_blocks_count_lo;
    const cheap =
      isLoaded(sb, group) || group % sb.groupsPerFlex === 0 || groupFlag(sb, raw, GROUP_BLOCK_UNINIT);
    releaseGroup(descriptors);
    if (free === 0 || (level < 3 && free < this.#wish.count)) return 0;
    // A search for something good is not worth reading a bitmap.
    if (level < 2 && !cheap) return 0;
    const loaded = loadGroup(sb, group);
    if (loaded < 0) return loaded;
    this.#group = group;
    this.#base = group * sb.blocksPerGroup;
    this.#size = blocksOf(sb, group);
    if (level === 0) this.#takeAligned();
    else if (this.#suits(level)) this.#measureAll();
    return 0;
  }

  #next(value: 0 | 1, from: number): number {
    const base = this.#base;
    return nextBit(this.#mem, usedMap(this.#mem), value, base + from, base + this.#size) - base;
  }

  /** kernel: ext4_mb_good_group */
  #suits(level: number): boolean {
    const { count } = this.#wish;
    let free = 0;
    let runs = 0;
    for (let bit = this.#next(0, 0); bit < this.#size; bit = this.#next(0, bit)) {
      const end = this.#next(1, bit);
      free += end - bit;
      runs += 1;
      bit = end;
    }
    if (runs === 0) return false;
    return level === 1 ? Math.floor(free / runs) >= count : level === 3 || free >= count;
  }

  /** The first of the smallest buddies that are large enough.  kernel: ext4_mb_simple_scan_group */
  #takeAligned(): void {
    if (this.#wish.data && keepsDataOut(this.#sb, this.#group)) return;
    let smallest = MAX_ORDER + 1;
    let start = 0;
    for (let bit = this.#next(0, 0); bit < this.#size; bit = this.#next(0, bit)) {
      const end = this.#next(1, bit);
      for (let place = bit; place < end && smallest > this.#order;) {
        const next = buddyEnd(place, bit, end);
        const order = orderOf(next - place);
        if (order >= this.#order && order < smallest) [smallest, start] = [order, place];
        place = next;
      }
      bit = end;
    }
    if (smallest > MAX_ORDER) return;
    this.#best = this.#runAt(start, 1 << smallest);
    this.#done = true;
  }

  /** kernel: ext4_mb_complex_scan_group */
  #measureAll(): void {
    for (let bit = this.#next(0, 0); bit < this.#size && !this.#done; bit = this.#next(0, bit)) {
      const end = this.#next(1, bit);
      for (let place = bit; place < end && !this.#done;) {
        let until = buddyEnd(place, bit, end);
        while (until - place < this.#wish.count && until < end) until = buddyEnd(until, bit, end);
        this.#measure(place, until - place);
        place = until;
      }
      bit = end;
    }
    if (!this.#done && this.#isGood()) this.#done = true;
  }

  #runAt(bit: number, count: number): Run {
    return { start: firstBlockOf(this.#sb, this.#group) + bit, count };
  }

  /** Whether the best run is long enough, and of this group. */
  #isGood(): boolean {
    const best = this.#best;
    return (
      best !== undefined && best.count >= this.#wish.count && groupAt(this.#sb, best.start) === this.#group
    );
  }

  /** The shortest that is long enough wins, as long as none is the longest does.  kernel: ext4_mb_measure_extent */
  #measure(bit: number, count: number): void {
    const wanted = this.#wish.count;
    const best = this.#best?.count ?? 0;
    this.#seen += 1;
    const better = best < wanted ? count > best : count > wanted && count < best;
    if (count === wanted || better) this.#best = this.#runAt(bit, count);
    this.#done = count === wanted || this.#seen > TOO_MANY || (this.#seen > ENOUGH && this.#isGood());
  }
}

/** Whether the first group of a flexible one is left to the file system's own structures. */
function keepsDataOut(sb: SuperBlock, group: number): boolean {
  const size = sb.groupsPerFlex;
  return size >= ROOMY_FLEX && group % size === 0;
}
