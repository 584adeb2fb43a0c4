// Commands about open files: open, close, file, print, stat, length.

import { SysError } from "../../../syscalls/error.ts";
import { O } from "../../../syscalls/flags.ts";
import type { Sys } from "../../../syscalls/sys.ts";
import { typeName } from "../../image/mode.ts";
import {
  Complaint,
  decimal,
  Failure,
  has,
  leadingNumber,
  valueOf,
  WrongUsage,
  type Given,
} from "../input.ts";
import { listMappings } from "./mappings.ts";
import type { OpenFile, Session, Ways } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { errorText, timeText } from "../words.ts";

export const fileCommands: readonly ShellCommand[] = [
  {
    name: "open",
    alias: "o",
    takes: "[-acdfLnrst] [-m mode] [path]",
    does: "open a file and make it the current one; without a path, show the current one",
    details: [
      "  open -f data        opens /data of the image, and creates it where it is not there",
      "",
      "-r       to read only",
      "-f -c    create it",
      "-m mode  its permissions then (0600)",
      "-t       truncate it",
      "-a       append only",
      "-s       make every write durable",
      "-L       do not follow a symbolic link",
      "-d -n    for direct and non-blocking access, which change nothing here",
    ].join("\n"),
    words: [0, Infinity],
    needs: "nothing",
    once: true,
    options: "acdfFLm:nrst",
    rest: [0, 1],
    run: open,
  },
  {
    name: "close",
    alias: "c",
    does: "close the current file",
    words: [0, 0],
    once: true,
    run(session) {
      session.sys.close(session.file.fd);
      session.files.splice(session.currentFile, 1);
      session.currentFile = Math.max(0, Math.min(session.currentFile, session.files.length - 1));
      listFiles(session);
    },
  },
  {
    name: "file",
    alias: "f",
    takes: "[N]",
    does: "list the open files, or make another one current",
    words: [0, 1],
    once: true,
    run(session, { rest: [which] }) {
      const number = which === undefined ? session.currentFile : decimal(which);
      if (number < 0 || number >= session.files.length)
        throw new Complaint(`value ${number} is out of range (0-${session.files.length - 1})`);
      session.currentFile = number;
      listFiles(session);
    },
  },
  {
    name: "print",
    alias: "p",
    does: "list the open files and the mappings",
    words: [0, 0],
    needs: "nothing",
    once: true,
    run(session) {
      listFiles(session);
      listMappings(session);
    },
  },
  {
    name: "stat",
    takes: "[-v|-r]",
    does: "show what is known of the file",
    details: "-v  with times\n-r  all fields of struct stat",
    words: [0, 1],
    options: "rv",
    run: showStat,
  },
  {
    name: "length",
    does: "print the size of the file in bytes",
    words: [0, 0],
    run(session) {
      session.out(String(session.sys.fstat(session.file.fd).size));
    },
  },
];

function open(session: Session, given: Given): void {
  const [name] = given.rest;
  if (name === undefined) {
    if (given.options.length > 0) throw new WrongUsage("");
    if (session.files.length === 0) throw new Failure("no files are open, try 'help open'");
    showStat(session, given);
    return;
  }
  const mode = valueOf(given, "m");
  const permissions = mode === undefined ? undefined : leadingNumber(mode);
  if (mode !== undefined && permissions === undefined) throw new Complaint(`non-numeric mode -- ${mode}`);
  openFile(session, name, {
    append: has(given, "a"),
    create: has(given, "f") || has(given, "c"),
    direct: has(given, "d"),
    noFollow: has(given, "L"),
    nonBlock: has(given, "n"),
    readOnly: has(given, "r"),
    sync: has(given, "s"),
    truncate: has(given, "t"),
    ...(permissions !== undefined && { mode: permissions }),
  });
}

/** Opens a file of the image and makes it the current one. */
export function openFile(session: Session, name: string, ways: Ways): void {
  const path = session.pathOf(name);
  if (path === undefined) throw new Failure(`${name}: ${errorText("EXDEV")}`);
  const how =
    (ways.append === true ? O.APPEND : 0) |
    (ways.create === true ? O.CREAT : 0) |
    (ways.noFollow === true ? O.NOFOLLOW : 0) |
    (ways.sync === true ? O.SYNC : 0) |
    (ways.truncate === true ? O.TRUNC : 0);
  let access: number = ways.readOnly === true ? O.RDONLY : O.RDWR;
  let fd = tryOpen(session, path, how | access, ways);
  if (fd === "EISDIR" && access === O.RDWR) {
    access = O.RDONLY;
    fd = tryOpen(session, path, how, ways);
  }
  if (typeof fd === "string") {
    // xfs_io asks for the file's status first, which says this of a name below a file.
    throw new Failure(`${fd === "ENOTDIR" ? "stat" : name}: ${errorText(fd)}`);
  }
  if (access === O.RDWR || (how & (O.CREAT | O.TRUNC)) !== 0) session.mayHaveChanged = true;
  session.files.push({ fd, name, ways });
  session.currentFile = session.files.length - 1;
}

/** A descriptor, or the name of the error. */
export function tryOpen(
  { sys }: Session,
  path: string,
  flags: number,
  { mode = 0o600 }: Ways = {},
): number | string {
  try {
    return sys.open(path, flags, mode);
  } catch (error) {
    if (error instanceof SysError) return error.code;
    throw error;
  }
}

function listFiles(session: Session): void {
  session.files.forEach((file, number) => {
    const [left, right] = number === session.currentFile ? "[]" : "  ";
    const { append = false, nonBlock = false, noFollow = false } = file.ways;
    const more = [append && ",append-only", nonBlock && ",non-block", noFollow && ",nofollow"];
    const ways = `foreign,${waysOf(file)}${more.filter((word) => word !== false).join("")}`;
    session.out(`${left}${String(number).padStart(3, "0")}${right} ${file.name.padEnd(14)} (${ways})`);
  });
}

function waysOf({ ways }: OpenFile): string {
  const sync = ways.sync === true ? "sync" : "non-sync";
  const direct = ways.direct === true ? "direct" : "non-direct";
  return `${sync},${direct},${ways.readOnly === true ? "read-only" : "read-write"}`;
}

function showStat(session: Session, given: Given): void {
  const { fd } = session.file;
  const stat = session.sys.fstat(fd);
  if (has(given, "r")) {
    rawStat(stat).forEach((line) => session.out(line));
    return;
  }
  const { name, ways } = session.file;
  session.out(`fd.path = "${name}"`);
  session.out(`fd.flags = ${waysOf(session.file)}${ways.append === true ? ",append-only" : ""}`);
  session.out(`stat.ino = ${stat.ino}`);
  session.out(`stat.type = ${typeName(stat.mode)}`);
  session.out(`stat.size = ${stat.size}`);
  session.out(`stat.blocks = ${stat.blocks}`);
  if (!has(given, "v")) return;
  session.out(`stat.atime = ${timeText(stat.atimeMs)}`);
  session.out(`stat.mtime = ${timeText(stat.mtimeMs)}`);
  session.out(`stat.ctime = ${timeText(stat.ctimeMs)}`);
}

/** The fields of struct stat.  A machine's one file system is on a device without a number. */
function rawStat(stat: ReturnType<Sys["fstat"]>): string[] {
  return [
    `stat.blksize = ${stat.blksize}`,
    `stat.nlink = ${stat.nlink}`,
    `stat.uid = ${stat.uid}`,
    `stat.gid = ${stat.gid}`,
    `stat.mode: 0${stat.mode.toString(8)}`,
    `stat.ino = ${stat.ino}`,
    `stat.size = ${stat.size}`,
    `stat.blocks = ${stat.blocks}`,
    ...timeFields("atime", stat.atimeMs),
    ...timeFields("ctime", stat.ctimeMs),
    ...timeFields("mtime", stat.mtimeMs),
    ...["rdev_major", "rdev_minor", "dev_major", "dev_minor"].map((field) => `stat.${field} = 0`),
  ];
}

function timeFields(name: string, milliseconds: number): string[] {
  const seconds = Math.floor(milliseconds / 1000);
  const nanoseconds = Math.round((milliseconds - seconds * 1000) * 1e6);
  return [`stat.${name}.tv_sec = ${seconds}`, `stat.${name}.tv_nsec = ${nanoseconds}`];
}
