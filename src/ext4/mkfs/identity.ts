// What tells one file system from another: its UUID, its name, the seed of its directory hashes, its birthday.

import type { MkfsError } from "./features.ts";

/** 8 December 2013, when a machine is born. */
const BIRTHDAY = 1_386_460_800;

export interface IdentityOptions {
  /** The name of the volume: up to 16 bytes. */
  readonly label?: string | undefined;
  /** 32 hexadecimal digits, hyphens allowed.  Made from the seed otherwise. */
  readonly uuid?: string | undefined;
  /** What directories mix into the hashes of names, written as a UUID.  Made from the seed otherwise. */
  readonly hashSeed?: string | undefined;
  /** What the two are made from; default 0. */
  readonly seed?: number | undefined;
  /** Seconds since 1970; default 8 December 2013. */
  readonly time?: number | undefined;
}

export interface Identity {
  readonly label: Uint8Array;
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint8Array;
  readonly time: number;
}

export function identityFrom(options: IdentityOptions): Identity | MkfsError {
  const label = new TextEncoder().encode(options.label ?? "");
  if (label.length > 16) return { message: `the label "${options.label}" is longer than 16 bytes` };
  const { seed = 0, time = BIRTHDAY } = options;
  if (!(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32))
    return { message: `the seed is 0 to ${2 ** 32 - 1}, not ${seed}` };
  if (!(Number.isInteger(time) && time >= 0 && time < 2 ** 31))
    return { message: `the time is 0 to ${2 ** 31 - 1} seconds since 1970, not ${time}` };
  const random = idsFrom(seed);
  const uuid = options.uuid === undefined ? versionFour(random.slice(0, 16)) : parseUuid(options.uuid);
  if (uuid === undefined) return { message: `"${options.uuid}" is no UUID` };
  const hashSeed =
    options.hashSeed === undefined ? versionFour(random.slice(16)) : parseUuid(options.hashSeed);
  if (hashSeed === undefined) return { message: `the hash seed "${options.hashSeed}" is no UUID` };
  return { label, uuid, hashSeed, time };
}

/** 32 bytes that follow from the seed (splitmix32). */
function idsFrom(seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(32);
  let state = seed >>> 0;
  for (let at = 0; at < bytes.length; at++) {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    bytes[at] = mixed >>> 24;
  }
  return bytes;
}

/** Marks 16 bytes as a random UUID. */
function versionFour(bytes: Uint8Array): Uint8Array {
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes;
}

function parseUuid(text: string): Uint8Array | undefined {
  const digits = text.replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/i.test(digits)) return undefined;
  return Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}
