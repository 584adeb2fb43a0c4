// The machine that comes up after a power failure: its media is what the failure left, nothing is mounted, and all
// that was in memory is gone.  One serves all failures of a search.
//
// What is durable at a point of failure is brought to the media once; the states that the point leaves start from a
// snapshot of that.  So a state costs what its open lines and its recovery change, however long the log is.
//
// Media are told apart by a sum over their pages of how each differs from where the log began: equal media have
// equal sums, whichever point or run left them.

import { createMemory, header } from "../../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import type { PowerFailures, Survivors } from "../../machine/pmem/crash.ts";
import { HASH_RANGE, restoreSnapshot, takeSnapshot, touchedSince } from "../../machine/snapshot.ts";
import { readTree } from "../../ext4/check/tree.ts";
import { journalOf } from "../../ext4/journal/state.ts";
import { journalAddress } from "../../ext4/journal/superblock.ts";
import { mount } from "../../ext4/mount/mount.ts";
import { superBlock } from "../../ext4/super.ts";
import { bootKernel } from "../../syscalls/boot.ts";
import type { MachineOptions } from "../options.ts";
import { linksIn, namesIn, type NameMap } from "./names.ts";

/** How media differ from where the log began. */
interface Sums {
  readonly all: number;
  /** But for the journal's blocks. */
  readonly outsideJournal: number;
}

export class Target {
  readonly mem: Memory;
  /** The names on the media where every failure's log begins. */
  readonly names: NameMap;
  /** Symlinks among them. */
  readonly links: ReadonlySet<string>;
  readonly #options: MachineOptions;
  /** The journal's blocks, by their offsets on the media. */
  readonly #journal: ReadonlySet<number>;
  /** What pages held where the log began, by address, of those that are not so in the snapshot. */
  readonly #first = new Map<number, Uint8Array>();
  #log: PowerFailures | undefined;
  #point = 0;
  #settled = 0;
  #sums: Sums = { all: 0, outsideJournal: 0 };

  /** A machine with the media of `source` as it is now, where every failure's log begins. */
  constructor(source: Memory, options: MachineOptions) {
    const { start, length } = header(source).media;
    const journal = journalOf(source);
    const blocks = Array.from(
      { length: journal.length },
      (_, block) => journalAddress(superBlock(source), journal, block) - start,
    );
    this.mem = createMemory(length);
    this.#options = options;
    this.#journal = new Set(blocks);
    header(this.mem).piece = header(source).piece;
    bootKernel(this.mem);
    this.mem.u8.set(source.u8.subarray(start, start + length), header(this.mem).media.start);
    const tree = readTree(this.mem);
    this.names = namesIn(tree);
    this.links = linksIn(tree);
    takeSnapshot(this.mem);
  }

  /** Has the media as far as it is durable at a point.  Returns a number that tells it from other media. */
  settle(log: PowerFailures, point: number): number {
    restoreSnapshot(this.mem);
    this.#goTo(log, point);
    return this.#sums.all;
  }

  /** Has the media as a failure left it, unmounted.  Returns a number that tells it from other media. */
  fail(log: PowerFailures, point: number, survivors: Survivors): number {
    this.settle(log, point);
    log.survive(point, survivors, this.mem);
    return this.#sumsNow().all;
  }

  /** The same after another failure, of which `log` is told, came upon what `fail` has just left. */
  failAgain(log: PowerFailures, point: number, survivors: Survivors): number {
    log.leave(point, survivors, this.mem);
    return this.#sumsNow().all;
  }

  /** The same of the media as it is now, for whom the journal's blocks do not count. */
  outsideJournal(): number {
    return this.#sumsNow().outsideJournal;
  }

  /** Makes the snapshot what is durable at a point. */
  #goTo(log: PowerFailures, point: number): void {
    const { mem } = this;
    if (log === this.#log && point === this.#point) return;
    if (log !== this.#log || point < this.#point) this.#startOver(log);
    this.#settled = log.settle(point, mem, this.#settled);
    this.#point = point;
    this.#sums = this.#sumsNow();
    for (const { at, before } of touchedSince(mem)) {
      if (!this.#first.has(at)) this.#first.set(at, mem.read(before, PAGE_SIZE));
    }
    takeSnapshot(mem);
  }

  /** Makes the media what it was where the log began. */
  #startOver(log: PowerFailures): void {
    for (const [at, bytes] of this.#first) this.mem.write(at, bytes);
    this.#first.clear();
    takeSnapshot(this.mem);
    this.#log = log;
    this.#settled = 0;
    this.#sums = { all: 0, outsideJournal: 0 };
  }

  #sumsNow(): Sums {
    const { mem } = this;
    const { start, length } = header(mem).media;
    let { all, outsideJournal } = this.#sums;
    for (const { at, before } of touchedSince(mem)) {
      const offset = at - start;
      if (offset < 0 || offset >= length) continue;
      const page = offset / PAGE_SIZE;
      const change = mem.bulk.hash(at, PAGE_SIZE, page) - mem.bulk.hash(before, PAGE_SIZE, page);
      all = sum(all, change);
      if (!this.#journal.has(offset)) outsideJournal = sum(outsideJournal, change);
    }
    return { all, outsideJournal };
  }

  /** Recovers and mounts: undefined, or why not. */
  mount(): string | undefined {
    const mounted = mount(this.mem, { extent_max_zeroout_kb: this.#options.extent_max_zeroout_kb ?? 0 });
    return "message" in mounted ? mounted.message : undefined;
  }
}

const sum = (total: number, change: number): number => (total + change + HASH_RANGE) % HASH_RANGE;
