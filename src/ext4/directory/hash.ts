// The hashes of names that order an indexed directory: the old one of ext3, half an MD4, or TEA.  Each comes in
// two versions, for bytes taken as signed or unsigned: which one an image was made with depends on the
// machine it was made on.
//
// The lowest bit of a hash is 0: in an index it says that names of this hash began in the leaf before.

import type { SuperBlock } from "../super.ts";

/** dx_root's hash_version. */
export const HashVersion = { legacy: 0, halfMd4: 1, tea: 2 } as const;
/** Added to those for unsigned bytes. */
const UNSIGNED = 3;
export const HASH_VERSIONS = 2 * UNSIGNED;

/** A hash that means the end of a directory to programs that seek in it: no name has it. */
const END = 0xffff_fffe;

/** Which four words every hash starts from, unless the image has its own. */
const DEFAULT_SEED = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const;

/** The hash of a name in a directory whose index says this version.  kernel: ext4fs_dirhash */
export function hashName(sb: SuperBlock, version: number, name: Uint8Array): number {
  const signed = version < UNSIGNED && sb.hashUnsigned === 0;
  const hash = hashOf(sb, version % UNSIGNED, signed, name) & ~1;
  return hash >>> 0 === END ? END - 2 : hash >>> 0;
}

function hashOf(sb: SuperBlock, algorithm: number, signed: boolean, name: Uint8Array): number {
  if (algorithm === HashVersion.legacy) return legacy(signed, name);
  return algorithm === HashVersion.tea ? tea(sb, signed, name) : halfMd4(sb, signed, name);
}

/** Word `index` of the seed. */
function seed(sb: SuperBlock, index: number): number {
  const at = sb.hashSeed >>> 2;
  const { u32 } = sb.mem;
  const own = u32[at] || u32[at + 1] || u32[at + 2] || u32[at + 3];
  return own ? (u32[at + index] as number) | 0 : (DEFAULT_SEED[index] as number) | 0;
}

function byteOf(signed: boolean, name: Uint8Array, index: number): number {
  const byte = name[index] as number;
  return signed ? (byte << 24) >> 24 : byte;
}

/** kernel: dx_hack_hash */
function legacy(signed: boolean, name: Uint8Array): number {
  let before = 0x37abe8f9;
  let hash = 0x12a3fe2d;
  for (let index = 0; index < name.length; index++) {
    let next = (before + (hash ^ Math.imul(byteOf(signed, name, index), 7152373))) >>> 0;
    if (next >= 0x8000_0000) next -= 0x7fff_ffff;
    before = hash;
    hash = next;
  }
  return hash << 1;
}

/**
 * Four bytes of a name as a number, of a part of it that starts at `from` and has at most `most` bytes.  Where the
 * name has ended its length stands in for what is missing.  kernel: str2hashbuf
 */
function wordOf(signed: boolean, name: Uint8Array, from: number, most: number, index: number): number {
  const left = name.length - from;
  let pad = (left & 0xff) | (left << 8);
  pad |= pad << 16;
  const end = Math.min(left, most, 4 * index + 4);
  let word = pad;
  for (let at = 4 * index; at < end; at++) word = (byteOf(signed, name, from + at) + (word << 8)) | 0;
  return word;
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));
const choose = (x: number, y: number, z: number): number => z ^ (x & (y ^ z));
const majority = (x: number, y: number, z: number): number => ((x & y) + ((x ^ y) & z)) | 0;
const parity = (x: number, y: number, z: number): number => x ^ y ^ z;

/** In which order the three rounds take the eight words, and how far each rotates. */
const ROUNDS = [
  { mix: choose, add: 0, order: [0, 1, 2, 3, 4, 5, 6, 7], turns: [3, 7, 11, 19] },
  { mix: majority, add: 0x5a827999, order: [1, 3, 5, 7, 0, 2, 4, 6], turns: [3, 5, 9, 13] },
  { mix: parity, add: 0x6ed9eba1, order: [3, 7, 2, 6, 1, 5, 0, 4], turns: [3, 9, 11, 15] },
] as const;

/** kernel: half_md4_transform, over each 32 bytes of the name */
function halfMd4(sb: SuperBlock, signed: boolean, name: Uint8Array): number {
  let [first, second, third, fourth] = [seed(sb, 0), seed(sb, 1), seed(sb, 2), seed(sb, 3)];
  const words = new Int32Array(8);
  for (let from = 0; from < name.length; from += 32) {
    for (let index = 0; index < 8; index++) words[index] = wordOf(signed, name, from, 32, index);
    let [a, b, c, d] = [first, second, third, fourth];
    for (const { mix, add, order, turns } of ROUNDS) {
      for (let index = 0; index < 8; index++) {
        const word = words[order[index] as number] as number;
        const next = rotate((a + mix(b, c, d) + word + add) | 0, turns[index & 3] as number);
        a = d;
        d = c;
        c = b;
        b = next;
      }
    }
    first = (first + a) | 0;
    second = (second + b) | 0;
    third = (third + c) | 0;
    fourth = (fourth + d) | 0;
  }
  return second;
}

/** kernel: TEA_transform, over each 16 bytes of the name */
function tea(sb: SuperBlock, signed: boolean, name: Uint8Array): number {
  let [first, second] = [seed(sb, 0), seed(sb, 1)];
  for (let from = 0; from < name.length; from += 16) {
    const [a, b, c, d] = [0, 1, 2, 3].map((index) => wordOf(signed, name, from, 16, index)) as [
      number,
      number,
      number,
      number,
    ];
    let [x, y] = [first, second];
    for (let round = 1; round <= 16; round++) {
      const sum = Math.imul(round, 0x9e3779b9);
      x = (x + (((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b))) | 0;
      y = (y + (((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d))) | 0;
    }
    first = (first + x) | 0;
    second = (second + y) | 0;
  }
  return first;
}
