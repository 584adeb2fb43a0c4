// stat: what an image says of a file, with its extents.

import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted, grouped } from "../terminal/words.ts";
import type { Sys } from "../../syscalls/sys.ts";
import { extentLine } from "./extents.ts";
import { isDirectory, isSymlink, modeText, timeText, typeName } from "./mode.ts";
import { placeOf, withImage } from "./open.ts";

export const statCommand = command({
  name: "stat",
  summary: "show what an image says of a file: type, size, links, times, extents",
  takes: "IMAGE[:/path]",
  positionals: { min: 1, max: 1 },
  options: {},
  examples: [
    ["disk.img:/data", "one file, with its extents: where they lie, written or unwritten"],
    ["disk.img", "the root directory"],
  ],
  json: [
    "{ path, type, ino, mode, nlink, uid, gid, size, blocks, atimeMs, mtimeMs, ctimeMs,",
    "  extents: [{ logical, physical, length, unwritten }], target? }",
    "size and extents in bytes, blocks in units of 512 bytes, …Ms in milliseconds since 1970",
  ].join("\n"),
  async run({ values, positionals }) {
    const place = placeOf(positionals[0] ?? "");
    const known = await withImage(place, (sys) => whatIsKnown(sys, place.path));
    if (values.json) printJson(known);
    else print(describe(known));
    return Exit.nothingFound;
  },
});

type Known = ReturnType<typeof whatIsKnown>;

function whatIsKnown(sys: Sys, path: string) {
  const { ino, mode, nlink, uid, gid, size, blocks, atimeMs, mtimeMs, ctimeMs } = sys.lstat(path);
  const type = typeName(mode);
  // fiemap asks an open file; a symbolic link and a device have no data of their own to open.
  const extents = type === "regular file" || isDirectory(mode) ? sys.fiemap(sys.open(path, "r")) : [];
  const target = isSymlink(mode) ? { target: sys.readlink(path) } : {};
  return {
    path,
    type,
    ino,
    mode,
    nlink,
    uid,
    gid,
    size,
    blocks,
    atimeMs,
    mtimeMs,
    ctimeMs,
    extents,
    ...target,
  };
}

function describe(known: Known): string {
  const target = "target" in known ? ` -> ${known.target}` : "";
  const lines = [
    `${known.path}${target}: ${known.type}, inode ${known.ino}`,
    `  size     ${grouped(known.size)} bytes; ${counted(known.blocks, "block")} of 512 bytes`,
    `  mode     ${modeText(known.mode)} (${(known.mode & 0o7777).toString(8).padStart(4, "0")}), ${counted(known.nlink, "link")}, user ${known.uid}, group ${known.gid}`,
    `  modified ${timeText(known.mtimeMs)} UTC`,
    `  extents  ${known.extents.length === 0 ? "none" : known.extents.length}`,
  ];
  for (const extent of known.extents) lines.push(`    ${extentLine(extent)}`);
  return lines.join("\n");
}
