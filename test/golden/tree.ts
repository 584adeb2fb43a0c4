// All that can be seen of a file system's files, a line for each path: as the recordings have it.

import { crc32 } from "node:zlib";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { CrashLine } from "./crash.ts";

const BLOCK = 4096;
const TYPE = 0o170000;
const DIRECTORY = 0o040000;
const FILE = 0o100000;

/** Every path in the order of its bytes.  The content is read after the extents: reading may change them. */
export function treeOf(sys: Sys): CrashLine[] {
  const found: CrashLine[] = [];
  visit("/");
  return found.toSorted((a, b) => (a.path < b.path ? -1 : 1));

  function visit(path: string): void {
    const { ino, mode, nlink, size, blocks } = sys.lstat(path);
    const line: CrashLine = { path, ino, mode: mode.toString(8), nlink, size, blocks };
    found.push(line);
    if ((mode & TYPE) === DIRECTORY) {
      for (const name of sys.readdir(path)) {
        if (name !== "." && name !== "..") visit(path === "/" ? `/${name}` : `${path}/${name}`);
      }
    } else if ((mode & TYPE) === FILE) {
      const fd = sys.open(path, "r");
      line.extents = sys
        .fiemap(fd)
        .map(({ logical, physical, length, unwritten }) => [
          logical / BLOCK,
          length / BLOCK,
          physical / BLOCK,
          unwritten ? 1 : 0,
        ]);
      line.crc = crc32(sys.pread(fd, size, 0))
        .toString(16)
        .padStart(8, "0");
      sys.close(fd);
    }
  }
}
