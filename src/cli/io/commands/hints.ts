// Commands that tell a kernel what will be read or written soon.  Data here is accessed in place: nothing is read
// ahead, kept, or written back later, so they check what they are given and change nothing.

import { MAX_OFFSET } from "../../../syscalls/flags.ts";
import { Complaint, Failure, has, rangeOf, WrongUsage, type Given } from "../input.ts";
import type { ShellCommand } from "../shell.ts";
import { errorText } from "../words.ts";
import { PAGE, partOf } from "./mappings.ts";

const LETTERS =
  "-d  it will not be needed\n-r  at random places\n-s  one after the other\n-w  it will be needed";

export const hintCommands: readonly ShellCommand[] = [
  {
    name: "fadvise",
    takes: "[-dnrsw] [off len]",
    does: "tell how a range of the file will be used; changes nothing here",
    details: `${LETTERS}\n-n  once only`,
    words: [0, Infinity],
    options: "dnrsw",
    run(_session, given) {
      const ranged = [..."dnw"].some((letter) => has(given, letter));
      if (given.rest.length !== (ranged ? 2 : 0)) throw new WrongUsage("");
      if (ranged) rangeOf(given.rest);
    },
  },
  {
    name: "madvise",
    takes: "[-drsw] [off len]",
    does: "tell how a range of the current mapping will be used; changes nothing here",
    details: LETTERS,
    words: [0, Infinity],
    needs: "mapping",
    once: true,
    options: "drsw",
    rest: [0, 2],
    run(session, given) {
      const { start } = partOf(session.mapping, given);
      if (start % PAGE !== 0)
        throw new Complaint(`offset address (0x${start.toString(16)}) is not page aligned`);
    },
  },
  {
    name: "sync_range",
    takes: "[-abw] off len",
    does: "begin to write a range back, or wait for that; promises nothing here either",
    details: "-b  wait before\n-w  write\n-a  wait after",
    words: [2, Infinity],
    options: "abw",
    rest: [2],
    run(_session, { rest }: Given) {
      const { offset, length } = rangeOf(rest);
      if (offset + length > MAX_OFFSET) throw new Failure(`sync_file_range: ${errorText("EINVAL")}`);
    },
  },
];
