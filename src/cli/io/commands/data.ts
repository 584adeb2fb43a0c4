// pwrite and pread: a range in blocks, forwards, backwards or at random places.

import { readFileSync } from "node:fs";
import { MAX_TRANSFER, O } from "../../../syscalls/flags.ts";
import {
  BLOCK,
  bytesFor,
  bytesOf,
  Complaint,
  Failure,
  has,
  leadingNumber,
  numberFor,
  rangeOf,
  valueOf,
  WrongUsage,
  type Given,
} from "../input.ts";
import type { Session } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { atRandom, backwards, forwards, transfer, type Move, type Piece } from "./transfer.ts";
import { condensed, errorText, report, rows, type Transfer } from "../words.ts";

export const pwriteCommand: ShellCommand = {
  name: "pwrite",
  alias: "w",
  takes: "[-i infile [-qdDwNOW] [-s skip]] [-b bs] [-S seed] [-FBR [-Z N]] [-V N] off len",
  does: "write a range of the file",
  details: [
    "Writes blocks of 4096 bytes, or of -b, filled with 0xcd:",
    "  pwrite 512 20       20 bytes from offset 512",
    "  pwrite -S 0x61 0 1m one MiB of the byte 0x61",
    "",
    "-S seed   the byte to fill with",
    "-i file   bytes come from a file of this computer, or of the image when named IMAGE:/path",
    "-s skip   how many of its bytes are left out",
    "-F -B -R  forwards (the rule), backwards from the offset, at random places of the range",
    "-Z seed   of the random places",
    "-O        in one call, whatever the size",
    "-V N      N blocks a call",
    "-w -D -W  then fdatasync, or fsync",
    "-q -C     print nothing, or one line of numbers",
    "-d -N -u  are taken and change nothing here",
  ].join("\n"),
  words: [2, Infinity],
  options: "b:BCdDf:Fi:NqRs:OS:uV:wWZ:",
  rest: [2],
  run: pwrite,
};

export const preadCommand: ShellCommand = {
  name: "pread",
  alias: "r",
  takes: "[-b bs] [-qv] [-FBR [-Z N]] [-V N] off len",
  does: "read a range of the file",
  details: [
    "Reads blocks of 4096 bytes, or of -b:",
    "  pread -v 512 20     shows 20 bytes from offset 512",
    "",
    "-v        show the bytes (forwards)",
    "-F -B -R  forwards (the rule), backwards from the offset, at random places of the range",
    "-Z seed   of the random places",
    "-V N      N blocks a call",
    "-q -C     print nothing, or one line of numbers",
    "-u        is taken and changes nothing here",
  ].join("\n"),
  words: [2, Infinity],
  options: "b:BCFRquvV:Z:",
  rest: [2],
  run: pread,
};

async function pwrite(session: Session, given: Given): Promise<void> {
  const { fd, ways } = session.file;
  const way = wayOf(given);
  const infile = valueOf(given, "i") ?? valueOf(given, "f");
  const skip = has(given, "s") ? bytesFor("skip", valueOf(given, "s")) : 0;
  const fill = has(given, "S") ? numberFor("seed", valueOf(given, "S")) : 0xcd;
  const [calls, seed] = [unitOf(given), seedOf(given)];
  if (infile === undefined ? skip !== 0 || has(given, "d") : way !== "forward") throw new WrongUsage("");
  const { offset, length } = rangeOf(given.rest);
  const unit = has(given, "O") ? bounded(length) : calls;
  const source = infile === undefined ? undefined : bytesOfFile(session, infile).subarray(skip);

  const began = performance.now();
  const buffer = new Uint8Array(way === "random" ? unit : Math.min(unit, length)).fill(fill & 0xff);
  const bytesFrom = (at: number, count: number): Uint8Array =>
    source === undefined ? buffer.subarray(0, count) : source.subarray(at - offset, at - offset + count);
  const end = source === undefined ? length : Math.min(length, source.length);
  const asked = way === "backward" ? Math.min(length, offset) : length;
  let pieces: Iterable<Piece> = forwards(offset, end, unit);
  if (way === "backward") pieces = backwards(offset, asked, unit);
  // For nothing, too, one call is made, which may fail; backwards, for what is no whole block.
  if (length === 0 && (way === "forward" || offset % unit > 0)) pieces = [[offset, 0]];
  if (way === "random") pieces = atRandom(offset, length, unit, seed);
  const done = await transfer(session, pieces, (at, count) =>
    session.sys.pwrite(fd, bytesFrom(at, count), at),
  );
  if (has(given, "W")) session.sys.fsync(fd);
  if (has(given, "w") || has(given, "D")) session.sys.fdatasync(fd);
  const milliseconds = performance.now() - began;
  const durable = ["W", "w", "D"].some((letter) => has(given, letter)) || ways.sync === true;
  if (durable) await session.around.save();
  say(session, given, { verb: "wrote", offset, asked, milliseconds, ...done });
}

async function pread(session: Session, given: Given): Promise<void> {
  const { fd } = session.file;
  const way = wayOf(given);
  const [unit, seed] = [unitOf(given), seedOf(given)];
  let offset = bytesOf(given.rest[0] ?? "");
  let asked = bytesOf(given.rest[1] ?? "");
  // What is no number means the end of the file, where the way leads there.
  const toEnd = asked < 0 && way !== "backward";
  const fromEnd = offset < 0 && way !== "forward";
  if (asked < 0 && !toEnd) throw new Complaint(`non-numeric length argument -- ${given.rest[1]}`);

  const began = performance.now();
  const read: Move = (at, count) => session.sys.pread(fd, count, at).length;
  const show: Move = (at, count) => {
    const bytes = session.sys.pread(fd, count, at);
    // A call into several blocks shows each block by itself.
    const each = blockOf(given);
    for (let from = 0; from < bytes.length; from += each)
      rows(bytes.subarray(from, from + each), at + from).forEach((row) => session.out(row));
    return bytes.length;
  };
  let pieces = forwards(offset, toEnd ? Infinity : asked, unit);
  if (way !== "forward") {
    const { size } = session.sys.fstat(fd);
    const start = fromEnd || toEnd ? size : Math.min(size, offset);
    if (way === "random") {
      pieces = atRandom(start, asked, unit, seed);
    } else {
      offset = start;
      asked = Math.min(asked, start);
      pieces = backwards(start, asked, unit);
    }
  }
  const done = await transfer(session, pieces, has(given, "v") && way === "forward" ? show : read);
  if (toEnd) asked = done.moved;
  say(session, given, { verb: "read", offset, asked, milliseconds: performance.now() - began, ...done });
}

function say(session: Session, given: Given, done: Transfer): void {
  if (!has(given, "q")) session.out(has(given, "C") ? condensed(done) : report(done));
}

function wayOf(given: Given): "forward" | "backward" | "random" {
  const letter = given.options.findLast(([name]) => "FBR".includes(name))?.[0];
  if (letter === "B") return "backward";
  return letter === "R" ? "random" : "forward";
}

/** The seed of the random places; 0 for one of its own. */
function seedOf(given: Given): number {
  return has(given, "Z") ? numberFor("seed", valueOf(given, "Z")) : 0;
}

/** Bytes of one block. */
function blockOf(given: Given): number {
  return has(given, "b") ? bytesFor("bsize", valueOf(given, "b")) : BLOCK;
}

/** Bytes of one call. */
function unitOf(given: Given): number {
  const vectors = valueOf(given, "V");
  if (vectors === undefined) return bounded(blockOf(given));
  const count = leadingNumber(vectors);
  if (count === undefined) throw new Complaint(`non-numeric vector count == ${vectors}`);
  return bounded(blockOf(given) * Math.max(1, count));
}

/** A call has its bytes in memory, and the kernel moves no more at once. */
function bounded(unit: number): number {
  if (unit > MAX_TRANSFER) throw new Failure(`memalign: ${errorText("ENOMEM")}`);
  return unit;
}

/** A file with bytes to write: one of the image when it is named like one, otherwise one of this computer. */
function bytesOfFile(session: Session, name: string): Uint8Array {
  const inside = name.startsWith(`${session.around.image}:/`) ? session.pathOf(name) : undefined;
  try {
    if (inside === undefined) return readFileSync(name);
    const fd = session.sys.open(inside, O.RDONLY);
    const bytes = session.sys.pread(fd, session.sys.fstat(fd).size, 0);
    session.sys.close(fd);
    return bytes;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw typeof code === "string" ? new Failure(`${name}: ${errorText(code)}`) : error;
  }
}
