// ls: the names in a directory of an image, as ls -l shows them.

import { flag } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import type { Sys } from "../../syscalls/sys.ts";
import { complain, print, printJson } from "../terminal/output.ts";
import { isDirectory, isSymlink, modeText, timeText, typeName } from "./mode.ts";
import { placeOf, whyOf, withImage } from "./open.ts";

/** A name whose inode cannot be read: damage to one does not hide the others. */
interface Unreadable {
  readonly name: string;
  readonly error: string;
}

interface Entry {
  readonly name: string;
  readonly ino: number;
  readonly type: string;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeMs: number;
  readonly target?: string;
}

export const lsCommand = command({
  name: "ls",
  summary: "list a directory in an image",
  takes: "IMAGE[:/path] [options]",
  positionals: { min: 1, max: 1 },
  options: {
    long: flag("mode, links, owner, group, size and time (UTC) of each", "l"),
    all: flag("names that begin with a dot, too", "a"),
  },
  examples: [
    ["disk.img", "the names in the root directory"],
    ["-l disk.img:/lost+found", "a directory, one line for each entry"],
  ],
  json: [
    "[{ name, ino, type, mode, nlink, uid, gid, size, mtimeMs, target? } or { name, error }, …]",
    "mtimeMs in milliseconds since 1970; target: where a symbolic link leads; error: why nothing more is known",
  ].join("\n"),
  exits: "0  all was read\n1  something in the directory cannot be read; the rest was printed",
  async run({ values, positionals }) {
    const place = placeOf(positionals[0] ?? "");
    const entries = await withImage(place, (sys) => entriesOf(sys, place.path));
    const shown = values.all ? entries : entries.filter(({ name }) => !name.startsWith("."));
    if (values.json) printJson(shown);
    else
      for (const line of values.long ? longLines(shown) : shown.map(({ name }) => visible(name))) print(line);
    const unreadable = shown.filter((entry) => "error" in entry);
    const directory = place.path === "/" ? "" : place.path;
    for (const { name, error } of unreadable)
      complain(`${place.image}:${directory}/${visible(name)}: ${error}`);
    return unreadable.length === 0 ? Exit.nothingFound : Exit.violation;
  },
});

function entriesOf(sys: Sys, path: string): (Entry | Unreadable)[] {
  if (!isDirectory(sys.stat(path).mode)) return [entryOf(sys, path, path)];
  // Bytes: a name need not be text, and its text does not lead to it then.
  const directory = Buffer.from(path === "/" ? "/" : `${path}/`);
  const entries = sys.readdir(path, "buffer").map((bytes) => {
    const name = Buffer.from(bytes).toString();
    try {
      return entryOf(sys, name, Buffer.concat([directory, bytes]));
    } catch (error) {
      const why = whyOf(error);
      if (why === undefined) throw error;
      return { name, error: why };
    }
  });
  return entries.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

function entryOf(sys: Sys, name: string, path: string | Uint8Array): Entry {
  const { ino, mode, nlink, uid, gid, size, mtimeMs } = sys.lstat(path);
  const target = isSymlink(mode) ? { target: sys.readlink(path) } : {};
  return { name, ino, type: typeName(mode), mode, nlink, uid, gid, size, mtimeMs, ...target };
}

function longLines(entries: readonly (Entry | Unreadable)[]): string[] {
  const rows = entries.map((entry) =>
    "error" in entry
      ? ["??????????", "?", "?", "?", "?", "?", visible(entry.name)]
      : [
          modeText(entry.mode),
          String(entry.nlink),
          String(entry.uid),
          String(entry.gid),
          String(entry.size),
          timeText(entry.mtimeMs),
          visible(entry.name) + (entry.target === undefined ? "" : ` -> ${visible(entry.target)}`),
        ],
  );
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((text, column) => (column === row.length - 1 ? text : text.padStart(widths[column] ?? 0)))
      .join(" "),
  );
}

/** A name in an image is not trusted with the terminal: control characters are shown as ls -q does. */
function visible(name: string): string {
  return name.replaceAll(/\p{Cc}/gu, "?");
}
