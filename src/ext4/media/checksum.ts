// The checksums of the media format: crc32c (metadata_csum), crc16 (uninit_bg without it), and
// crc32 (journals with checksums and without metadata_csum).
//
// ext4 starts from a seed and does not invert the result at the end, so a checksum can be carried on:
// crc32c(mem, crc32c(mem, seed, a, n), a + n, m) is that of n + m bytes.

import type { Memory } from "../../machine/memory.ts";

const SLICES = 16;
const slices = makeSlices();

/** Table `k` (256 words each) advances a byte by `k` more bytes, so that sixteen go at a time. */
function makeSlices(): Uint32Array {
  const table = new Uint32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
    table[byte] = value;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256] as number;
    table[at] = (before >>> 8) ^ (table[before & 0xff] as number);
  }
  return table;
}

/** Most of most blocks of metadata is zeros: so many bytes of them go in one step. */
const ZEROS = 64;
const zeroSlices = makeZeroSlices();

/** What each byte of a checksum comes to when ZEROS bytes of zeros follow: a table of 256 words for each of the four. */
function makeZeroSlices(): Uint32Array {
  const table = new Uint32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    let value = (1 << bit) >>> 0;
    for (let i = 0; i < ZEROS; i++) value = (value >>> 8) ^ (slices[value & 0xff] as number);
    table[(bit >>> 3) * 256 + (1 << (bit & 7))] = value;
  }
  // What two bytes have in common cancels out, so that each is the sum of its bits.
  for (let at = 0; at < table.length; at++) {
    const bit = at & -at & 0xff;
    if (bit !== (at & 0xff)) table[at] = (table[at - bit] as number) ^ (table[(at & ~0xff) + bit] as number);
  }
  return table;
}

const crc16Table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xa001 : 0);
  return value;
});

/** For the crc32 that goes through a byte from its highest bit on. */
const crc32Table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c1_1db7 : 0);
  return value;
});

/** Carries a crc32 on over a range of the memory.  kernel: crc32_be */
export function crc32(mem: Memory, seed: number, at: number, length: number): number {
  let crc = seed;
  for (let here = at; here < at + length; here++) {
    crc = (crc << 8) ^ (crc32Table[(crc >>> 24) ^ (mem.u8[here] as number)] as number);
  }
  return crc >>> 0;
}

const oneByte = (crc: number, byte: number): number => (crc >>> 8) ^ (slices[(crc ^ byte) & 0xff] as number);

/** What four bytes come to that have `behind` more bytes behind them. */
const shifted = (word: number, behind: number): number =>
  (slices[(behind + 3) * 256 + (word & 0xff)] as number) ^
  (slices[(behind + 2) * 256 + ((word >>> 8) & 0xff)] as number) ^
  (slices[(behind + 1) * 256 + ((word >>> 16) & 0xff)] as number) ^
  (slices[behind * 256 + (word >>> 24)] as number);

const oneWord = (crc: number, word: number): number => shifted(crc ^ word, 0);

const fourAreZero = (i32: Int32Array, word: number): boolean =>
  ((i32[word] as number) |
    (i32[word + 1] as number) |
    (i32[word + 2] as number) |
    (i32[word + 3] as number)) ===
  0;

const areZeros = (i32: Int32Array, word: number): boolean =>
  fourAreZero(i32, word) &&
  fourAreZero(i32, word + 4) &&
  fourAreZero(i32, word + 8) &&
  fourAreZero(i32, word + 12);

const overZeros = (crc: number): number =>
  (zeroSlices[crc & 0xff] as number) ^
  (zeroSlices[256 + ((crc >>> 8) & 0xff)] as number) ^
  (zeroSlices[512 + ((crc >>> 16) & 0xff)] as number) ^
  (zeroSlices[768 + (crc >>> 24)] as number);

/** Carries a crc32c on from one word to another, sixteen bytes at a time. */
function overSixteens(i32: Int32Array, seed: number, from: number, end: number): number {
  let crc = seed;
  for (let word = from; word < end; word += 4) {
    crc =
      shifted((i32[word] as number) ^ crc, 12) ^
      shifted(i32[word + 1] as number, 8) ^
      shifted(i32[word + 2] as number, 4) ^
      shifted(i32[word + 3] as number, 0);
  }
  return crc;
}

/** Carries a crc32c on over a range of the memory. */
export function crc32c(mem: Memory, seed: number, at: number, length: number): number {
  const { i32 } = mem;
  let crc = seed | 0;
  let here = at;
  const end = at + length;
  while (here < end && (here & 3) !== 0) crc = oneByte(crc, mem.u8[here++] as number);
  for (; here + ZEROS <= end; here += ZEROS) {
    const word = here >>> 2;
    crc = areZeros(i32, word) ? overZeros(crc) : overSixteens(i32, crc, word, word + ZEROS / 4);
  }
  for (; here + 4 <= end; here += 4) crc = oneWord(crc, i32[here >>> 2] as number);
  while (here < end) crc = oneByte(crc, mem.u8[here++] as number);
  return crc >>> 0;
}

/** Carries a crc32c on over a number, as its four bytes lie on media. */
export function crc32cNumber(seed: number, value: number): number {
  return oneWord(seed, value) >>> 0;
}

/** Carries a crc16 on over a range of the memory. */
export function crc16(mem: Memory, seed: number, at: number, length: number): number {
  let crc = seed;
  for (let here = at; here < at + length; here++) {
    crc = (crc >>> 8) ^ (crc16Table[(crc ^ (mem.u8[here] as number)) & 0xff] as number);
  }
  return crc;
}

/** Carries a crc16 on over a number, as its four bytes lie on media. */
export function crc16Number(seed: number, value: number): number {
  let crc = seed;
  for (let shift = 0; shift < 32; shift += 8) {
    crc = (crc >>> 8) ^ (crc16Table[(crc ^ (value >>> shift)) & 0xff] as number);
  }
  return crc;
}

/** Carries a crc32c on over two zero bytes: where a checksum itself lies, it counts as zero. */
export function crc32cTwoZeros(crc: number): number {
  return oneByte(oneByte(crc, 0), 0) >>> 0;
}
