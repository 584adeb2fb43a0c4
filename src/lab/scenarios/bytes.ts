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
  // ext2 has no unwritten state; a hole is its only space that promises zeros.
  if (!fallocated(sys, fd, 0, 0, length)) sys.ftruncate(fd, length);
  sys.close(fd);
}

/** Calls fallocate; false when the design does not know the mode. */
export function fallocated(sys: Sys, fd: number, mode: number, offset: number, length: number): boolean {
  try {
    sys.fallocate(fd, mode, offset, length);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== "EOPNOTSUPP") throw error;
    return false;
  }
}

/** A new file with that content, on the media. */
export function written(sys: Sys, path: string, content: Uint8Array): void {
  const fd = sys.open(path, "w+");
  sys.pwrite(fd, content, 0);
  sys.fsync(fd);
  sys.close(fd);
}
