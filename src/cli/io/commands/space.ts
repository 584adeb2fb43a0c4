// Commands about the space and the size of a file, and about its durability.

import { Fallocate } from "../../../xip/modes.ts";
import { SysError } from "../../../syscalls/error.ts";
import { bytesFor, Failure, has, rangeOf, type Given } from "../input.ts";
import type { Session } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { errorText } from "../words.ts";

function allocate({ sys, file }: Session, mode: number, given: Given): void {
  const { offset, length } = rangeOf(given.rest);
  sys.fallocate(file.fd, mode, offset, length);
}

/** A command that is one mode of fallocate; its errors may have the name of an older call. */
function inMode(name: string, mode: number, does: string, call = "fallocate"): ShellCommand {
  return {
    name,
    takes: "off len",
    does,
    words: [2, 2],
    run(session, given) {
      try {
        allocate(session, mode, given);
      } catch (error) {
        throw error instanceof SysError ? new Failure(`${call}: ${errorText(error.code)}`) : error;
      }
    },
  };
}

const PUNCH = Fallocate.punchHole | Fallocate.keepSize;

const MODES: Record<string, number> = {
  c: Fallocate.collapseRange,
  i: Fallocate.insertRange,
  k: Fallocate.keepSize,
  p: PUNCH,
  u: Fallocate.unshareRange,
};

export const spaceCommands: readonly ShellCommand[] = [
  {
    name: "truncate",
    alias: "t",
    takes: "off",
    does: "set the size of the file",
    words: [1, 1],
    run({ sys, file }, { rest }) {
      sys.ftruncate(file.fd, bytesFor("truncate argument", rest[0]));
    },
  },
  {
    name: "falloc",
    takes: "[-c] [-i] [-k] [-p] [-u] off len",
    does: "reserve space, unwritten, or what else fallocate can do",
    details: [
      "  falloc 0 1m         reserves the first MiB",
      "",
      "-k  the size of the file stays",
      "-p  punches a hole (fpunch)",
      "-c  takes the range out of the file (fcollapse)",
      "-i  makes room for a range (finsert)",
      "-u  gives shared blocks copies of their own, where the file system shares any",
    ].join("\n"),
    words: [2, Infinity],
    options: "cikpu",
    rest: [2],
    run(session, given) {
      // As in xfs_io the last one counts.
      const [letter = ""] = given.options.at(-1) ?? [];
      allocate(session, MODES[letter] ?? 0, given);
    },
  },
  {
    name: "fzero",
    takes: "[-k] off len",
    does: "make a range read as zeros, with space behind it",
    details: "-k  the size of the file stays",
    words: [2, 3],
    options: "k",
    rest: [2],
    run(session, given) {
      allocate(session, Fallocate.zeroRange | (has(given, "k") ? Fallocate.keepSize : 0), given);
    },
  },
  inMode(
    "resvsp",
    Fallocate.keepSize,
    "reserve space, unwritten; the size of the file stays",
    "XFS_IOC_RESVSP64",
  ),
  inMode("fpunch", PUNCH, "free the space of a range: a hole"),
  inMode("fcollapse", Fallocate.collapseRange, "take a range out; what follows moves down"),
  inMode("finsert", Fallocate.insertRange, "make room for a range; what follows moves up"),
  inMode("funshare", Fallocate.unshareRange, "give shared blocks of a range copies of their own"),
];

/** A command that makes something durable: the image's file holds it when the command is done. */
function durable(
  name: string,
  does: string,
  sync: (session: Session) => void,
  how: Partial<ShellCommand>,
): ShellCommand {
  return {
    name,
    does,
    words: [0, 0],
    ...how,
    async run(session) {
      sync(session);
      await session.around.save();
    },
  };
}

export const syncCommands: readonly ShellCommand[] = [
  durable("fsync", "make the file durable", ({ sys, file }) => sys.fsync(file.fd), { alias: "s" }),
  durable("fdatasync", "make the file's data durable", ({ sys, file }) => sys.fdatasync(file.fd), {
    alias: "ds",
  }),
  durable("syncfs", "make the file system of the file durable", ({ sys }) => sys.sync(), {}),
  durable("sync", "make everything durable", ({ sys }) => sys.sync(), { needs: "nothing", once: true }),
];
