#!/usr/bin/env node
// The command line `unwritten`: picks the command, and turns whatever comes out of it into an exit code.

import { didYouMean } from "../lab/usage.ts";
import type { Command } from "./command.ts";
import { Exit, exitOf, Refusal, type ExitCode } from "./exit.ts";
import { programName, programVersion } from "./program.ts";
import { complain, endWhenUnwritable, leave, print } from "./terminal/output.ts";
import { look } from "./terminal/look.ts";
import { crashCommand } from "./experiments/crash.ts";
import { designsCommand } from "./experiments/designs.ts";
import { exploreCommand } from "./experiments/explore.ts";
import { matrixCommand } from "./experiments/matrix.ts";
import { replayCommand } from "./experiments/replay.ts";
import { scenariosCommand } from "./experiments/scenarios.ts";
import { stressCommand } from "./experiments/stress.ts";
import { ioCommand } from "./io/io.ts";
import { catCommand } from "./image/cat.ts";
import { fsckCommand } from "./image/fsck.ts";
import { lsCommand } from "./image/ls.ts";
import { mkfsCommand } from "./image/mkfs.ts";
import { statCommand } from "./image/stat.ts";

const experiments = [
  matrixCommand,
  exploreCommand,
  crashCommand,
  replayCommand,
  stressCommand,
  scenariosCommand,
  designsCommand,
];
const images = [mkfsCommand, fsckCommand, lsCommand, catCommand, statCommand, ioCommand];
const commands: readonly Command[] = [...experiments, ...images];

function list(some: readonly Command[]): string[] {
  return some.map((one) => `  ${one.name.padEnd(10)}  ${one.summary}`);
}

function programHelp(): string {
  const { bold } = look(process.stdout);
  const name = programName();
  return [
    "Races on unwritten extents in a file system's direct-access data path: found, shrunk, replayed.",
    "",
    `${bold("Usage:")} ${name} COMMAND [arguments]`,
    "",
    bold("Experiments:"),
    ...list(experiments),
    "",
    bold("Images:"),
    ...list(images),
    "",
    bold("Options:"),
    "  -h, --help      print this help, or that of the command",
    "  -V, --version   print the version",
    "",
    bold("Examples:"),
    `  ${name} matrix`,
    "      every scenario under every design: which promises hold?",
    `  ${name} explore write-beside-read --design ext4-xip-inline --strategy random`,
    "      search one cell; prints the story of what broke and the command that replays it",
    `  ${name} mkfs disk.img --size 16M`,
    "      make an ext4 image",
    `  ${name} help explore`,
    "      all options of a command, with examples and the shape of its JSON",
    "",
    bold("Exit codes:"),
    "  0  nothing found          3  a bug of this program",
    "  1  a violation            4  a schedule that does not fit, or did not reproduce",
    "  2  wrong usage or input   5  inconclusive: the search ended before it could say",
    "  130  interrupted by Ctrl-C, after printing what was found so far",
  ].join("\n");
}

async function run(words: readonly string[]): Promise<ExitCode> {
  const [name, ...rest] = words;
  if (name === undefined) throw new Refusal(`which command? Try ${programName()} --help`);
  if (name === "--help" || name === "-h") return printed(programHelp());
  if (name === "--version" || name === "-V") return printed(programVersion());
  if (name === "help") return printed(rest[0] === undefined ? programHelp() : find(rest[0]).help());
  return find(name).run(rest);
}

function printed(text: string): ExitCode {
  print(text);
  return Exit.nothingFound;
}

function find(name: string): Command {
  const found = commands.find((one) => one.name === name);
  if (found !== undefined) return found;
  if (name.startsWith("-"))
    throw new Refusal(`unknown option ${name}${didYouMean(name, ["--help", "--version"])}`);
  const names = commands.map((one) => one.name);
  throw new Refusal(`unknown command "${name}"${didYouMean(name, names) || `; try ${programName()} --help`}`);
}

async function main(): Promise<void> {
  endWhenUnwritable();
  let code: ExitCode;
  try {
    code = await run(process.argv.slice(2));
  } catch (error) {
    const known = exitOf(error);
    code = known ?? Exit.ownBug;
    const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined };
    complain(known === undefined ? `this is a bug of unwritten itself: ${stack ?? message}` : message);
  }
  leave(code);
}

await main();
