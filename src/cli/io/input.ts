// A line as the shell reads it: words between blanks, options as getopt finds them, numbers with a unit.

import { parseArgs } from "node:util";

/** What a command was given that it does not take: its usage is printed. */
export class WrongUsage extends Error {
  override readonly name = "WrongUsage";
}

/** What a command was given that makes no sense: the sentence is printed where its output goes. */
export class Complaint extends Error {
  override readonly name = "Complaint";
}

/** What could not be done: the sentence goes to stderr. */
export class Failure extends Error {
  override readonly name = "Failure";
}

export interface Given {
  /** Options in the order they were given. */
  readonly options: readonly (readonly [letter: string, value: string])[];
  readonly rest: readonly string[];
}

export function wordsOf(line: string): string[] {
  return line.split(" ").filter((word) => word !== "");
}

/** Splits words as getopt does: `letters` lists the options, a colon behind one says that it takes a value. */
export function optionsOf(name: string, words: readonly string[], letters: string): Given {
  const known = [...letters.matchAll(/(\w)(:?)/g)].map(
    ([, letter = "", colon]) =>
      [letter, { type: colon === ":" ? ("string" as const) : ("boolean" as const), short: letter }] as const,
  );
  const { tokens, positionals } = parseArgs({
    args: [...words],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(known),
  });
  const options = tokens.flatMap((token): [string, string][] => {
    if (token.kind !== "option") return [];
    if (token.rawName.startsWith("--")) throw new WrongUsage(`${name}: invalid option -- '-'`);
    const option = known.find(([letter]) => letter === token.name)?.[1];
    if (option === undefined) throw new WrongUsage(`${name}: invalid option -- '${token.name}'`);
    if (option.type === "string" && token.value === undefined)
      throw new WrongUsage(`${name}: option requires an argument -- '${token.name}'`);
    return [[token.name, token.value ?? ""]];
  });
  return { options, rest: positionals };
}

/** The value that was given last for an option. */
export function valueOf(given: Given, letter: string): string | undefined {
  return given.options.findLast(([name]) => name === letter)?.[1];
}

export function has(given: Given, letter: string): boolean {
  return given.options.some(([name]) => name === letter);
}

/** A block of ext4, and a sector, of which the units b and s are multiples. */
export const BLOCK = 4096;
export const SECTOR = 512;

const UNITS: Record<string, bigint> = {
  "": 1n,
  b: BigInt(BLOCK),
  s: BigInt(SECTOR),
  k: 1n << 10n,
  m: 1n << 20n,
  g: 1n << 30n,
  t: 1n << 40n,
  p: 1n << 50n,
  e: 1n << 60n,
};

/**
 * Bytes: decimal, octal behind 0 or hexadecimal behind 0x, and one unit: "4k", "0x1000", "2b".  Negative when
 * it is no such number, as one is that no 64 bits hold.
 */
export function bytesOf(text: string): number {
  const match = /^([+-]?)(0x[\da-f]+|0[0-7]*|[1-9]\d*)([bskmgtpe]?)$/i.exec(text);
  if (match === null) return -1;
  const [, sign, digits = "", unit = ""] = match;
  const value = bounded(digits) * (UNITS[unit.toLowerCase()] ?? 1n);
  return Number(BigInt.asIntN(64, sign === "-" ? -value : value));
}

function bounded(digits: string): bigint {
  const octal = /^0[0-7]/.test(digits);
  const value = BigInt(octal ? `0o${digits.slice(1)}` : digits);
  const most = (1n << 63n) - 1n;
  return value > most ? most : value;
}

/** The number at the beginning of a text in any base of C; undefined when none is there. */
export function leadingNumber(text: string): number | undefined {
  const digits = /^[+-]?(0x[\da-f]+|\d+)/i.exec(text);
  if (digits === null) return undefined;
  const plain = (digits[1] ?? "").replace(/^(0[0-7]*)[89].*$/, "$1");
  const value = Number(BigInt.asUintN(32, bounded(plain)));
  return text.startsWith("-") ? -value : value;
}

/** A number in any base of C, or a complaint that says what it was to be. */
export function numberFor(what: string, text: string | undefined): number {
  const value = leadingNumber(text ?? "");
  if (value === undefined) throw new Complaint(`non-numeric ${what} -- ${text}`);
  return value;
}

/** The decimal number at the beginning of a text, 0 when there is none.  As atoi. */
export function decimal(text: string): number {
  return Number(/^[+-]?\d+/.exec(text)?.[0] ?? 0);
}

/** Bytes, or a complaint that says what they were to be. */
export function bytesFor(what: string, text: string | undefined): number {
  const value = bytesOf(text ?? "");
  if (value < 0) throw new Complaint(`non-numeric ${what} -- ${text}`);
  return value;
}

/** "off len". */
export function rangeOf(rest: readonly string[]): { offset: number; length: number } {
  const offset = bytesFor("offset argument", rest[0]);
  return { offset, length: bytesFor("length argument", rest[1]) };
}
