// Commands that show where a file's bytes lie: fiemap and seek as xfs_io has them, extents and dump of our own.

import { SysError } from "../../../syscalls/error.ts";
import { Seek } from "../../../syscalls/flags.ts";
import type { Sys } from "../../../syscalls/sys.ts";
import { extentLine } from "../../image/extents.ts";
import {
  BLOCK,
  bytesFor,
  bytesOf,
  decimal,
  Failure,
  has,
  SECTOR,
  valueOf,
  WrongUsage,
  type Given,
} from "../input.ts";
import type { Session } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { errorText, rows } from "../words.ts";

export const extentCommands: readonly ShellCommand[] = [
  {
    name: "fiemap",
    takes: "[-alv] [-n nx] [offset [len]]",
    does: "show where the file's extents lie, in sectors of 512 bytes",
    details: [
      "  fiemap -v           as a table, with flags: 0x800 unwritten, 0x1 the last one",
      "  fiemap 64k 8k       of a range",
      "",
      "-l    with lengths\n-n N  at most N lines\n-a    of the extended attributes: there are none",
    ].join("\n"),
    words: [0, Infinity],
    options: "aln:v",
    run: fiemap,
  },
  {
    name: "seek",
    takes: "-a | -d | -h [-r] [-s] off",
    does: "find the next data or hole",
    details: [
      "  seek -a -r 0        all of the file: where data begins, where a hole does",
      "",
      "-d  data\n-h  a hole; there is one at the end of the file\n-a  both",
      "-r  all that follow\n-s  with the offset that the search began at",
    ].join("\n"),
    words: [2, 5],
    options: "adhrs",
    rest: [1],
    run: seek,
  },
  {
    name: "extents",
    does: "list the file's extents in bytes: offset, length, place, written or unwritten",
    words: [0, 0],
    run(session) {
      for (const extent of session.sys.fiemap(session.file.fd)) session.out(extentLine(extent));
    },
  },
  {
    name: "dump",
    takes: "[off [len]]",
    does: "show the bytes of the file, or of a range; * stands for rows that repeat",
    words: [0, 2],
    run: dump,
  },
];

interface Extent {
  readonly start: number;
  readonly end: number;
  /** Where it lies; undefined for a hole. */
  readonly place?: number;
  readonly flags: number;
}

const LAST = 0x1;
const UNWRITTEN = 0x800;

/** How many extents xfs_io asks for at once: the columns are as wide as those need. */
const BATCH = 32;

function fiemap(session: Session, given: Given): void {
  const start = given.rest[0] === undefined ? 0 : bytesFor("offset argument", given.rest[0]);
  const length = given.rest[1] === undefined ? Infinity : bytesFor("len argument", given.rest[1]);
  const most = has(given, "n") ? decimal(valueOf(given, "n") ?? "") : Infinity;
  const { fd, name } = session.file;
  session.out(`${name}:`);
  if (length === 0) throw new Failure(`xfs_io: ioctl(FS_IOC_FIEMAP) ["${name}"]: ${errorText("EINVAL")}`);
  if (has(given, "a") || most <= 0) return;
  const { size } = session.sys.fstat(fd);
  const extents = extentsWithin(session.sys, fd, start, start + length);
  const lines = withHoles(extents, start, Math.min(start + length, size)).slice(0, most);
  const table = has(given, "v") ? tableOf(extents.slice(0, BATCH)) : undefined;
  if (table !== undefined && lines.length > 0) session.out(table(undefined, 0));
  lines.forEach((line, number) => {
    session.out(table === undefined ? plain(line, number, has(given, "l")) : table(line, number));
  });
}

/** What the kernel tells of a range: the extents in it, cut off at the blocks where it begins and ends. */
function extentsWithin(sys: Sys, fd: number, start: number, end: number): Extent[] {
  const first = Math.floor(start / BLOCK) * BLOCK;
  const last = Math.ceil(end / BLOCK) * BLOCK;
  const found = sys
    .fiemap(fd)
    .filter(({ logical, length }) => logical < last && logical + length > first)
    .map(({ logical, physical, length, unwritten }) => {
      const from = Math.max(logical, first);
      const to = Math.min(logical + length, last);
      const place = physical + from - logical;
      return { start: from, end: to, place, flags: unwritten ? UNWRITTEN : 0 };
    });
  return found.map((one, i) => (i === found.length - 1 ? { ...one, flags: one.flags | LAST } : one));
}

/** With the holes between them, and the one behind the last; a range without extents has no lines. */
function withHoles(extents: readonly Extent[], start: number, end: number): Extent[] {
  const lines: Extent[] = [];
  let at = start;
  for (const extent of extents) {
    if (extent.start > at) lines.push({ start: at, end: extent.start, flags: 0 });
    lines.push(extent);
    at = extent.end;
  }
  if (lines.length > 0 && at < end) lines.push({ start: at, end, flags: 0 });
  return lines;
}

const sectors = (bytes: number): number => Math.ceil(bytes / SECTOR);

function rangeText({ start, end }: Extent): string {
  return `[${sectors(start)}..${sectors(end) - 1}]`;
}

function placeText({ place, start, end }: Extent): string {
  return place === undefined ? "hole" : `${place / SECTOR}..${place / SECTOR + sectors(end - start) - 1}`;
}

function plain(line: Extent, number: number, withLength: boolean): string {
  const total = sectors(line.end) - sectors(line.start);
  return `\t${number}: ${rangeText(line)}: ${placeText(line)}${withLength ? ` ${total} blocks` : ""}`;
}

function width(least: number, texts: readonly string[]): number {
  return Math.max(least, ...texts.map((one) => one.length));
}

/** Prints lines of a table whose columns are wide enough for these extents; undefined asks for its head. */
function tableOf(extents: readonly Extent[]): (line: Extent | undefined, number: number) => string {
  const range = width(
    16,
    extents.map((one) => rangeText(one)),
  );
  const place = width(
    16,
    extents.map((one) => placeText(one)),
  );
  const total = width(
    5,
    extents.map((one) => String(sectors(one.end - one.start))),
  );
  return (line, number) => {
    if (line === undefined)
      return ` EXT: ${"FILE-OFFSET".padEnd(range)} ${"BLOCK-RANGE".padEnd(place)} ${"TOTAL".padStart(total)} FLAGS`;
    const count = String(sectors(line.end) - sectors(line.start));
    const flags = line.place === undefined ? "" : ` ${`0x${line.flags.toString(16)}`.padStart(5)}`;
    const columns = `${`${rangeText(line)}:`.padEnd(range)} ${placeText(line).padEnd(place)}`;
    return `${String(number).padStart(4)}: ${columns} ${count.padStart(total)}${flags}`;
  };
}

const KINDS = {
  DATA: { whence: Seek.data, other: "HOLE" },
  HOLE: { whence: Seek.hole, other: "DATA" },
} as const;
type Kind = keyof typeof KINDS;

function seek(session: Session, given: Given): void {
  const all = has(given, "a");
  const wanted = { DATA: all || has(given, "d"), HOLE: all || has(given, "h") };
  let start = bytesOf(given.rest[0] ?? "");
  if ((!wanted.DATA && !wanted.HOLE) || start < 0) throw new WrongUsage("");
  const withStart = has(given, "s");
  const say = (kind: Kind, result: string): void =>
    session.out(`${kind}\t${withStart ? `${start}\t` : ""}${result}`);

  // The first line is what the search begins in, where both kinds are wanted.
  let kind: Kind = "DATA";
  let found: number | undefined;
  if (wanted.HOLE) {
    kind = "HOLE";
    found = find(session, "HOLE", start);
  }
  if (wanted.DATA && (kind === "DATA" || found !== start)) {
    kind = "DATA";
    found = find(session, "DATA", start);
  }
  session.out(withStart ? "Whence\tStart\tResult" : "Whence\tResult");
  if (found === undefined) say(kind, "EOF");
  while (found !== undefined) {
    if (wanted[kind]) {
      say(kind, String(found));
      if (!has(given, "r")) wanted[kind] = false;
    }
    if (!wanted.DATA && !wanted.HOLE) return;
    kind = KINDS[kind].other;
    start = found;
    found = find(session, kind, start);
  }
}

/** The offset, or undefined where there is nothing more of the kind. */
function find({ sys, file }: Session, kind: Kind, start: number): number | undefined {
  try {
    return sys.lseek(file.fd, start, KINDS[kind].whence);
  } catch (error) {
    if (error instanceof SysError && error.code === "ENXIO") return undefined;
    throw error;
  }
}

async function dump(session: Session, { rest }: Given): Promise<void> {
  const { fd } = session.file;
  const start = rest[0] === undefined ? 0 : bytesFor("offset argument", rest[0]);
  const length = rest[1] === undefined ? Infinity : bytesFor("length argument", rest[1]);
  const end = Math.min(start + length, session.sys.fstat(fd).size);
  let before = "";
  let repeats = false;
  for (let at = start; at < end; at += BLOCK) {
    for (const row of rows(session.sys.pread(fd, Math.min(BLOCK, end - at), at), at)) {
      const content = row.slice(row.indexOf(":"));
      if (content !== before) session.out(row);
      else if (!repeats) session.out("*");
      repeats = content === before;
      before = content;
    }
    await session.breathe();
  }
  if (repeats) session.out(`${end.toString(16).padStart(8, "0")}:`);
}
