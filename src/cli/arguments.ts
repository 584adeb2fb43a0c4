// The arguments of a command: options declared once as data, which gives their parsing, their types,
// their help and the "did you mean".  node:util parseArgs splits the words; what they mean is decided here.

import { parseArgs } from "node:util";
import { didYouMean } from "../lab/usage.ts";
import { Refusal } from "./exit.ts";

export interface Option<T> {
  /** What stands for the value in the help; a flag has none. */
  readonly valueName?: string;
  readonly short?: string;
  readonly help: string;
  /** An option that may be given again has this: what both values are together. */
  readonly join?: (before: T, next: T) => T;
  /** Turns the text given for `--name` into the value, or throws a `Refusal`. */
  readonly read: (text: string, name: string) => T;
}

export type Options = Readonly<Record<string, Option<any>>>;
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T | undefined : never;
};

export interface Parsed<O extends Options> {
  readonly values: Values<O>;
  readonly positionals: readonly string[];
  /** The options once more, in the order they were given. */
  readonly order: readonly Ordered[];
}

export interface Ordered {
  readonly name: string;
  readonly value: unknown;
}

export function flag(help: string, short?: string): Option<boolean> {
  return { help, ...(short !== undefined && { short }), read: () => true };
}

export function text(valueName: string, help: string, short?: string): Option<string> {
  return {
    valueName,
    help,
    ...(short !== undefined && { short }),
    read(given, name) {
      if (given === "") throw new Refusal(`--${name} needs a value`);
      return given;
    },
  };
}

/** An option that can be given several times; a comma separates several values of one. */
export function many(option: Option<string>): Option<string[]> {
  return {
    ...option,
    join: (before, next) => [...before, ...next],
    read: (given, name) => given.split(",").map((one) => option.read(one, name)),
  };
}

export function choice<const T extends string>(choices: readonly T[], help: string): Option<T> {
  return {
    valueName: choices.join("|"),
    help,
    read(given, name) {
      const found = choices.find((one) => one === given);
      if (found === undefined)
        throw new Refusal(
          `--${name} must be one of ${choices.join(", ")}, not "${given}"${didYouMean(given, choices)}`,
        );
      return found;
    },
  };
}

export function count(help: string, range: { min: number; max: number }, short?: string): Option<number> {
  return {
    valueName: "N",
    help,
    ...(short !== undefined && { short }),
    read(given, name) {
      const value = /^\d[\d_,]*$/.test(given) ? Number(given.replaceAll(/[_,]/g, "")) : Number.NaN;
      return within(value, given, name, range, "a whole number");
    },
  };
}

const BYTES: Record<string, number> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes: "4096", "64K", "16M", "1GiB", "2T". */
export function size(help: string, range: { min: number; max: number }): Option<number> {
  return {
    valueName: "SIZE",
    help,
    read(given, name) {
      const match = /^(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?$/i.exec(given);
      const unit = BYTES[(match?.[2] ?? "").toUpperCase()] ?? 1;
      const value = match ? Number(match[1]) * unit : Number.NaN;
      return within(value, given, name, range, "a size such as 16M");
    },
  };
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, "": 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds: "500ms", "60s", "60" (seconds), "2m", "1h". */
export function duration(help: string): Option<number> {
  return {
    valueName: "TIME",
    help,
    read(given, name) {
      const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/.exec(given);
      const value = match ? Math.ceil(Number(match[1]) * (MILLISECONDS[match[2] ?? ""] ?? 1000)) : Number.NaN;
      if (!(value > 0 && value <= 7 * 24 * 3_600_000))
        throw new Refusal(
          `--${name} must be a time such as 500ms, 60s or 2m (at most a week), not "${given}"`,
        );
      return value;
    },
  };
}

function within(
  value: number,
  given: string,
  name: string,
  range: { min: number; max: number },
  what: string,
): number {
  if (!Number.isSafeInteger(value) || value < range.min || value > range.max)
    throw new Refusal(
      `--${name} must be ${what} from ${plain(range.min)} to ${plain(range.max)}, not "${given}"`,
    );
  return value;
}

/** 16777216 -> "16M": ranges are printed as people type them. */
function plain(value: number): string {
  for (const [suffix, unit] of [
    ["T", BYTES["T"]],
    ["G", BYTES["G"]],
    ["M", BYTES["M"]],
  ] as const) {
    if (unit !== undefined && value >= unit && value % unit === 0) return `${value / unit}${suffix}`;
  }
  return value === Number.MAX_SAFE_INTEGER ? "2^53 - 1" : String(value);
}

export function parse<O extends Options>(words: readonly string[], options: O): Parsed<O> {
  const { tokens, positionals } = parseArgs({
    args: [...words],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, option]) => [
        name,
        {
          type: option.valueName === undefined ? ("boolean" as const) : ("string" as const),
          ...(option.short !== undefined && { short: option.short }),
        },
      ]),
    ),
  });

  const values: Record<string, unknown> = {};
  const order: Ordered[] = [];
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (option === undefined) {
      const known = Object.keys(options).map((name) => `--${name}`);
      throw new Refusal(`unknown option ${token.rawName}${didYouMean(token.rawName, known)}`);
    }
    const value = valueOf(token, option);
    order.push({ name: token.name, value });
    const before = values[token.name];
    if (before === undefined) values[token.name] = value;
    else if (option.join !== undefined) values[token.name] = option.join(before, value);
    else throw new Refusal(`--${token.name} was given twice`);
  }
  return { values: values as Values<O>, positionals, order };
}

function valueOf(
  token: { name: string; value: string | undefined; inlineValue: boolean | undefined },
  option: Option<unknown>,
): unknown {
  if (option.valueName === undefined) {
    if (token.inlineValue) throw new Refusal(`--${token.name} takes no value`);
    return option.read("", token.name);
  }
  // parseArgs takes the next word whatever it is; "--design --json" is a forgotten value, not a design.
  if (token.value === undefined || (!token.inlineValue && /^-./.test(token.value)))
    throw new Refusal(`--${token.name} needs a value (${option.valueName})`);
  return option.read(token.value, token.name);
}
