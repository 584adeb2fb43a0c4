// What the built-in scenarios share: block-sized thinking, and space reserved as each design can.

import type { Sys } from "../../syscalls/sys.ts";

export const BLOCK = 4096;

/** `count` bytes, all the same. */
export function filled(count: number, value: number): Uint8Array {
  return new Uint8Array(count).fill(value);
}

/** A new file with that much space reserved that must read as zeros. */
export function preallocated(sys: Sys, path: string, length: number): void {
  const fd = sys.open(path, "w+");
  try {
    sys.fallocate(fd, 0, 0, length);
  } catch (error) {
    // ext2 has no unwritten state; a hole is its only space that promises zeros.
    if ((error as { code?: string }).code !== "EOPNOTSUPP") throw error;
    sys.ftruncate(fd, length);
  }
  sys.close(fd);
}

/** A new file with that content, on the media. */
export function written(sys: Sys, path: string, content: Uint8Array): void {
  const fd = sys.open(path, "w+");
  sys.pwrite(fd, content, 0);
  sys.fsync(fd);
  sys.close(fd);
}
