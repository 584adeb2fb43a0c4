import { describe, expect, test } from "vitest";
import { createMemory, header } from "../../src/machine/layout.ts";
import { GIB, MIB } from "../../src/machine/limits.ts";
import { Memory, utf8 } from "../../src/machine/memory.ts";

const AT = 8192;
const TRAP = /out of bounds/;
const filled = (): Memory => {
  const mem = Memory.create(65536);
  for (let i = 0; i < 4096; i++) mem.u8[AT + i] = (i * 7 + (i >>> 8)) & 0xff;
  return mem;
};

describe("bulk operations", () => {
  test("a copy with overlapping ranges moves the bytes as they were, in both directions", () => {
    for (const [from, to] of [
      [AT, AT + 13],
      [AT + 13, AT],
    ] as const) {
      const mem = filled();
      const bytes = mem.read(from, 1000);
      mem.copy(to, from, 1000);
      expect(mem.read(to, 1000)).toEqual(bytes);
    }
  });

  test("a copy and a fill touch the range and no byte beside it", () => {
    const mem = filled();
    const before = mem.read(AT, 4096);
    mem.fill(AT + 100, 0xee, 33);
    mem.copy(AT + 200, AT + 1000, 33);
    const after = mem.read(AT, 4096);
    expect(after.subarray(100, 133)).toEqual(new Uint8Array(33).fill(0xee));
    expect(after.subarray(200, 233)).toEqual(before.subarray(1000, 1033));
    for (const [start, end] of [
      [0, 100],
      [133, 200],
      [233, 4096],
    ] as const) {
      expect(after.subarray(start, end)).toEqual(before.subarray(start, end));
    }
  });

  test("a scan finds the first record of a name's length and end, or else the first room for one", () => {
    const mem = Memory.create(65536);
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    const found = { names: 0, rooms: 0, nothing: 0 };
    for (let round = 0; round < 3000; round++) {
      const records: { at: number; used: boolean; name: Uint8Array; spare: number }[] = [];
      let end = AT;
      for (let left = random(12); left >= 0; left--) {
        // Few letters, so that names are often alike, or end alike.
        const name = Uint8Array.from({ length: 1 + random(11) }, () => (random(5) === 0 ? 0xe1 : 0x61));
        const used = random(4) > 0;
        const size = (8 + name.length + 3) & ~3;
        const length = size + 4 * random(4);
        mem.u32[end >>> 2] = used ? 1 + random(0xffff_ffff) : 0;
        mem.u16[(end + 4) >>> 1] = length;
        mem.u8[end + 6] = name.length;
        mem.u8[end + 7] = random(256);
        mem.u8.set(name, end + 8);
        records.push({ at: end, used, name, spare: used ? length - size : length });
        end += length;
      }
      const wanted = Uint8Array.from({ length: 1 + random(11) }, () => (random(5) === 0 ? 0xe1 : 0x61));
      const tail = wanted.subarray(-8);
      const need = (8 + wanted.length + 3) & ~3;
      const same = records.find(
        ({ used, name }) =>
          used && name.length === wanted.length && Buffer.compare(name.subarray(-8), tail) === 0,
      );
      const room = records.find(({ spare }) => spare >= need);
      const bytes = Buffer.concat([Buffer.alloc(8 - tail.length), tail]);
      const [low, high] = [bytes.readInt32LE(0), bytes.readInt32LE(4)];
      const answer = mem.bulk.scan(AT, end, wanted.length, low, high, need);
      expect(answer).toBe(same?.at ?? 0 - (room?.at ?? 0));
      if (same !== undefined) found.names += 1;
      else if (room !== undefined) found.rooms += 1;
      else found.nothing += 1;
    }
    for (const times of Object.values(found)) expect(times).toBeGreaterThan(100);
  });

  test("a number is translated if its range has it and nobody writes the range, else it is 0", () => {
    const mem = Memory.create(65536);
    const [sequence, range] = [AT >>> 2, (AT + 64) >>> 2];
    const ranges = [
      [0, 0, 7],
      [0, 3, 7],
      [10, 1, 7],
      [0x7fff_fffe, 5, 0xffff_fff0],
      [0xffff_fff0, 4, 9],
    ] as const;
    for (const [first, count, target] of ranges) {
      mem.u32.set([first, count, target], range);
      for (const value of [
        0, 1, 2, 3, 9, 10, 11, 0x7fff_fffd, 0x8000_0000, 0x8000_0003, 0xffff_fff3, 0xffff_ffff,
      ]) {
        const inside = value >= first && value < first + count;
        for (const writes of [0, 1, 2, 0x7fff_ffff, 0xffff_fffe]) {
          mem.u32[sequence] = writes;
          const found = mem.bulk.translate(AT, AT + 64, value) >>> 0;
          expect(found).toBe(inside && writes % 2 === 0 ? target + value - first : 0);
        }
      }
    }
  });

  test("nothing outside the memory can be written", () => {
    const mem = Memory.create(65536);
    expect(() => mem.fill(65530, 1, 7)).toThrow(TRAP);
    expect(() => mem.copy(65530, 0, 7)).toThrow(TRAP);
    expect(mem.read(65530, 6)).toEqual(new Uint8Array(6));
  });

  test("bytes above 2 GiB are reached: addresses are unsigned", { timeout: 30_000 }, () => {
    const mem = Memory.create(2 * GIB + 1 * MIB);
    const high = 2 * GIB + 4096;
    mem.fill(high, 0x5a, 64);
    mem.copy(high + 64, high, 64);
    expect(mem.read(high, 128)).toEqual(new Uint8Array(128).fill(0x5a));
    expect(mem.bulk.hash(high, 64, 1)).toBe(mem.bulk.hash(high + 64, 64, 1));
  });
});

describe("the hash", () => {
  test("is a whole number below 2^52, the same for the same bytes wherever they lie", () => {
    const mem = filled();
    mem.copy(AT + 4096, AT, 4096);
    const hash = mem.bulk.hash(AT, 4096, 3);
    expect(hash).toBe(mem.bulk.hash(AT + 4096, 4096, 3));
    expect(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 52).toBe(true);
  });

  test("changes with the seed, with every bit of the range, and differently with every two bits", () => {
    const mem = filled();
    const flip = (bit: number): void => {
      const at = AT + (bit >>> 3);
      mem.u8[at] = (mem.u8[at] as number) ^ (1 << (bit & 7));
    };
    const BITS = 64 * 8; // two words of each lane
    const hashes = new Set([mem.bulk.hash(AT, 64, 0), mem.bulk.hash(AT, 64, 1)]);
    for (let one = 0; one < BITS; one++) {
      flip(one);
      hashes.add(mem.bulk.hash(AT, 64, 0));
      for (let other = 0; other < one; other++) {
        flip(other);
        hashes.add(mem.bulk.hash(AT, 64, 0));
        flip(other);
      }
      flip(one);
    }
    expect(hashes.size).toBe(2 + BITS + (BITS * (BITS - 1)) / 2);
  });

  test("tells two swapped words apart, in one lane and in two", () => {
    const mem = filled();
    const swapped = (one: number, other: number): number => {
      const [a, b] = [mem.f64[one] as number, mem.f64[other] as number];
      [mem.f64[one], mem.f64[other]] = [b, a];
      const hash = mem.bulk.hash(AT, 128, 0);
      [mem.f64[one], mem.f64[other]] = [a, b];
      return hash;
    };
    const first = AT >>> 3;
    const plain = mem.bulk.hash(AT, 128, 0);
    expect(new Set([plain, swapped(first, first + 1), swapped(first, first + 4)]).size).toBe(3);
  });

  test("does not collide over a hundred thousand pages that differ in one counter", () => {
    const mem = filled();
    const hashes = new Set<number>();
    for (let i = 0; i < 100_000; i++) {
      mem.u32[AT >>> 2] = i;
      hashes.add(mem.bulk.hash(AT, 32, 0));
    }
    expect(hashes.size).toBe(100_000);
  });

  test("does not see bytes outside its range", () => {
    const mem = filled();
    const hash = mem.bulk.hash(AT, 64, 0);
    mem.u8[AT - 1] = 1;
    mem.u8[AT + 64] = 1;
    expect(mem.bulk.hash(AT, 64, 0)).toBe(hash);
  });
});

test("a memory has the areas it was asked for, side by side and none on page 0", () => {
  const mem = createMemory(4 * MIB);
  const { control, slab, buffers, pages, media, undo } = header(mem);
  const areas = [control, slab, buffers, pages, media, undo];
  let next = areas[0]?.start ?? 0;
  expect(next).toBeGreaterThan(4096);
  for (const { start, length } of areas) {
    expect([start, start % 4096, length % 4096]).toEqual([next, 0, 0]);
    next += length;
  }
  expect(next).toBeLessThanOrEqual(mem.size);
  expect(media.length).toBe(4 * MIB);
});

test("every string has the bytes that TextEncoder gives it, lone surrogates too", () => {
  for (const text of ["", "/file", "\0\x7f\x80", "/späße/日本", "👍", "\ud800/lone"]) {
    expect(utf8(text)).toEqual(new TextEncoder().encode(text));
  }
});

test("a difference is 0 between equal ranges, and else depends on where they differ and on what is there", () => {
  const mem = Memory.create(65536);
  const copy = AT + 8192;
  for (let i = 0; i < 4096; i++) mem.u8[AT + i] = mem.u8[copy + i] = i & 0xff;
  const difference = (): number => mem.bulk.difference(AT, copy, 4096);
  expect(difference()).toBe(0);
  const seen = new Set<number>();
  for (let i = 0; i < 4096; i++) {
    for (const bit of [1, 0x80]) {
      mem.u8[AT + i]! ^= bit;
      seen.add(difference());
      mem.u8[AT + i]! ^= bit;
    }
  }
  expect(seen.size).toBe(8192);
  expect(difference()).toBe(0);
  mem.u8[AT + 64] = 1;
  const before = difference();
  mem.u8[copy + 70]! ^= 1; // a line counts as it is, however much of it differs
  expect(difference()).toBe(before);
});
