// The file of an image that a session changes: read once, written back whole, and only when something changed.

import { realpath, stat, type FileHandle } from "node:fs/promises";
import type { Stats } from "node:fs";
import { Refusal } from "../exit.ts";
import { readImage } from "../image/open.ts";
import { asRefusal } from "../image/reason.ts";
import { replaceFile, writeAt } from "../image/replace.ts";

export class ImageFile {
  readonly #name: string;
  readonly #path: string;
  /** What the file holds. */
  readonly bytes: Uint8Array;
  /** The file as it was when it was read or written last. */
  #known: Stats;

  private constructor(name: string, path: string, known: Stats, bytes: Uint8Array) {
    this.#name = name;
    this.#path = path;
    this.#known = known;
    this.bytes = bytes;
  }

  static async read(name: string): Promise<ImageFile> {
    try {
      // A symbolic link stays one: what it leads to is replaced.
      const path = await realpath(name);
      const known = await stat(path);
      return new ImageFile(name, path, known, await readImage(name));
    } catch (error) {
      throw asRefusal(error, name);
    }
  }

  /** Makes the file hold the media's bytes, unless it does.  Refuses when another program has written it. */
  async save(media: Uint8Array): Promise<void> {
    const content = media.subarray(0, this.bytes.length);
    if (Buffer.compare(this.bytes, content) === 0) return;
    try {
      const found = await stat(this.#path);
      if (found.mtimeMs !== this.#known.mtimeMs || found.ino !== this.#known.ino)
        throw new Refusal(`${this.#name} was changed by another program meanwhile, and is left as it is now`);
      await replaceFile(this.#path, (copy) => fill(copy, content, found));
      this.#known = await stat(this.#path);
    } catch (error) {
      throw asRefusal(error, this.#name);
    }
    this.bytes.set(content);
  }
}

const PIECE = 64 * 1024;

/** Writes the bytes, with holes where there are only zeros, and makes the file as accessible as the old one. */
async function fill(file: FileHandle, content: Uint8Array, { uid, gid, mode }: Stats): Promise<void> {
  const zeros = Buffer.alloc(PIECE);
  await file.truncate(content.length);
  for (let at = 0; at < content.length; at += PIECE) {
    const piece = content.subarray(at, at + PIECE);
    if (Buffer.compare(piece, zeros.subarray(0, piece.length)) !== 0) await writeAt(file, piece, at);
  }
  // Only root can give a file away; whoever may write the image but does not own it, owns it then.
  await file.chown(uid, gid).catch(() => undefined);
  await file.chmod(mode & 0o7777);
}
