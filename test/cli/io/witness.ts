// The real xfs_io, on an ext4 that Linux has mounted through a loop device: what it says to the cases.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { mkfs } from "../../support/e2fsprogs.ts";
import { loopRefusal, mountedByLinux } from "../../support/loop.ts";
import type { Case } from "./cases.ts";

/** What one run of the program said. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The file system that the cases run on. */
export function freshImage(): Uint8Array {
  return mkfs(4 * 2 ** 20);
}

/** Why this computer cannot ask the real program; "" when it can. */
export function witnessRefusal(): string {
  if (version() === "") return "xfs_io is not installed";
  return loopRefusal();
}

/** "xfs_io version 6.1.0" */
export function version(): string {
  const ended = spawnSync("xfs_io", ["-V"], { encoding: "utf8" });
  return ended.error === undefined ? ended.stdout.trim() : "";
}

/** The answers of xfs_io, by the names of the cases; each begins in a folder of its own. */
export function askXfsIo(cases: readonly Case[]): Record<string, Said[]> {
  return mountedByLinux(
    freshImage(),
    (mounted) =>
      Object.fromEntries(
        cases.map((one, i) => {
          const folder = join(mounted, String(i));
          mkdirSync(join(folder, "disk.img:"), { recursive: true });
          return [one.name, one.runs.map((words, at) => ask(folder, words, inputOf(one, at)))];
        }),
      ),
    "rw",
  );
}

export function inputOf(one: Case, at: number): string {
  return at === one.runs.length - 1 ? (one.input ?? "") : "";
}

function ask(cwd: string, words: readonly string[], input: string): Said {
  const { status, signal, stdout, stderr } = spawnSync("xfs_io", words, { cwd, input, encoding: "utf8" });
  // As a shell reports a program that a signal killed.
  const code = signal === "SIGBUS" ? 135 : signal === "SIGSEGV" ? 139 : (status ?? -1);
  return normal({ code, stdout, stderr });
}

/** Without what differs from run to run and with what other cases have left: times, speeds, addresses, inode numbers and places on the device. */
export function normal({ code, stdout, stderr }: Said): Said {
  const out = stdout
    .replaceAll(/; (0\.\d{4} sec|\d+:\d\d:\d\d\.\d\d) \(.*\/sec and .* ops\/sec\)/g, "; TIME")
    .replaceAll(/^(\d+,\d+),\d+:\d\d:\d\d\.\d\d,.*$/gm, "$1,TIME")
    .replaceAll(/0x[0-9a-f]{6,}/g, "0xADDRESS")
    .replaceAll(/^(statfs\.f_(?:bavail|ffree)) = .*$/gm, "$1 = N")
    .replaceAll(/^(stat\.(?:ino|dev_m\w+|[acm]time\S*)) = .*$/gm, "$1 = N")
    .replaceAll(
      /^(\t\d+: \[.*?\]: )(\d+)\.\.(\d+)/gm,
      (_, before, first, last) => before + count(first, last),
    )
    .replaceAll(
      /^( *\d+: \[.*?\]: +)((\d+)\.\.(\d+) *)/gm,
      (_, before, place, first, last) => before + count(first, last).padEnd((place as string).length),
    )
    // The sentences that tell what a command does are everybody's own.
    .replaceAll(/^(\w+)(?: .*)? -- [a-z].*$/gm, "usage of $1");
  // What the shell says of a program that died is not the program's.
  return { code, stdout: out, stderr: stderr.replaceAll(/^(Bus error|Segmentation fault)\n/gm, "") };
}

/** A place on the device becomes the number of its sectors. */
function count(first: string, last: string): string {
  return `+${Number(last) - Number(first) + 1}`;
}
