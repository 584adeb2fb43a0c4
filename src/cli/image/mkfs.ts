// mkfs: makes an ext4 image.
//
// It is written beside its final name and renamed when it is whole: whatever happens, nothing half-made is
// left, and an image that is replaced is replaced at once.
import { lstat, open, realpath, rename, rm } from "node:fs/promises";
import type { MakeOptions } from "../../ext4/mkfs/mkfs.ts";
import { createMemory, header } from "../../machine/layout.ts";
import { DEFAULT_MEDIA, KIB, MAX_MEDIA, MIN_MEDIA } from "../../machine/limits.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { flag, size, text } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { print, printJson } from "../terminal/output.ts";
import { bytes } from "../terminal/words.ts";
import { asRefusal } from "./reason.ts";

export const mkfsCommand = command({
  name: "mkfs",
  summary: "make an ext4 image, laid out as mke2fs -b 4096 would",
  takes: "IMAGE [options]",
  positionals: { min: 1, max: 1 },
  options: {
    size: size("how large, in whole blocks of 4096 bytes (default 16M)", { min: MIN_MEDIA, max: MAX_MEDIA }),
    label: text("LABEL", "the name of the volume: at most 16 bytes"),
    uuid: text("UUID", "its identity (default: the same every time)"),
    force: flag("replace an existing file"),
  },
  examples: [
    ["disk.img", "16 MiB"],
    ["disk.img --size 1G --label scratch --force", "1 GiB with a label, over what was there"],
  ],
  json: "{ image, size }; size in bytes",
  async run({ values, positionals }) {
    const [image = ""] = positionals;
    const { force, json, label, uuid } = values;
    const length = values.size ?? DEFAULT_MEDIA;
    if (length % PAGE_SIZE !== 0)
      throw new Refusal(`--size must be a multiple of ${PAGE_SIZE} bytes, not ${length}`);
    const final = await finalName(image, force === true);
    const media = await makeMedia(length, {
      ...(label !== undefined && { label }),
      ...(uuid !== undefined && { uuid }),
    });

    return interruptible(async ({ signal, received }) => {
      const temporary = `${final}.${process.pid}.tmp`;
      try {
        await writeSparse(temporary, media, signal);
        if (!signal.aborted) await rename(temporary, final);
      } catch (error) {
        throw asRefusal(error, image);
      } finally {
        await rm(temporary, { force: true });
      }
      const code = received();
      if (code !== undefined) return code;
      if (json) printJson({ image, size: length });
      else print(`${image}: ext4, ${bytes(length)}`);
      return Exit.nothingFound;
    });
  },
});

/** The media of a new machine: blocks that the file system does not use hold zeros. */
async function makeMedia(length: number, options: MakeOptions): Promise<Uint8Array> {
  const { makeFileSystem } = await import("../../ext4/mkfs/mkfs.ts");
  const mem = roomFor(length);
  const error = makeFileSystem(mem, options);
  if (error !== undefined) throw new Refusal(error.message);
  const { start } = header(mem).media;
  return mem.u8.subarray(start, start + length);
}

function roomFor(length: number): Memory {
  try {
    return createMemory(length);
  } catch (error) {
    if (error instanceof RangeError)
      throw new Refusal(`there is not enough memory to make an image of ${bytes(length)}`);
    throw error;
  }
}

/** Writes a new file, leaving holes where there are only zeros.  Ends early, with part of it, when aborted. */
async function writeSparse(path: string, content: Uint8Array, signal: AbortSignal): Promise<void> {
  const piece = 64 * KIB;
  const zeros = Buffer.alloc(piece);
  const file = await open(path, "wx");
  try {
    for (let at = 0; at < content.length && !signal.aborted; at += piece) {
      const part = content.subarray(at, at + piece);
      if (Buffer.compare(part, zeros.subarray(0, part.length)) !== 0)
        await file.write(part, 0, part.length, at);
    }
    await file.truncate(content.length);
  } finally {
    await file.close();
  }
}

/** Where the image goes; a symbolic link stays one.  Only a regular file is ever replaced, and only by force. */
async function finalName(image: string, force: boolean): Promise<string> {
  try {
    await lstat(image);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return image;
    throw asRefusal(error, image);
  }
  try {
    const final = await realpath(image);
    if (!(await lstat(final)).isFile()) throw new Refusal(`${image} is not a regular file`);
    if (!force) throw new Refusal(`${image} exists; --force replaces it`);
    return final;
  } catch (error) {
    throw asRefusal(error, image);
  }
}
