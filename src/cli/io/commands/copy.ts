// copy_range: bytes of a file of the image into the current one.

import { O } from "../../../syscalls/flags.ts";
import { bytesOf, Complaint, decimal, Failure, has, valueOf, WrongUsage, type Given } from "../input.ts";
import type { Session } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { errorText } from "../words.ts";
import { tryOpen } from "./files.ts";

export const copyRangeCommand: ShellCommand = {
  name: "copy_range",
  takes: "[-s src_off] [-d dst_off] [-l len] src_file | -f N",
  does: "copy a range of another file, or of this one, into the file",
  details: [
    "  copy_range -s 4k -d 0 -l 8k disk.img:/other",
    "",
    "-s -d  where it begins there and here (0)",
    "-l     how much (all that is there)",
    "-f     the open file with this number, rather than a path",
  ].join("\n"),
  words: [1, 8],
  options: "s:d:l:f:",
  rest: [0, 1],
  run: copyRange,
};

async function copyRange(session: Session, given: Given): Promise<void> {
  const [from, to] = [numberOf(given, "s", "source offset"), numberOf(given, "d", "destination offset")];
  const length = has(given, "l") ? numberOf(given, "l", "length") : undefined;
  const number = valueOf(given, "f");
  if (given.rest.length !== (number === undefined ? 1 : 0)) throw new WrongUsage("");
  const source = number === undefined ? opened(session, given.rest[0] as string) : fileOf(session, number);
  try {
    await copy(session, source, from, to, length ?? Math.max(0, session.sys.fstat(source).size - from));
  } finally {
    if (number === undefined) session.sys.close(source);
  }
}

function numberOf(given: Given, letter: string, what: string): number {
  const text = valueOf(given, letter);
  const value = text === undefined ? 0 : bytesOf(text);
  if (value < 0) throw new Complaint(`invalid ${what} -- ${text}`);
  return value;
}

function opened(session: Session, name: string): number {
  const path = session.pathOf(name);
  const fd = path === undefined ? "EXDEV" : tryOpen(session, path, O.RDONLY);
  if (typeof fd === "string") throw new Failure(`${name}: ${errorText(fd)}`);
  return fd;
}

function fileOf({ files }: Session, given: string): number {
  const file = files[decimal(given)];
  if (file === undefined)
    throw new Complaint(`value ${decimal(given)} is out of range (0-${files.length - 1})`);
  return file.fd;
}

/** One call moves no more. */
const MOST = 2 ** 20;

/** kernel: generic_copy_file_checks, splice_copy_file_range */
async function copy(
  session: Session,
  source: number,
  from: number,
  to: number,
  length: number,
): Promise<void> {
  const { sys, file } = session;
  const same = sys.fstat(source).ino === sys.fstat(file.fd).ino;
  if (same && from < to + length && to < from + length)
    throw new Failure(`copy_range: ${errorText("EINVAL")}`);
  for (let done = 0; done < length;) {
    const bytes = sys.pread(source, Math.min(MOST, length - done), from + done);
    if (bytes.length === 0) return;
    done += sys.pwrite(file.fd, bytes, to + done);
    await session.breathe();
  }
}
