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
 * A part of a name that starts at `from` as numbers of four bytes each.  Where the name has ended its length stands in
 * for what is missing.  kernel: str2hashbuf
 */
function wordsOf(signed: boolean, name: Uint8Array, from: number, words: number[]): void {
  const left = name.length - from;
  let pad = (left & 0xff) | (left << 8);
  pad |= pad << 16;
  let at = from;
  for (let index = 0; index < words.length; index++) {
    let word = pad;
    for (const end = Math.min(name.length, at + 4); at < end; at++) {
      word = (byteOf(signed, name, at) + (word << 8)) | 0;
    }
    words[index] = word;
  }
}

/** kernel: half_md4_transform, over each 32 bytes of the name */
function halfMd4(sb: SuperBlock, signed: boolean, name: Uint8Array): number {
  const state = [seed(sb, 0), seed(sb, 1), seed(sb, 2), seed(sb, 3)] as [number, number, number, number];
  const words = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let from = 0; from < name.length; from += 32) {
    wordsOf(signed, name, from, words);
    mixWords(state, words);
  }
  return state[1];
}

// What the second and the third round of MD4 add to each word.
const SECOND = 0x5a827999;
const THIRD = 0x6ed9eba1;

/**
 * The three rounds of MD4 (RFC 1320), each of which takes half as many words as there, in an order of its own.  Written
 * out: every look-up in a large directory comes by here, and going by tables took twice as long.
 */
function mixWords(state: [number, number, number, number], words: readonly number[]): void {
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  for (let at = 0; at < 8; at += 4) {
    a = (a + (d ^ (b & (c ^ d))) + (words[at] as number)) | 0;
    a = (a << 3) | (a >>> 29);
    d = (d + (c ^ (a & (b ^ c))) + (words[at + 1] as number)) | 0;
    d = (d << 7) | (d >>> 25);
    c = (c + (b ^ (d & (a ^ b))) + (words[at + 2] as number)) | 0;
    c = (c << 11) | (c >>> 21);
    b = (b + (a ^ (c & (d ^ a))) + (words[at + 3] as number)) | 0;
    b = (b << 19) | (b >>> 13);
  }
  for (let at = 1; at >= 0; at--) {
    a = (a + ((b & c) + ((b ^ c) & d)) + (words[at] as number) + SECOND) | 0;
    a = (a << 3) | (a >>> 29);
    d = (d + ((a & b) + ((a ^ b) & c)) + (words[at + 2] as number) + SECOND) | 0;
    d = (d << 5) | (d >>> 27);
    c = (c + ((d & a) + ((d ^ a) & b)) + (words[at + 4] as number) + SECOND) | 0;
    c = (c << 9) | (c >>> 23);
    b = (b + ((c & d) + ((c ^ d) & a)) + (words[at + 6] as number) + SECOND) | 0;
    b = (b << 13) | (b >>> 19);
  }
  for (let at = 3; at >= 1; at -= 2) {
    a = (a + (b ^ c ^ d) + (words[at] as number) + THIRD) | 0;
    a = (a << 3) | (a >>> 29);
    d = (d + (a ^ b ^ c) + (words[at + 4] as number) + THIRD) | 0;
    d = (d << 9) | (d >>> 23);
    c = (c + (d ^ a ^ b) + (words[at - 1] as number) + THIRD) | 0;
    c = (c << 11) | (c >>> 21);
    b = (b + (c ^ d ^ a) + (words[at + 3] as number) + THIRD) | 0;
    b = (b << 15) | (b >>> 17);
  }
  state[0] = (state[0] + a) | 0;
  state[1] = (state[1] + b) | 0;
  state[2] = (state[2] + c) | 0;
  state[3] = (state[3] + d) | 0;
}

/** kernel: TEA_transform, over each 16 bytes of the name */
function tea(sb: SuperBlock, signed: boolean, name: Uint8Array): number {
  let [low, high] = [seed(sb, 0), seed(sb, 1)];
  const words = [0, 0, 0, 0];
  for (let from = 0; from < name.length; from += 16) {
    wordsOf(signed, name, from, words);
    const [a, b, c, d] = words as [number, number, number, number];
    let [x, y] = [low, high];
    for (let round = 1; round <= 16; round++) {
      const sum = Math.imul(round, 0x9e3779b9);
      x = (x + (((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b))) | 0;
      y = (y + (((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d))) | 0;
    }
    low = (low + x) | 0;
    high = (high + y) | 0;
  }
  return low;
}
