// The register check against a second witness: every order of the writes and the read that the clock
// allows is written down, and the value the read would return in it is collected.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  certainSize,
  checkRead,
  mayRead,
  missingBytes,
  type FileHistory,
  type Read,
  type Resize,
  type Write,
} from "../../../src/lab/oracles/register.ts";

interface Timed {
  begin: number;
  end: number;
}

/** Every order of the calls in which no call comes before one that had ended when it began. */
function* linearizations<T extends Timed>(calls: T[]): Generator<T[]> {
  if (calls.length === 0) yield [];
  for (const first of calls) {
    const rest = calls.filter((call) => call !== first);
    if (rest.some((call) => call.end < first.begin)) continue;
    for (const order of linearizations(rest)) yield [first, ...order];
  }
}

/** What a read may return by brute force; a write of `undefined` truncates, that is writes zero. */
function byBruteForce(writes: Write[], initial: number, read: Timed, position: number): Set<number> {
  const values = new Set<number>();
  const covering = writes.filter((w) => w.position <= position && position < w.position + w.length);
  // A write that need not have happened is left out in one world and there in another.
  const maybe = covering.filter((write) => write.maybe);
  for (let world = 0; world < 1 << maybe.length; world++) {
    const there = covering.filter((w) => !w.maybe || (world & (1 << maybe.indexOf(w))) !== 0);
    for (const order of linearizations<Timed>([...there, read])) {
      const last = order[order.indexOf(read) - 1] as Write | undefined;
      if (last === undefined) values.add(initial);
      else
        values.add(
          last.value === "zeros" ? 0 : ((last.value as Uint8Array)[position - last.position] as number),
        );
    }
  }
  return values;
}

/** Up to five calls on four bytes, their begins and ends a shuffle of the clock. */
const histories = fc
  .array(
    fc.record({
      kind: fc.constantFrom("write", "maybe", "truncate"),
      position: fc.nat(3),
      length: fc.integer({ min: 1, max: 4 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .chain((calls) =>
    fc
      .shuffledSubarray(
        Array.from({ length: 2 * calls.length + 2 }, (_, i) => i),
        { minLength: 2 * calls.length + 2 },
      )
      .map((clock) => {
        const times = Array.from({ length: calls.length + 1 }, (_, i) => {
          const [a, b] = [clock[2 * i] as number, clock[2 * i + 1] as number];
          return { begin: Math.min(a, b), end: Math.max(a, b) };
        });
        const writes = calls.map((call, i): Write => ({
          ...(times[i] as Timed),
          position: call.position,
          length: call.kind === "truncate" ? Infinity : call.length,
          value: call.kind === "truncate" ? "zeros" : new Uint8Array(call.length).fill(i + 1),
          maybe: call.kind === "maybe",
        }));
        return { writes, read: times.at(-1) as Timed };
      }),
  );

test("a value is allowed exactly when some order of the calls that the clock allows returns it", () => {
  fc.assert(
    fc.property(histories, fc.nat(4), ({ writes, read }, position) => {
      const file: FileHistory = { initial: () => 9, writes, resizes: [] };
      const expected = byBruteForce(writes, 9, read, position);
      for (const value of [0, 1, 2, 3, 4, 9, 77]) {
        expect(mayRead(file, position, value, read.begin, read.end)).toBe(expected.has(value));
      }
    }),
    { numRuns: 2000 },
  );
});

test("a read is refused exactly at its first byte that no order returns", () => {
  fc.assert(
    fc.property(
      histories,
      fc.array(fc.constantFrom(0, 1, 2, 3, 4, 9), { minLength: 1, maxLength: 6 }),
      ({ writes, read }, bytes) => {
        const file: FileHistory = { initial: () => 9, writes, resizes: [] };
        const wrong = bytes.findIndex((value, i) => !byBruteForce(writes, 9, read, i).has(value));
        const found = checkRead(file, {
          ...read,
          position: 0,
          length: bytes.length,
          bytes: Uint8Array.from(bytes),
        });
        expect(found?.position ?? -1).toBe(wrong);
        if (found !== undefined) {
          const expected = byBruteForce(writes, 9, read, found.position);
          expect(found.expected).toEqual([...expected].toSorted((a, b) => a - b));
        }
      },
    ),
    { numRuns: 2000 },
  );
});

const zero = (): number => 0;
const write = (
  begin: number,
  end: number,
  position: number,
  value: Write["value"],
  length: number,
): Write => ({
  begin,
  end,
  position,
  length,
  value,
  maybe: false,
});

test("copied bytes are those that the source may have held while the copy ran", () => {
  const source: FileHistory = {
    initial: zero,
    writes: [write(1, 2, 100, Uint8Array.of(5), 1), write(4, 6, 100, Uint8Array.of(7), 1)],
    resizes: [],
  };
  const copy = write(3, 5, 0, { file: source, position: 100 }, 1);
  const file: FileHistory = { initial: zero, writes: [copy], resizes: [] };
  const allowed = [0, 5, 7, 9].filter((value) => mayRead(file, 0, value, 10, 11));
  expect(allowed).toEqual([5, 7]); // 5 was there before, 7 was written beside it; the initial 0 was gone
});

test("a copy of its own bytes onto themselves is not decided, and ends", () => {
  const writes: Write[] = [];
  const file: FileHistory = { initial: zero, writes, resizes: [] };
  writes.push(write(1, 2, 0, { file, position: 0 }, 8));
  expect(mayRead(file, 0, 33, 5, 6)).toBe(true);
});

const resize = (begin: number, end: number, size: number, exact: boolean): Resize => ({
  begin,
  end,
  size,
  exact,
  maybe: false,
});
const readOf = (begin: number, end: number, bytes: number): Read => ({
  begin,
  end,
  position: 0,
  length: 100,
  bytes: new Uint8Array(bytes),
});

test("a read must not come back shorter than the file surely was", () => {
  const file: FileHistory = {
    initial: zero,
    writes: [],
    resizes: [resize(-2, -1, 10, true), resize(1, 2, 60, false), resize(20, 25, 30, true)],
  };
  expect(missingBytes(file, readOf(3, 4, 10))).toBe(50); // the write to 60 had returned
  expect(missingBytes(file, readOf(3, 4, 60))).toBe(0);
  expect(missingBytes(file, readOf(1.5, 4, 10))).toBe(0); // beside the write: old size allowed
  expect(missingBytes(file, readOf(3, 22, 30))).toBe(0); // beside the truncation to 30
  expect(missingBytes(file, readOf(3, 22, 5))).toBe(5); // but never smaller than the 10 it began with
  expect(certainSize(file, 30, 31)).toBe(30);
});
