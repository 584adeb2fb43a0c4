// cat: the bytes of a file in an image.

import type { Sys } from "../../syscalls/sys.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { printBytes, printJson } from "../terminal/output.ts";
import { bytes as words } from "../terminal/words.ts";
import { isDirectory } from "./mode.ts";
import { placeOf, withImage } from "./open.ts";

export const catCommand = command({
  name: "cat",
  summary: "write a file in an image to stdout, byte for byte",
  takes: "IMAGE:/path",
  positionals: { min: 1, max: 1 },
  options: {},
  examples: [
    ["disk.img:/etc/motd", "print a file"],
    ["disk.img:/data | sha256sum", "its bytes as they are: holes and unwritten extents read as zeros"],
  ],
  json: "{ path, size, base64 }",
  async run({ values, positionals }) {
    const place = placeOf(positionals[0] ?? "");
    await withImage(place, async (sys) => {
      const { mode, size } = sys.stat(place.path);
      const name = `${place.image}:${place.path}`;
      if (isDirectory(mode)) throw new Refusal(`${name}: is a directory; ls lists it`);
      if (values.json && size > MAX_JSON)
        throw new Refusal(`${name}: ${words(size)} are too many for a JSON document; cat without --json`);
      const pieces = piecesOf(sys, sys.open(place.path, "r"));
      if (values.json) {
        const content = Buffer.concat([...pieces]);
        printJson({ path: place.path, size: content.length, base64: content.toString("base64") });
      } else {
        for (const piece of pieces) await printBytes(piece);
      }
    });
    return Exit.nothingFound;
  },
});

/** Bytes of a file whose base64 is still one string. */
const MAX_JSON = 256 * 2 ** 20;
const PIECE = 2 ** 20;

/** The bytes of an open file from its beginning, piece by piece: one read gives less than 2 GiB. */
export function* piecesOf(sys: Pick<Sys, "pread">, fd: number): Generator<Uint8Array> {
  for (let at = 0; ;) {
    const piece = sys.pread(fd, PIECE, at);
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}
