// What a power failure leaves of a machine's whole life with an image, from the first transaction over a checkpoint to
// unmount, and of a mount that recovers: the states for which no program's calls are the reason.
//
// Loaded from a copy of the program it shows what the copy does.

import { check } from "../../../src/ext4/check/check.ts";
import { readTree } from "../../../src/ext4/check/tree.ts";
import { freeze } from "../../../src/ext4/journal/commit.ts";
import { journalOf } from "../../../src/ext4/journal/state.ts";
import { abortJournal } from "../../../src/ext4/journal/superblock.ts";
import { mount } from "../../../src/ext4/mount/mount.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { choicesOf } from "../../../src/lab/crash/survivors.ts";
import { Errno } from "../../../src/machine/errors.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { PowerFailures } from "../../../src/machine/pmem/crash.ts";
import { Event, readLog, startLog, stopLog } from "../../../src/machine/pmem/log.ts";
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/snapshot.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { bootKernel } from "../../support/kernel.ts";
import { bareMachine, imageOf } from "../../support/machine.ts";

export const MEDIA = 8 * MIB;

/** The media after a failure, and what it must hold at least. */
interface Left {
  readonly image: Uint8Array;
  /** The size of /file with which the last fsync had returned; -1 before the first. */
  readonly size: number;
}

/** States of the points that count, so many of each at most. */
function* states(
  mem: Memory,
  base: Uint8Array,
  points: readonly number[],
  most: number,
): Generator<[number, Uint8Array]> {
  const failures = new PowerFailures(mem);
  const target = bareMachine({ image: base });
  takeSnapshot(target);
  for (const point of points) {
    const ways = [...choicesOf(failures.pendingAt(point), 4, point).ways];
    const every = Math.max(1, Math.floor(ways.length / most));
    for (const survivors of ways.filter((_, index) => index % every === 0)) {
      restoreSnapshot(target);
      failures.leave(point, survivors, target);
      yield [point, imageOf(target)];
    }
  }
}

/** The first transaction after a mount; and later the one that makes a checkpoint due, one more, and unmount. */
export function* leftByLife(): Generator<Left> {
  const { mem, sys } = bootKernel(designs.get("ext4-xip-serialized") as Design, MEDIA);
  const calls = sys();
  const journal = journalOf(mem);
  let size = -1;
  let returned: { size: number; at: number }[] = [];
  const grow = (): void => {
    const fd = calls.open("/file", "a");
    size += 1;
    calls.ftruncate(fd, size);
    calls.fsync(fd);
    calls.close(fd);
    returned.push({ size, at: readLog(mem).entries.length });
  };
  function* left(run: () => void): Generator<Left> {
    const base = imageOf(mem);
    returned = [{ size, at: 0 }];
    startLog(mem);
    run();
    stopLog(mem);
    const { entries } = readLog(mem);
    const fences = entries.flatMap(({ event }, at) => (event === Event.fence ? [at] : []));
    for (const [point, image] of states(mem, base, [...fences, entries.length], 8)) {
      yield { image, size: returned.findLast(({ at }) => at <= point)?.size as number };
    }
  }
  yield* left(grow);
  while (journal.free > (journal.length >>> 1) + 2) grow();
  yield* left(() => {
    for (let before = 0; before === 0 || journal.free < before; grow()) before = journal.free;
    freeze(superBlock(mem));
  });
}

/** A machine whose journal holds transactions, an orphan's among them; its log has the last one, and the abort where there is one. */
function worked(aborts: boolean): { mem: Memory; base: Uint8Array } {
  const { mem, sys } = bootKernel(designs.get("ext4-xip-serialized") as Design, MEDIA);
  const calls = sys();
  for (const name of ["/a", "/b", "/c"]) {
    const fd = calls.open(name, "w+");
    calls.pwrite(fd, new Uint8Array(9000).fill(0x11), 0);
    calls.fsync(fd);
  }
  const base = imageOf(mem);
  startLog(mem);
  calls.unlink("/b");
  calls.rename("/c", "/d");
  calls.sync();
  if (aborts) abortJournal(superBlock(mem), Errno.EIO);
  stopLog(mem);
  return { mem, base };
}

/** What is found when the power fails after the journal was stopped with an error. */
export function* foundAfterAbort(): Generator<string> {
  const { mem, base } = worked(true);
  for (const [, left] of states(mem, base, [readLog(mem).entries.length], 40)) {
    yield mounted(bareMachine({ image: left }));
  }
}

/** Mounts an image: what is in it then, or what is wrong with it, such as that an error was recorded. */
function mounted(mem: Memory): string {
  const sb = mount(mem);
  if ("message" in sb) return sb.message;
  freeze(sb);
  const [problem] = check(mem);
  if (problem !== undefined) return `${problem.place}: ${problem.message}`;
  const files = [...readTree(mem)].map(([path, { ino, size, nlink }]) => `${path} ${ino} ${size} ${nlink}`);
  return files.join(", ");
}

/** What a failure in the middle of recovery leaves, and what is found in it; the first is that of no failure. */
export function* leftByRecovery(aborted: boolean): Generator<{ image: Uint8Array; found: string }> {
  const base = imageOf(worked(aborted).mem);
  const mem = bareMachine({ image: base });
  startLog(mem);
  const found = mounted(mem);
  stopLog(mem);
  yield { image: imageOf(mem), found };
  const { entries } = readLog(mem);
  const fences = entries.flatMap(({ event }, at) => (event === Event.fence ? [at] : []));
  const again = bareMachine({ image: base });
  takeSnapshot(again);
  for (const [, image] of states(mem, base, [...fences, entries.length], 12)) {
    restoreSnapshot(again);
    again.write(header(again).media.start, image);
    yield { image, found: mounted(again) };
  }
}
