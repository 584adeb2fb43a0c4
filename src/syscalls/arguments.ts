// Arguments as JavaScript hands them over.  A wrong type is a mistake in the program: TypeError, with the
// codes of node:fs.  A number that the kernel's types cannot hold (NaN, a fraction, below -2^63) is an
// invalid value; the functions here say so, and the call answers with its usual error number.

import type { NewTime } from "../ext4/attributes.ts";
import { MAX_OFFSET, flagsOf } from "./flags.ts";

type CodedError = TypeError & { code: string };

function wrongType(name: string, expected: string, value: unknown): never {
  const got = value === null ? "null" : Array.isArray(value) ? "an array" : typeof value;
  const error = new TypeError(`The "${name}" argument must be ${expected}, not ${got}`) as CodedError;
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

function wrongValue(name: string, expected: string, value: string): never {
  const error = new TypeError(
    `The "${name}" argument must be ${expected}, not ${JSON.stringify(value)}`,
  ) as CodedError;
  error.code = "ERR_INVALID_ARG_VALUE";
  throw error;
}

/** Throws unless it is a number, any number. */
export function checkNumber(name: string, value: unknown): void {
  if (typeof value !== "number") wrongType(name, "a number", value);
}

/** Whether a number fits the kernel's signed 64-bit integers. */
export function isOffset(value: number): boolean {
  return (value | 0) === value || isLargeOffset(value); // most are small, and then nothing else is asked
}

function isLargeOffset(value: number): boolean {
  return Number.isInteger(value) && value <= MAX_OFFSET && value >= -MAX_OFFSET;
}

/** Whether a number fits the kernel's int. */
export function isInt(value: number): boolean {
  return (value | 0) === value;
}

/** Throws unless it is a string, or a Uint8Array, that can be a path. */
export function checkPath(name: string, value: unknown): void {
  if (value instanceof Uint8Array) {
    if (value.includes(0)) wrongValue(name, "a path without null bytes", new TextDecoder().decode(value));
    return;
  }
  if (typeof value !== "string") wrongType(name, "a string or a Uint8Array", value);
  if (value.includes("\0")) wrongValue(name, "a path without null bytes", value);
}

/** A time as programs give it: seconds since the epoch, nanoseconds as a bigint, or a word. */
export type TimeValue = number | bigint | "now" | "omit";

/** Throws unless it is a TimeValue. */
export function checkTime(name: string, value: unknown): void {
  if (typeof value === "number" || typeof value === "bigint" || value === "now" || value === "omit") return;
  wrongType(name, 'a number of seconds, a bigint of nanoseconds, "now" or "omit"', value);
}

const NANOSECONDS = 1_000_000_000n;

/** A time for the kernel; undefined for a number that is none. */
export function timeOf(value: TimeValue): NewTime | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "bigint") {
    const nanoseconds = ((value % NANOSECONDS) + NANOSECONDS) % NANOSECONDS;
    return { seconds: Number((value - nanoseconds) / NANOSECONDS), nanoseconds: Number(nanoseconds) };
  }
  if (!Number.isFinite(value)) return undefined;
  const seconds = Math.floor(value);
  return { seconds, nanoseconds: Math.floor((value - seconds) * 1e9) };
}

/** The flags of `open` as a number: given as such, or as node:fs writes them. */
export function openFlags(flags: unknown): number {
  if (typeof flags === "number") return flags;
  if (typeof flags !== "string") wrongType("flags", "a string or a number", flags);
  return flagsOf(flags) ?? wrongValue("flags", "flags as node:fs knows them", flags);
}

/** Throws unless it is bytes: a Uint8Array (a Buffer is one). */
export function checkBytes(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) wrongType(name, "a Uint8Array", value);
}

/** A range in the caller's own address space. */
export interface UserRange {
  address: number;
  length: number;
}

/** Throws unless it is `{ address, length }`, both numbers. */
export function checkUserRange(name: string, value: unknown): void {
  const range = value as Partial<UserRange> | null;
  if (typeof range !== "object" || range === null) {
    wrongType(name, "a Uint8Array or { address, length }", value);
  }
  checkNumber(`${name}.address`, range.address);
  checkNumber(`${name}.length`, range.length);
}

/** Throws unless it is one of the words. */
export function checkWord<T extends string>(name: string, value: unknown, words: readonly T[]): void {
  if (typeof value !== "string") wrongType(name, "a string", value);
  if (!(words as readonly string[]).includes(value)) {
    wrongValue(name, words.map((word) => JSON.stringify(word)).join(" or "), value);
  }
}
