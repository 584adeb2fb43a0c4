// The same calls through two doors: our Sys, and node:fs on a real directory.  A door answers every call with
// a value that can be compared: what the call returned, or the code of its error.

import {
  chmodSync,
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeSync,
  type Stats,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sys } from "../../src/syscalls/sys.ts";

/** The calls that both doors know, with Sys' arguments. */
export interface Door {
  open(path: string, flags: string | number, mode?: number): number;
  close(fd: number): void;
  pread(fd: number, length: number, position: number): Uint8Array;
  pwrite(fd: number, bytes: Uint8Array, position: number): number;
  read(fd: number, length: number): Uint8Array;
  write(fd: number, bytes: Uint8Array): number;
  ftruncate(fd: number, length: number): void;
  truncate(path: string, length: number): void;
  fstat(fd: number): unknown;
  stat(path: string): unknown;
  lstat(path: string): unknown;
  fsync(fd: number): void;
  fdatasync(fd: number): void;
  unlink(path: string): void;
  readdir(path: string): string[];
  readlink(path: string): string;
  /** What stands for a descriptor that was closed: a number that is not open. */
  closed(fd: number): number;
}

export type Call = [name: Exclude<keyof Door, "closed">, ...args: unknown[]];

/** A descriptor that neither world hands out. */
const NEVER_OPEN = 1_000_000;

/** What both worlds must agree on: not times, numbers of inodes, or how space is laid out. */
function essence(
  { mode, size, nlink }: { mode: number; size: number; nlink: number },
  directory: boolean,
): unknown {
  return directory ? { mode } : { mode, size, nlink };
}

const isDirectory = (mode: number): boolean => (mode & 0o170000) === 0o040000;
const shown = (stat: Stats | ReturnType<Sys["stat"]>): unknown => essence(stat, isDirectory(stat.mode));

/** Our system calls as a door. */
export function sysDoor(sys: Sys): Door {
  return {
    open: (path, flags, mode) => sys.open(path, flags, mode),
    close: (fd) => sys.close(fd),
    pread: (fd, length, position) => sys.pread(fd, length, position),
    pwrite: (fd, bytes, position) => sys.pwrite(fd, bytes, position),
    read: (fd, length) => sys.read(fd, length),
    write: (fd, bytes) => sys.write(fd, bytes),
    ftruncate: (fd, length) => sys.ftruncate(fd, length),
    truncate: (path, length) => sys.truncate(path, length),
    fstat: (fd) => shown(sys.fstat(fd)),
    stat: (path) => shown(sys.stat(path)),
    lstat: (path) => shown(sys.lstat(path)),
    fsync: (fd) => sys.fsync(fd),
    fdatasync: (fd) => sys.fdatasync(fd),
    unlink: (path) => sys.unlink(path),
    readdir: (path) =>
      sys
        .readdir(path)
        .filter((name) => name !== "lost+found")
        .toSorted(),
    readlink: (path) => sys.readlink(path),
    closed: (fd) => fd,
  };
}

function take(fd: number, length: number, position: number | null): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
}

/** node:fs in a new directory, which is the root of its paths; `root` is where it really is. */
export function nodeDoor(): Door & { root: string; remove(): void } {
  const root = mkdtempSync(join(tmpdir(), "unwritten-"));
  chmodSync(root, 0o755);
  const under = (path: string): string => (path === "" ? "" : `${root}/${path}`);
  return {
    open: (path, flags, mode) => openSync(under(path), flags, mode),
    close: (fd) => closeSync(fd),
    pread: (fd, length, position) => take(fd, length, position),
    pwrite: (fd, bytes, position) => writeSync(fd, bytes, 0, bytes.length, position),
    read: (fd, length) => take(fd, length, null),
    write: (fd, bytes) => writeSync(fd, bytes, 0, bytes.length, null),
    ftruncate: (fd, length) => ftruncateSync(fd, length),
    truncate: (path, length) => truncateSync(under(path), length),
    fstat: (fd) => shown(fstatSync(fd)),
    stat: (path) => shown(statSync(under(path))),
    lstat: (path) => shown(lstatSync(under(path))),
    fsync: (fd) => fsyncSync(fd),
    fdatasync: (fd) => fdatasyncSync(fd),
    unlink: (path) => unlinkSync(under(path)),
    readdir: (path) => readdirSync(under(path)).toSorted(),
    readlink: (path) => readlinkSync(under(path)),
    // The number itself may be in use again, by another thread of this process.
    closed: () => NEVER_OPEN,
    root,
    remove: () => rmSync(root, { recursive: true }),
  };
}

/**
 * Makes the calls through a door.  In arguments "$name" stands for the descriptor that the step called `name`
 * opened.  Gives what each call answered; leaves every descriptor closed.
 */
export function through(door: Door, steps: readonly Step[]): unknown[] {
  const numbers = new Map<string, number>();
  const open = new Set<number>();
  const answers = steps.map(({ call: [name, ...args], as }) => {
    const values = args.map((arg) => (isReference(arg) ? (numbers.get(arg) ?? NEVER_OPEN) : arg));
    const answer = answerOf(door, name, values);
    const [target] = args;
    if (name === "close" && answer === undefined && isReference(target)) {
      const fd = numbers.get(target) as number;
      open.delete(fd);
      numbers.set(target, door.closed(fd));
    }
    if (as === undefined || typeof answer !== "number") return answer;
    numbers.set(`$${as}`, answer);
    open.add(answer);
    return "a descriptor";
  });
  for (const fd of open) door.close(fd);
  return answers;
}

const isReference = (arg: unknown): arg is string => typeof arg === "string" && arg.startsWith("$");

export interface Step {
  call: Call;
  /** The name by which later steps mean the descriptor. */
  as?: string;
}

function answerOf(door: Door, name: Call[0], args: unknown[]): unknown {
  try {
    const value = (door[name] as (...values: unknown[]) => unknown)(...args);
    return value instanceof Uint8Array ? [...value] : value;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}
