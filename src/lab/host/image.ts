// Image files as machines take them: no larger than a machine can be, and than the memory there is.

import { open, stat } from "node:fs/promises";
import { freemem } from "node:os";
import process from "node:process";
import { machineLength } from "../../machine/layout.ts";
import { GIB, MAX_MEDIA, MIB, MIN_MEDIA } from "../../machine/limits.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { UsageError } from "../usage.ts";

/** The media of an image of that length: whole pages.  Throws `UsageError` for one that no machine has. */
export function mediaLength(imageLength: number): number {
  const length = Math.ceil(imageLength / PAGE_SIZE) * PAGE_SIZE;
  if (length >= MIN_MEDIA && length <= MAX_MEDIA) return length;
  throw new UsageError(
    `an image has ${MIN_MEDIA / MIB} MiB to ${MAX_MEDIA / GIB} GiB, this one has ${imageLength} bytes`,
  );
}

const mib = (bytes: number): string => `${Math.ceil(bytes / MIB)} MiB`;

/** What is not there must not be asked for: the system would kill some process, perhaps not this one. */
export function refuseBeyondMemory(length: number): void {
  // Since Node 20.13; it knows of limits of containers, which freemem does not.
  const available = process.availableMemory?.() ?? freemem();
  if (length <= available) return;
  throw new UsageError(
    `a machine of that size needs ${mib(length)} of memory; this computer has ${mib(available)} to give`,
  );
}

/** Bytes that one read asks for: the system gives less than 2 GiB at a time. */
const PIECE = 64 * MIB;

/**
 * The bytes of an image file.  Throws `UsageError` before a byte is read where a machine of its size cannot be,
 * and errors of node:fs as they are.
 */
export async function readImageFile(path: string): Promise<Uint8Array> {
  const found = await stat(path);
  // A device or a pipe may never end.
  if (!found.isFile()) throw new UsageError("it is not a regular file");
  const { size } = found;
  refuseBeyondMemory(size + machineLength(mediaLength(size)));
  const file = await open(path);
  try {
    const image = new Uint8Array(size);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(image, done, Math.min(PIECE, size - done), done);
      if (bytesRead === 0) throw new UsageError("it became shorter while it was read");
      done += bytesRead;
    }
    return image;
  } finally {
    await file.close();
  }
}
