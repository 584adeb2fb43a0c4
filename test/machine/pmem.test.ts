// What a power failure leaves, against a model that knows no lines of stores and no points: it follows, word by word, which
// contents the media can have.

import { expect, test } from "vitest";
import { createMemory, header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import type { Memory } from "../../src/machine/memory.ts";
import {
  fence,
  flush,
  mediaAt,
  storeBytes,
  storeFill,
  streamBytes,
  streamCopy,
} from "../../src/machine/pmem.ts";
import { LINE, PowerFailures, type Domain, type PendingLine } from "../../src/machine/pmem/crash.ts";
import { Event, readLog, startLog, stopLog, Writer } from "../../src/machine/pmem/log.ts";
import { initSnapshot, restoreSnapshot, takeSnapshot } from "../../src/machine/snapshot.ts";
import { initTrace } from "../../src/machine/trace.ts";

function machine(): Memory {
  const mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  return mem;
}

/** The numbers that follow from a seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const LINES = 3;

interface Action {
  readonly event: Event;
  readonly from: number;
  readonly length: number;
  readonly value: number;
}

function program(random: (below: number) => number): Action[] {
  return Array.from({ length: 7 }, (_, index) => {
    const from = random(LINES * LINE - 1);
    const length = 1 + random(Math.min(random(2) === 0 ? 12 : 150, LINES * LINE - from));
    return { event: (1 + random(4)) as Event, from, length, value: index + 1 };
  });
}

function perform(mem: Memory, { event, from, length, value }: Action): void {
  const at = mediaAt(mem, 4096) + from;
  if (event === Event.store) storeBytes(mem, at, new Uint8Array(length).fill(value));
  else if (event === Event.stream) streamBytes(mem, at, new Uint8Array(length).fill(value), Writer.copy);
  else if (event === Event.flush) flush(mem, at, length);
  else fence(mem);
}

/** What one line of the media can hold after a program, as text; the model. */
function contentsOf(actions: readonly Action[], line: number, domain: Domain): Set<string> {
  const now = new Uint8Array(LINE);
  const seen = [now.join()]; // every content that the line has had, a word at a time
  let [least, most] = [0, 0]; // which of those the media can hold
  let sent = 0;
  for (const { event, from, length, value } of actions) {
    const [low, high] = [Math.max(0, from - line * LINE), Math.min(LINE, from + length - line * LINE)];
    if (event === Event.fence) least = Math.max(least, sent);
    // Only the last store can have been cut.
    if (domain === "eadr") least = seen.length - 1;
    if (event === Event.fence || low >= high) continue;
    if (event !== Event.flush) {
      for (let at = low; at < high; at += 8 - (at % 8)) {
        now.fill(value, at, Math.min(high, at + 8 - (at % 8)));
        seen.push(now.join());
      }
    }
    if (event !== Event.store) sent = seen.length - 1;
    most = domain === "adr" ? sent : seen.length - 1;
  }
  return new Set(seen.slice(least, Math.max(least, most) + 1));
}

function lineOf(mem: Memory, line: number): string {
  return mem.read(mediaAt(mem, 4096) + line * LINE, LINE).join();
}

test.each<Domain>(["adr", "none", "eadr"])(
  "%s: a line holds after a failure what it can hold, no more and no less",
  (domain) => {
    const mem = machine();
    takeSnapshot(mem);
    for (let seed = 0; seed < 60; seed++) {
      restoreSnapshot(mem);
      startLog(mem);
      const actions = program(randomFrom(seed));
      for (const action of actions) perform(mem, action);
      stopLog(mem);
      const failures = new PowerFailures(mem, domain);
      const points = failures.entries.length;
      for (let point = points; point >= 0; point--) {
        const pending = new Map(failures.pendingAt(point).map((line) => [line.offset, line]));
        for (let line = 0; line < LINES; line++) {
          const reach = pending.get(4096 + line * LINE)?.reach ?? 0;
          const found = new Set<string>();
          for (let words = 0; words <= reach; words++) {
            restoreSnapshot(mem);
            failures.leave(point, new Map([[4096 + line * LINE, words]]), mem);
            found.add(lineOf(mem, line));
          }
          expect(found, `seed ${seed}, point ${point}, line ${line}`).toEqual(
            contentsOf(actions.slice(0, point), line, domain),
          );
        }
      }
    }
  },
);

test("a failure leaves the same on another machine, and what is durable all over it", () => {
  const [mem, other] = [machine(), machine()];
  startLog(mem);
  storeFill(mem, mediaAt(mem, 0), 1, 4096);
  flush(mem, mediaAt(mem, 0), 4096);
  streamCopy(mem, mediaAt(mem, 8192), mediaAt(mem, 0), 4096, Writer.logged);
  fence(mem);
  storeFill(mem, mediaAt(mem, 100), 2, 100);
  const failures = new PowerFailures(mem, "none");
  const pending = failures.pendingAt(failures.entries.length);
  expect(pending.map(({ offset }) => offset)).toEqual([64, 128, 192]);
  // The first line keeps its first word, from byte 100 to the word's end at 104; the others keep all or nothing.
  const survivors = new Map([
    [64, 1],
    [192, (pending[2] as PendingLine).reach],
  ]);
  failures.leave(failures.entries.length, survivors, other);
  const expected = new Uint8Array(12_288);
  expected.fill(1, 0, 4096);
  expected.fill(1, 8192);
  expected.fill(2, 100, 104);
  expected.fill(2, 192, 200);
  expect(other.read(mediaAt(other, 0), 12_288)).toEqual(expected);
});

test("the log tells who stored, and a log that is too full is not believed", () => {
  const mem = machine();
  startLog(mem);
  streamBytes(mem, mediaAt(mem, 64), new Uint8Array(8), Writer.commit);
  storeBytes(mem, header(mem).pages.start, new Uint8Array(8)); // no media
  expect(readLog(mem).entries).toMatchObject([
    { event: Event.stream, writer: Writer.commit, offset: 64, length: 8, task: 16, step: 0 },
  ]);
  for (let store = 0; store < 40_000; store++) storeFill(mem, mediaAt(mem, 0), store, 8);
  expect(() => new PowerFailures(mem)).toThrow(/the log of stores is full/);
  startLog(mem);
  expect(new PowerFailures(mem).entries).toEqual([]);
});
