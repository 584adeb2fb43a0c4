// The machine of the public API: it runs free, on the caller's own thread.
//
// Its life cycle is serialised by a mutex: `image` and `close` wait for each other, so an image that is being
// taken is never of a machine half gone.  System calls are synchronous and need no lock.

import { Mutex } from "async-mutex";
import { HOST_TASK } from "../machine/limits.ts";
import { header } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { superBlock } from "../ext4/super.ts";
import { freeze } from "../ext4/journal/commit.ts";
import { unmount } from "../ext4/mount/mount.ts";
import { refuseCalls } from "../syscalls/record.ts";
import { Sys } from "../syscalls/sys.ts";
import type { Design } from "../xip/design.ts";
import { serveFaults } from "../xip/fault.ts";
import { loadDesign } from "./load.ts";
import { readImageFile } from "./host/image.ts";
import { bootMemory } from "./host/memory.ts";
import { checkOptions, checkSize, type MachineOptions } from "./options.ts";
import { endProcess } from "./oracles/endstate.ts";
import { knownKeys, shown, UsageError } from "./usage.ts";

/** What `boot` takes. */
export interface BootOptions {
  /** A built-in design's name, the path of a design's module, or a design. */
  design: string | Design;
  /** An ext4 image with 4 KiB blocks: its path or its bytes.  It is copied, never written back. */
  image?: string | Uint8Array;
  /** Without an image: the bytes of persistent memory, on which a file system is made; default 16 MiB. */
  size?: number;
  /** Tunables, over those of the design. */
  options?: MachineOptions;
}

/** Boots a machine.  Throws `UsageError` with one sentence for what it does not know or cannot mount. */
export async function boot(options: BootOptions): Promise<Machine> {
  if (typeof options !== "object" || options === null) {
    throw new UsageError(`boot takes { design, image or size, options }, not ${shown(options)}`);
  }
  knownKeys("boot", options, ["design", "image", "size", "options"]);
  if (options.image !== undefined && options.size !== undefined) {
    throw new UsageError("boot takes an image or a size, not both: an image has its own size");
  }
  const { design } = await loadDesign(options.design);
  const checked = checkOptions(options.options);
  if (checked.kjournald !== undefined) {
    throw new UsageError(
      "kjournald is a task, for explore, crash and stress; a machine of one thread has none",
    );
  }
  const size = checkSize(options.size);
  const image = await readImage(options.image);
  const mem = bootMemory({ image, size, options: { ...design.options, ...checked } });
  serveFaults(mem, design);
  return new Machine(mem, design);
}

async function readImage(image: unknown): Promise<Uint8Array | undefined> {
  if (image === undefined || image instanceof Uint8Array) return image;
  if (typeof image !== "string") {
    throw new UsageError(`image is a path or a Uint8Array, not ${shown(image)}`);
  }
  try {
    return await readImageFile(image);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${image}: ${error.message}`);
    throw new UsageError(`the image cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/** A booted machine, made by `boot`. */
export class Machine {
  readonly #mem: Memory;
  readonly #design: Design;
  readonly #life = new Mutex();
  #closed = false;

  /** @internal */
  constructor(mem: Memory, design: Design) {
    this.#mem = mem;
    this.#design = design;
  }

  /** The name of its design. */
  get design(): string {
    return this.#design.name;
  }

  /** The bytes of persistent memory. */
  get size(): number {
    return header(this.#mem).media.length;
  }

  /** The system calls of the machine's one process, on this thread.  Throws when the machine is closed. */
  sys(): Sys {
    this.#refuseClosed();
    return new Sys(this.#mem, this.#design, HOST_TASK);
  }

  /** The media, synced, as e2fsprogs reads it: a copy.  Throws when the machine is closed. */
  async image(): Promise<Uint8Array> {
    return this.#life.runExclusive(() => {
      this.#refuseClosed();
      const error = freeze(superBlock(this.#mem));
      if (error < 0) throw new Error(`the file system could not be synced: error ${-error}`);
      const { start, length } = header(this.#mem).media;
      return this.#mem.read(start, length);
    });
  }

  /**
   * The media as they are, without a copy and without a sync; also after `close`, as unmounting left them.
   * @internal
   */
  media(): Uint8Array {
    const { start, length } = header(this.#mem).media;
    return this.#mem.u8.subarray(start, start + length);
  }

  /**
   * Ends the process and unmounts; calls of a `Sys` throw from then on.  The second time it does nothing.  Throws where
   * unmounting fails.
   */
  async close(): Promise<void> {
    await this.#life.runExclusive(() => {
      if (this.#closed) return;
      endProcess(this.#mem, HOST_TASK);
      const error = unmount(superBlock(this.#mem));
      refuseCalls(this.#mem);
      this.#closed = true;
      if (error < 0) throw new Error(`the file system could not be unmounted: error ${-error}`);
    });
  }

  #refuseClosed(): void {
    if (this.#closed) throw new Error("the machine is closed");
  }
}
