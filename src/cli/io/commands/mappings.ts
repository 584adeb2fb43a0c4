// Commands about mappings: mmap and munmap, loads and stores, msync.  Offsets are those of the file.

import { Msync } from "../../../syscalls/flags.ts";
import {
  bytesFor,
  Complaint,
  decimal,
  Failure,
  has,
  numberFor,
  optionsOf,
  rangeOf,
  valueOf,
  WrongUsage,
  type Given,
} from "../input.ts";
import type { Mapping, Session } from "../session.ts";
import type { ShellCommand } from "../shell.ts";
import { rows } from "../words.ts";

export const PAGE = 4096;

export const mappingCommands: readonly ShellCommand[] = [
  {
    name: "mmap",
    alias: "mm",
    takes: "[N] | [-rwxS] [-s size] [off len]",
    does: "map a range of the file; show the mappings, or choose one",
    details: [
      "  mmap -rw 0 1m       maps the first MiB to read and write",
      "  mmap                lists the mappings, the current one in brackets",
      "  mmap 0              makes the first one current",
      "",
      "-r -w -x  what it may be used for; without any, everything",
      "-S        with MAP_SYNC, which only dax-6.1 knows",
      "-s size   is taken and changes nothing here",
    ].join("\n"),
    words: [0, Infinity],
    needs: "nothing",
    once: true,
    run: mmap,
  },
  {
    name: "munmap",
    alias: "mu",
    does: "unmap the current mapping",
    words: [0, 0],
    needs: "mapping",
    once: true,
    run(session) {
      const { address, length } = session.mapping;
      session.sys.munmap(address, length);
      session.mappings.splice(session.currentMapping, 1);
      session.currentMapping = Math.max(0, Math.min(session.currentMapping, session.mappings.length - 1));
      listMappings(session);
    },
  },
  {
    name: "mread",
    alias: "mr",
    takes: "[-f|-v] [-r] [off len]",
    does: "load a range of the current mapping, or all of it",
    details: [
      "  mread -v 512 20     shows 20 bytes from offset 512 of the mapping",
      "",
      "-v  show the bytes, with offsets from where the mapping begins",
      "-f  show the bytes, with offsets of the file",
      "-r  load the last byte first",
    ].join("\n"),
    words: [0, Infinity],
    needs: "mapping",
    once: true,
    options: "frv",
    rest: [0, 2],
    run: mread,
  },
  {
    name: "mwrite",
    alias: "mw",
    takes: "[-r] [-S seed] [off len]",
    does: "store to a range of the current mapping, or to all of it",
    details: [
      "  mwrite 512 20       stores 20 bytes X from offset 512 of the file",
      "",
      "-S seed  the byte to store",
      "-r       store the last byte first",
    ].join("\n"),
    words: [0, Infinity],
    needs: "mapping",
    once: true,
    options: "rS:",
    rest: [0, 2],
    run: mwrite,
  },
  {
    name: "msync",
    alias: "ms",
    takes: "[-ais] [off len]",
    does: "make a range of the current mapping durable, or all of it",
    details: "-a  later (MS_ASYNC)\n-i  drop other copies (MS_INVALIDATE)\n-s  now (MS_SYNC)",
    words: [0, Infinity],
    needs: "mapping",
    once: true,
    options: "ais",
    rest: [0, 2],
    async run(session, given) {
      const { start, length } = partOf(session.mapping, given);
      if (start % PAGE !== 0) throw new Complaint(`offset address (${hex(start)}) is not page aligned`);
      let flags = 0;
      if (has(given, "a")) flags |= Msync.async;
      if (has(given, "i")) flags |= Msync.invalidate;
      if (has(given, "s")) flags |= Msync.sync;
      session.sys.msync(start, length, flags);
      if (has(given, "s")) await session.around.save();
    },
  },
];

function mmap(session: Session, { rest: words }: Given): void {
  if (words.length < 2 && session.mappings.length > 0) {
    choose(session, words[0]);
    return;
  }
  if (session.files.length === 0) throw new Failure("no files are open, try 'help open'");
  if (words.length < 2) throw new Failure("no mapped regions, try 'help mmap'");
  const given = optionsOf("mmap", words, "rwxSs:");
  if (given.rest.length !== 2) throw new WrongUsage("");
  const { offset, length } = rangeOf(given.rest);
  if (has(given, "s")) bytesFor("size", valueOf(given, "s"));
  const asked = [..."rwx"].map((letter) => (has(given, letter) ? letter : "-")).join("");
  const access = asked === "---" ? "rwx" : asked;
  const { fd, name } = session.file;
  const address = session.sys.mmap(
    length,
    access.includes("w") ? "rw" : "r",
    has(given, "S") ? "sync" : "shared",
    fd,
    offset,
  );
  session.mappings.push({
    address,
    length,
    offset,
    name,
    access: has(given, "S") ? `${access} S` : access,
  });
  session.currentMapping = session.mappings.length - 1;
}

function choose(session: Session, which: string | undefined): void {
  if (which !== undefined) {
    const number = decimal(which);
    if (number < 0 || number >= session.mappings.length)
      throw new Complaint(`value ${number} is out of range (0-${session.mappings.length})`);
    session.currentMapping = number;
  }
  listMappings(session);
}

export function listMappings(session: Session): void {
  session.mappings.forEach(({ address, length, offset, name, access }, number) => {
    const [open, close] = number === session.currentMapping ? "[]" : "  ";
    const range = `${hex(address)} - ${hex(address + length)}`;
    const place = `${name.padStart(14)} (${offset} : ${length})`;
    session.out(`${open}${String(number).padStart(3, "0")}${close} ${range} ${access}  ${place}`);
  });
}

/** Loads pieces of a page; what is left over from whole pages comes first. */
async function mread(session: Session, given: Given): Promise<void> {
  const { start, length, offset } = partOf(session.mapping, given);
  // xfs_io does not show a range of one byte; scripts rely on the lines that it prints.
  const shown = (has(given, "v") || has(given, "f")) && length > 1;
  const base = has(given, "f") ? offset : offset - session.mapping.offset;
  const backwards = has(given, "r");
  let piece = length % PAGE === 0 ? PAGE : length % PAGE;
  for (let done = 0; done < length;) {
    const bytes = session.sys.load(backwards ? start + length - done - piece : start + done, piece);
    if (backwards) bytes.reverse();
    if (shown) rows(bytes, base + done).forEach((row) => session.out(row));
    done += piece;
    piece = PAGE;
    await session.breathe();
  }
}

async function mwrite(session: Session, given: Given): Promise<void> {
  const seed = has(given, "S") ? numberFor("seed", valueOf(given, "S")) : "X".charCodeAt(0);
  const { start, length } = partOf(session.mapping, given);
  const page = new Uint8Array(PAGE).fill(seed & 0xff);
  const end = start + length;
  if (has(given, "r")) {
    for (let to = end; to > start;) {
      const from = Math.max(start, Math.ceil(to / PAGE) * PAGE - PAGE);
      session.sys.store(from, page.subarray(0, to - from));
      to = from;
      await session.breathe();
    }
  } else {
    for (let from = start; from < end;) {
      const to = Math.min(end, Math.floor(from / PAGE) * PAGE + PAGE);
      session.sys.store(from, page.subarray(0, to - from));
      from = to;
      await session.breathe();
    }
  }
}

/** The part of a mapping that "off len" names, or all of it. */
export function partOf(mapping: Mapping, { rest }: Given): { start: number; length: number; offset: number } {
  const { offset: first, length: size, address } = mapping;
  if (rest.length === 0) return { start: address, length: size, offset: first };
  const { offset, length } = rangeOf(rest);
  if (offset < first) throw new Complaint(`offset (${offset}) is before start of mapping (${first})`);
  const relative = offset - first;
  if (relative > size) throw new Complaint(`offset (${relative}) is beyond end of mapping (${first})`);
  if (relative + length > size)
    throw new Complaint(`range (${offset}:${relative}) is beyond mapping (${first}:${size})`);
  return { start: address + relative, length, offset };
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}
