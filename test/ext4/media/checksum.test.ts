// Checksums, beside the definition of the code: a division of polynomials, a bit at a time.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../../src/ext4/media/checksum.ts";
import { Memory } from "../../../src/machine/memory.ts";

const LENGTH = 4096;

/** The remainder of the bytes behind a seed, by Castagnoli's polynomial with its bits turned round. */
function divided(seed: number, bytes: Uint8Array): number {
  let rest = seed;
  for (const byte of bytes) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ ((rest & 1) === 1 ? 0x82f63b78 : 0);
  }
  return rest >>> 0;
}

test("the check value of crc32c is that of RFC 3720: 32 zeros and 32 ones", () => {
  const mem = Memory.create(65536);
  for (const [byte, expected] of [
    [0, 0x8a9136aa],
    [0xff, 0x62a8ab43],
  ] as const) {
    mem.fill(LENGTH, byte, 32);
    expect(~crc32c(mem, 0xffff_ffff, LENGTH, 32) >>> 0).toBe(expected);
  }
});

test("bytes with runs of zeros, from any place to any place, have the checksum that dividing gives", () => {
  const mem = Memory.create(65536);
  const run = fc.record({ zeros: fc.nat(300), bytes: fc.uint8Array({ maxLength: 90 }) });
  fc.assert(
    fc.property(
      fc.array(run, { maxLength: 12 }),
      fc.nat(70),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      (runs, offset, seed) => {
        const bytes = Uint8Array.from(
          runs.flatMap(({ zeros, bytes: some }) => [...new Uint8Array(zeros), ...some]),
        );
        mem.write(LENGTH + offset, bytes);
        expect(crc32c(mem, seed, LENGTH + offset, bytes.length)).toBe(divided(seed, bytes));
      },
    ),
    { numRuns: 300 },
  );
});
