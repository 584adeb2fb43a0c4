// What a program does with a mounted image that may be damaged: it looks at everything, then it changes things.
// Calls may fail, each with a SysError; where damage is why, a sentence names the structure.

import { Errno } from "../../../src/machine/errors.ts";
import { SysError } from "../../../src/syscalls/error.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { GUARD } from "./images.ts";

const BLOCK = 4096;
/** A damaged directory could lead back up. */
const MAX_VISITED = 260;
/** What it writes into files. */
export const WRITTEN = 0x22;
const guard = Buffer.alloc(32, GUARD);

export interface Met {
  /** Codes of errors that calls failed with. */
  readonly codes: Set<string>;
  /** The sentences that came with them. */
  readonly reasons: Set<string>;
}

/** What a call gives; undefined where it fails as calls may. */
function attempt<T>(met: Met, call: () => T): T | undefined {
  try {
    const result = call();
    if (result instanceof Uint8Array && Buffer.from(result.buffer, 0, result.length).includes(guard)) {
      throw new Error("bytes from outside of the file system were read");
    }
    return result;
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    met.codes.add(error.code);
    const needsReason = error.errno === -Errno.EUCLEAN || error.errno === -Errno.EFSBADCRC;
    if (needsReason && error.reason === undefined)
      throw new Error(`no reason: ${error.message}`, { cause: error });
    if (error.reason !== undefined) met.reasons.add(error.reason);
    return undefined;
  }
}

/** Paths of files and directories, as far as they can be listed. */
export interface Tree {
  readonly files: string[];
  readonly directories: string[];
}

/** Looks at everything. */
export function lookAround(sys: Sys, met: Met): Tree {
  const tree: Tree = { files: [], directories: ["/"] };
  let visited = 0;
  for (const directory of tree.directories) {
    const names = attempt(met, () => sys.readdir(directory)) ?? [];
    for (const name of names) {
      if (name === "." || name === ".." || ++visited > MAX_VISITED) continue;
      lookAt(sys, met, tree, `${directory === "/" ? "" : directory}/${name}`);
    }
  }
  return tree;
}

function lookAt(sys: Sys, met: Met, tree: Tree, path: string): void {
  const stat = attempt(met, () => sys.lstat(path));
  const type = (stat?.mode ?? 0) & 0o170000;
  if (type === 0o040000) tree.directories.push(path);
  if (type === 0o120000) {
    attempt(met, () => sys.readlink(path));
    attempt(met, () => sys.stat(path));
  }
  if (type !== 0o100000) return;
  tree.files.push(path);
  const fd = attempt(met, () => sys.open(path, "r"));
  if (fd === undefined) return;
  const { size } = sys.fstat(fd);
  const extents = attempt(met, () => sys.fiemap(fd)) ?? [];
  attempt(met, () => sys.pread(fd, 16 * BLOCK, 0));
  attempt(met, () => sys.pread(fd, 2 * BLOCK, Math.max(0, size - BLOCK)));
  for (const { logical } of [...extents.slice(0, 8), ...extents.slice(-3)])
    attempt(met, () => sys.pread(fd, BLOCK, logical));
  attempt(met, () => sys.lseek(fd, 0, 3));
  attempt(met, () => sys.lseek(fd, 0, 4));
  const at = attempt(met, () => sys.mmap(4 * BLOCK, "r", "shared", fd, 0));
  if (at !== undefined) attempt(met, () => sys.load(at + BLOCK, 8));
  if (at !== undefined) attempt(met, () => sys.munmap(at, 4 * BLOCK));
  attempt(met, () => sys.close(fd));
}

const modes = [0, 1, 2 | 1, 0x10, 0x10 | 1, 0x08, 0x20];

/** Changes what there is, and makes more. */
export function changeThings(sys: Sys, met: Met, { files, directories }: Tree, random: () => number): void {
  const bytes = new Uint8Array(3 * BLOCK).fill(WRITTEN);
  const made = directories
    .slice(0, 4)
    .map((directory) => `${directory === "/" ? "" : directory}/made by the workload`);
  for (const path of [...made, ...files.slice(0, 8)]) {
    const fd = attempt(met, () => sys.open(path, "a+"));
    if (fd !== undefined) attempt(met, () => sys.close(fd));
    changeFile(sys, met, path, bytes, random);
  }
  for (const directory of directories.slice(0, 5))
    changeNames(sys, met, directory === "/" ? "" : directory, files);
  for (const path of [...files.slice(0, 3), ...made]) attempt(met, () => sys.unlink(path));
  for (const directory of directories.slice(1, 4)) attempt(met, () => sys.rmdir(directory));
  attempt(met, () => sys.sync());
}

const EXCHANGE = 2;

/** Names come, move and go, in a directory that may have a hash tree. */
function changeNames(sys: Sys, met: Met, directory: string, files: readonly string[]): void {
  const place = (name: string): string => `${directory}/${name}`;
  attempt(met, () => sys.mkdir(place("d1")));
  attempt(met, () => sys.mkdir(place("d1/d2")));
  attempt(met, () => sys.symlink("x".repeat(200), place("link")));
  for (let index = 0; index < 12; index++)
    attempt(met, () => sys.symlink("x", place(`${index}${"n".repeat(240)}`)));
  for (const file of files.slice(0, 2)) attempt(met, () => sys.link(file, place("linked")));
  attempt(met, () => sys.rename(place("d1/d2"), place("d2")));
  attempt(met, () => sys.rename(place("d2"), place("linked"), EXCHANGE));
  attempt(met, () => sys.rename(place("linked"), "/moved"));
  attempt(met, () => sys.chmod(place("link"), 0o600));
  attempt(met, () => sys.statfs("/"));
  for (const name of ["link", "linked", "d2"]) attempt(met, () => sys.unlink(place(name)));
  for (const name of ["d1", "d2", "linked"]) attempt(met, () => sys.rmdir(place(name)));
}

function changeFile(sys: Sys, met: Met, path: string, bytes: Uint8Array, random: () => number): void {
  const fd = attempt(met, () => sys.open(path, "r+"));
  if (fd === undefined) return;
  const place = (): number => Math.floor(random() * 64) * BLOCK;
  attempt(met, () => sys.pwrite(fd, bytes, place() + 100));
  for (const mode of modes) {
    attempt(met, () => sys.fallocate(fd, mode, place(), BLOCK * (1 + Math.floor(random() * 30))));
    attempt(met, () => sys.pwrite(fd, bytes, place()));
  }
  attempt(met, () => sys.pwrite(fd, bytes, 1000 * BLOCK));
  const at = attempt(met, () => sys.mmap(64 * BLOCK, "rw", "shared", fd, 0));
  if (at !== undefined) attempt(met, () => sys.store(at + place(), bytes.subarray(0, 10)));
  if (at !== undefined) attempt(met, () => sys.munmap(at, 64 * BLOCK));
  attempt(met, () => sys.fsync(fd));
  attempt(met, () => sys.ftruncate(fd, place() + 7));
  attempt(met, () => sys.fiemap(fd));
  attempt(met, () => sys.close(fd));
}
