// io: a shell over files of an image, with the commands of xfs_io.

import { flag, text, type Option } from "../arguments.ts";
import { command } from "../command.ts";
import { Refusal } from "../exit.ts";
import { print, printError } from "../terminal/output.ts";
import { runIo } from "./run.ts";

/** An option that may be given several times, whatever its text is. */
function line(help: string, short: string): Option<string[]> {
  return {
    valueName: "CMD",
    short,
    help,
    join: (before, next) => [...before, ...next],
    read: (given) => [given],
  };
}

function setting(help: string): Option<[string, string][]> {
  return {
    valueName: "NAME=VALUE",
    short: "o",
    help,
    join: (before, next) => [...before, ...next],
    read: (given, name) =>
      given.split(",").map((one): [string, string] => {
        const [key = "", value, ...more] = one.split("=");
        if (key === "" || value === undefined || more.length > 0)
          throw new Refusal(`--${name} takes NAME=VALUE, not "${one}"`);
        return [key, value];
      }),
  };
}

export const ioOptions = {
  command: line("run a command, for each of the files; may be given again", "c"),
  once: line("run a command for the current file only", "C"),
  create: flag("create the files that do not exist", "f"),
  "read-only": flag("open them to read only", "r"),
  append: flag("open them to append only", "a"),
  truncate: flag("truncate them", "t"),
  sync: flag("make every write durable", "s"),
  mode: text("MODE", "permissions of a file that is created (0600)", "m"),
  nofollow: flag("do not follow symbolic links", "L"),
  direct: flag("open for direct access; data here is accessed in place either way", "d"),
  nonblock: flag("open without blocking; nothing here blocks", "n"),
  expert: flag("show all commands; those of experts are for XFS", "x"),
  idle: flag("taken for scripts that give it, without a meaning here", "i"),
  foreign: flag("taken for scripts that give it, without a meaning here", "F"),
  prog: text("NAME", "taken for scripts that give it, without a meaning here", "p"),
  design: text("D", "the data path: a design's name, or the path of its module (dax-6.1)"),
  option: setting("a mount option or tunable, such as extent_max_zeroout_kb=0"),
};

export const ioCommand = command({
  name: "io",
  summary: "change files in an image with the commands of xfs_io",
  takes: "IMAGE:/path... [-c CMD]... [options]",
  details: [
    "Without -c, commands come from the terminal (Tab completes, the arrows find earlier lines) or from a pipe, one",
    "a line; `help` lists them.  Output, errors and the exit code are those of xfs_io, and names of files are printed",
    "as they were given, so a script for xfs_io works when the program's name and the path are replaced.",
    "The image is written back at fsync, fdatasync and sync, and at the end: whole, or not at all.  A journal with",
    "something to replay is replayed when the image is mounted, as in Linux, and that is written back, too, even where",
    "nothing but reading follows, unless all files are opened to read only.",
  ].join("\n"),
  positionals: { min: 1, max: Infinity },
  options: ioOptions,
  examples: [
    ["-f -c 'falloc 0 1m' -c 'pwrite 4k 512' -c 'fiemap -v' disk.img:/data", "reserve, write, look"],
    ["-r -c 'pread -v 4096 64' disk.img:/data", "show 64 bytes"],
    [
      "-c 'mmap -rw 0 1m' -c 'mwrite -S 0x61 0 10' -c 'mread -v 0 16' disk.img:/data",
      "store through a mapping",
    ],
    ["disk.img:/data", "type commands"],
  ],
  exits: [
    "0    all commands did what they were told",
    "1    one did not",
    "2    wrong usage of the program, or an image that cannot be used",
    "135  a load or store got SIGBUS, 139 SIGSEGV: the session ended there",
    "130  Ctrl-C; what was done before is in the image",
  ].join("\n"),
  run: (given) =>
    runIo(given, {
      out: print,
      complain: printError,
      input: process.stdin,
      output: process.stdout,
      terminal: process.stdin.isTTY && process.stdout.isTTY,
    }),
});
