// Writes an image so that nobody ever sees half of it: beside its final name, made durable, and renamed when it
// is whole.  What was there before stays until then, and stays where anything goes wrong.

import { open, rename, rm, type FileHandle } from "node:fs/promises";

/** Puts a file in the place of another, or where none was; what `fill` throws leaves everything as it was. */
export async function replaceFile(final: string, fill: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = `${final}.${process.pid}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, final);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes all of the bytes: a single write may take fewer. */
export async function writeAt(file: FileHandle, content: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < content.length;) {
    const { bytesWritten } = await file.write(content, done, content.length - done, position + done);
    done += bytesWritten;
  }
}
