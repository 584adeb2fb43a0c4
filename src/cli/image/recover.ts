// Recovery of an image, for fsck: in memory, and in the image's file.
//
// The file is written so that a failure at any point leaves an image that can be recovered again or says what it is:
//
//   the journal    all blocks to their places, the superblock among them with needs_recovery still set; then the
//                  journal's superblock, which says that the log is empty; then the superblock without the mark
//   orphans        the superblock, which says that the file system was not unmounted; the blocks; the superblock
//                  as it shall be

import { open, type FileHandle } from "node:fs/promises";
import { asRefusal } from "./reason.ts";
import { errnoName } from "../../machine/errors.ts";
import { header } from "../../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { orphansOn } from "../../ext4/check/orphans.ts";
import { markedBlock, mayHaveOrphans } from "../../ext4/mount/marks.ts";
import { mount, recover, unmount } from "../../ext4/mount/mount.ts";
import { bootKernel } from "../../syscalls/boot.ts";

/** What was done to an image. */
export interface Recovered {
  /** Of the journal, and the blocks that they changed. */
  readonly transactions: number;
  readonly blocks: number;
  /** Files without a name are freed, and truncations ended. */
  readonly orphans: boolean;
}

/** Recovers the media of a machine that has nothing but the image; or says why that cannot be. */
export function recoverMedia(mem: Memory): string | undefined {
  bootKernel(mem);
  const done = recover(mem);
  return typeof done === "string" ? done : undefined;
}

/** The same, and frees the orphans, and makes the image's file, whose bytes are `content`, what the media is then. */
export async function recoverFile(
  image: string,
  content: Uint8Array,
  mem: Memory,
): Promise<Recovered | string> {
  bootKernel(mem);
  const done = recover(mem);
  if (typeof done === "string") return done;
  const file = new ImageFile(image, content, mem);
  try {
    await file.open();
    if (done !== undefined) await writeRecovery(file, mem, done.journalBlock);
    const orphans = orphansOn(mem).size > 0;
    if (mayHaveOrphans(mem)) {
      const wrong = cleanUp(mem);
      if (wrong === undefined) await writeOrphans(file, mem);
      else {
        // What is said of the image must be true of the file.
        mem.write(header(mem).media.start, content);
        return wrong;
      }
    }
    return { transactions: done?.transactions ?? 0, blocks: done?.blocks ?? 0, orphans };
  } catch (error) {
    throw asRefusal(error, image);
  } finally {
    await file.close();
  }
}

/** Frees the orphans on the media, or says why not. */
function cleanUp(mem: Memory): string | undefined {
  const mounted = mount(mem);
  if ("message" in mounted) return mounted.message;
  const error = unmount(mounted);
  return error < 0 ? `the orphans cannot be freed (${errnoName(error)})` : undefined;
}

async function writeRecovery(file: ImageFile, mem: Memory, journalBlock: number): Promise<void> {
  await file.write(file.changed().filter((block) => block !== 0 && block !== journalBlock));
  await file.write([0], markedBlock(mem, "needs recovery"));
  await file.sync();
  await file.write([journalBlock]);
  await file.sync();
  await file.write([0]);
  await file.sync();
}

async function writeOrphans(file: ImageFile, mem: Memory): Promise<void> {
  await file.write([0], markedBlock(mem, "not unmounted"));
  await file.sync();
  await file.write(file.changed().filter((block) => block !== 0));
  await file.sync();
  await file.write([0]);
  await file.sync();
}

/** An image's file, and what it holds by now. */
class ImageFile {
  readonly #path: string;
  readonly #content: Uint8Array;
  readonly #mem: Memory;
  #handle: FileHandle | undefined;

  constructor(path: string, content: Uint8Array, mem: Memory) {
    this.#path = path;
    this.#content = content;
    this.#mem = mem;
  }

  async open(): Promise<void> {
    this.#handle = await open(this.#path, "r+");
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  /** The blocks in which the media differs from the file. */
  changed(): number[] {
    const found: number[] = [];
    for (let block = 0; block * PAGE_SIZE < this.#content.length; block++) {
      if (Buffer.compare(this.#inFile(block), this.#onMedia(block)) !== 0) found.push(block);
    }
    return found;
  }

  #inFile(block: number): Uint8Array {
    return this.#content.subarray(block * PAGE_SIZE, (block + 1) * PAGE_SIZE);
  }

  #onMedia(block: number): Uint8Array {
    const at = header(this.#mem).media.start + block * PAGE_SIZE;
    return this.#mem.u8.subarray(at, at + this.#inFile(block).length);
  }

  /** Writes blocks as the media has them, or a single one as given. */
  async write(blocks: readonly number[], given?: Uint8Array): Promise<void> {
    for (const block of blocks) {
      const bytes = Uint8Array.from(given ?? this.#onMedia(block));
      await this.#handle?.write(bytes, 0, bytes.length, block * PAGE_SIZE);
      this.#content.set(bytes, block * PAGE_SIZE);
    }
  }

  async sync(): Promise<void> {
    await this.#handle?.sync();
  }
}
