// Commands about a file's attributes, and about the file system: statfs, utimes, chmod.

import type { TimeValue } from "../../../syscalls/arguments.ts";
import { Failure, has, type Given } from "../input.ts";
import type { Session } from "../session.ts";
import { usage, type ShellCommand } from "../shell.ts";

export const attributeCommands: readonly ShellCommand[] = [
  {
    name: "statfs",
    takes: "[-c] [-g] [-s]",
    does: "show what is known of the file system",
    details: "-s     its counts (the rule)\n-c -g  those of XFS, which are not here",
    words: [0, 3],
    options: "cgs",
    run(session, given) {
      session.out(`fd.path = "${session.file.name}"`);
      if (given.options.length > 0 && !has(given, "s")) return;
      const { bsize, blocks, bavail, files, ffree } = session.sys.statfs(
        session.pathOf(session.file.name) ?? "/",
      );
      for (const [field, value] of Object.entries({ bsize, blocks, bavail, files, ffree }))
        session.out(`statfs.f_${field} = ${value}`);
      session.out(`statfs.f_flags = ${MOUNTED}`);
    },
  },
  {
    name: "utimes",
    takes: "atime_sec atime_nsec mtime_sec mtime_nsec",
    does: "set when the file was read and changed last",
    words: [4, 4],
    run: setTimes,
  },
  {
    name: "chmod",
    takes: "-r | -w",
    does: "make the file readable by all, or writable by user and group",
    words: [1, 1],
    options: "rw",
    run: changeMode,
  },
];

/** Flags of a file system that was mounted without options: ST_VALID, ST_RELATIME. */
const MOUNTED = "0x1020";

function setTimes({ sys, file }: Session, { rest }: Given): void {
  const [accessed, modified] = [timeOf("atime", rest[0], rest[1]), timeOf("mtime", rest[2], rest[3])];
  sys.futimens(file.fd, accessed, modified);
}

/** What a nanosecond count beyond all others means.  kernel: UTIME_NOW, UTIME_OMIT */
const WORDS = new Map<bigint, "now" | "omit">([
  [1_073_741_823n, "now"],
  [1_073_741_822n, "omit"],
]);

function timeOf(what: string, seconds = "", nanoseconds = ""): TimeValue {
  const [whole, part] = [integerOf(seconds), integerOf(nanoseconds)];
  if (whole === undefined || part === undefined) throw new Failure(`Bad value for ${what}`);
  const word = WORDS.get(part);
  if (word !== undefined) return word;
  // A part that is none is refused by the call, as one that no clock shows.
  return part < 0n || part >= 1_000_000_000n ? Number.NaN : whole * 1_000_000_000n + part;
}

/** A whole number of 64 bits, in any base of C.  As strtoull. */
function integerOf(text: string): bigint | undefined {
  const match = /^([+-]?)(0x[\da-f]+|0[0-7]*|[1-9]\d*)$/i.exec(text);
  if (match === null) return undefined;
  const [, sign, digits = ""] = match;
  const value = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return BigInt.asIntN(64, sign === "-" ? -value : value);
}

function changeMode(session: Session, given: Given): void {
  if (given.options.length === 0) {
    // As in xfs_io this is no failure.
    session.out(usage(attributeCommands[2] as ShellCommand));
    return;
  }
  session.sys.fchmod(session.file.fd, has(given, "w") ? 0o664 : 0o444);
}
