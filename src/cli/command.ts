// What a command is, and its help.
//
// Commands import the layers below when they run, not before: help and wrong usage answer at once.

import { parse, flag, type Option, type Options, type Ordered, type Values } from "./arguments.ts";
import { Exit, Refusal, type ExitCode } from "./exit.ts";
import { programName } from "./program.ts";
import { print } from "./terminal/output.ts";
import { look } from "./terminal/look.ts";

export interface Description<O extends Options> {
  readonly name: string;
  /** One line of the program's help: begins with a verb. */
  readonly summary: string;
  /** What follows the command's name in the usage line. */
  readonly takes: string;
  /** What the help says of the positional arguments and of the command's ways. */
  readonly details?: string;
  readonly positionals: { readonly min: number; readonly max: number };
  readonly options: O;
  /** Arguments of an example, and what it does. */
  readonly examples: readonly (readonly [given: string, does: string])[];
  /** The shape that `--json` prints; a command without one has no such option. */
  readonly json?: string;
  /** What the exit codes mean here, where more is to say than "0: done". */
  readonly exits?: string;
  run(given: Given<O>): Promise<ExitCode>;
}

type Common = { readonly json: Option<boolean>; readonly help: Option<boolean> };

export interface Given<O extends Options> {
  readonly values: Values<O & Common>;
  readonly positionals: readonly string[];
  readonly order: readonly Ordered[];
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  help(): string;
  run(words: readonly string[]): Promise<ExitCode>;
}

export function command<O extends Options>(description: Description<O>): Command {
  const options = {
    ...description.options,
    ...(description.json !== undefined && {
      json: flag("print one JSON document on stdout instead of text"),
    }),
    help: flag("print this help", "h"),
  } as O & Common;
  return {
    name: description.name,
    summary: description.summary,
    help: () => help(description, options),
    async run(words) {
      // Help wins over everything else on the line, so that it can be asked for in the middle of a mistake.
      const end = words.indexOf("--");
      const asked = end < 0 ? words : words.slice(0, end);
      if (asked.includes("--help") || asked.includes("-h")) {
        print(help(description, options));
        return Exit.nothingFound;
      }
      const { values, positionals, order } = parse(words, options);
      const { min, max } = description.positionals;
      const usage = `usage: ${programName()} ${description.name} ${description.takes}`;
      if (positionals.length < min)
        throw new Refusal(
          `${description.name} needs ${missing(description.takes, positionals.length)}; ${usage}`,
        );
      if (positionals.length > max) throw new Refusal(`unexpected argument "${positionals[max]}"; ${usage}`);
      return description.run({ values, positionals, order });
    },
  };
}

/** The first word of the usage line that was not given. */
function missing(takes: string, given: number): string {
  return takes.split(" ").filter((word) => /^[A-Z]/.test(word))[given] ?? "an argument";
}

function help<O extends Options>(description: Description<O>, options: Options): string {
  const { bold } = look(process.stdout);
  const lines = [
    `${description.summary}.`,
    "",
    `${bold("Usage:")} ${programName()} ${description.name} ${description.takes}`,
  ];
  if (description.details !== undefined) lines.push("", description.details);

  lines.push("", bold("Options:"));
  const rows = Object.entries(options).map(([name, option]) => {
    const short = option.short === undefined ? "    " : `-${option.short}, `;
    return [`${short}--${name}${option.valueName === undefined ? "" : ` ${option.valueName}`}`, option.help];
  });
  const width = Math.min(30, Math.max(...rows.map(([left = ""]) => left.length)));
  for (const [left = "", right = ""] of rows) {
    if (left.length > width) lines.push(`  ${left}`, `  ${" ".repeat(width)}  ${right}`);
    else lines.push(`  ${left.padEnd(width)}  ${right}`);
  }

  lines.push("", bold("Examples:"));
  for (const [given, does] of description.examples)
    lines.push(`  ${programName()} ${description.name}${given === "" ? "" : ` ${given}`}`, `      ${does}`);

  if (description.json !== undefined)
    lines.push("", bold("With --json:"), ...description.json.split("\n").map((line) => `  ${line}`));
  if (description.exits !== undefined)
    lines.push("", bold("Exit codes:"), ...description.exits.split("\n").map((line) => `  ${line}`));
  return lines.join("\n");
}
