// ls: the names in a directory of an image, as ls -l shows them.
import { flag } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import type { Sys } from "../../syscalls/sys.ts";
import { print, printJson } from "../terminal/output.ts";
import { isDirectory, isSymlink, modeText, timeText, typeName } from "./mode.ts";
import { placeOf, withImage } from "./open.ts";

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
    "[{ name, ino, type, mode, nlink, uid, gid, size, mtimeMs, target? }, …]",
    "mtimeMs in milliseconds since 1970; target: where a symbolic link leads",
  ].join("\n"),
  async run({ values, positionals }) {
    const place = placeOf(positionals[0] ?? "");
    const entries = await withImage(place, (sys) => entriesOf(sys, place.path));
    const shown = values.all ? entries : entries.filter(({ name }) => !name.startsWith("."));
    if (values.json) printJson(shown);
    else
      for (const line of values.long ? longLines(shown) : shown.map(({ name }) => visible(name))) print(line);
    return Exit.nothingFound;
  },
});

function entriesOf(sys: Sys, path: string): Entry[] {
  if (!isDirectory(sys.stat(path).mode)) return [entryOf(sys, path, path)];
  const names = sys.readdir(path).toSorted();
  return names.map((name) => entryOf(sys, name, `${path === "/" ? "" : path}/${name}`));
}

function entryOf(sys: Sys, name: string, path: string): Entry {
  const { ino, mode, nlink, uid, gid, size, mtimeMs } = sys.lstat(path);
  const target = isSymlink(mode) ? { target: sys.readlink(path) } : {};
  return { name, ino, type: typeName(mode), mode, nlink, uid, gid, size, mtimeMs, ...target };
}

function longLines(entries: readonly Entry[]): string[] {
  const rows = entries.map((entry) => [
    modeText(entry.mode),
    String(entry.nlink),
    String(entry.uid),
    String(entry.gid),
    String(entry.size),
    timeText(entry.mtimeMs),
    visible(entry.name) + (entry.target === undefined ? "" : ` -> ${visible(entry.target)}`),
  ]);
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
