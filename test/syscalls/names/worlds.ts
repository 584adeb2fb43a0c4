// Three worlds of names that answer the same calls: our Sys, node:fs in a new directory, and a model that is
// nothing but maps.  A call gives a value that can be compared, or the code of its error.

import {
  appendFileSync,
  chmodSync,
  chownSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { codeOf } from "../../support/kernel.ts";

/** What is compared of a file: directories have different sizes everywhere. */
type Shown = [mode: number, size: number, nlink: number] | [mode: number];

export interface World {
  mkdir(path: string, mode?: number): void;
  rmdir(path: string): void;
  unlink(path: string): void;
  rename(old: string, path: string, flags?: number): void;
  link(existing: string, path: string): void;
  symlink(target: string, path: string): void;
  readlink(path: string): string;
  /** Makes a file hold a text and nothing else. */
  put(path: string, text: string): void;
  append(path: string, text: string): void;
  get(path: string): string;
  truncate(path: string, length: number): void;
  list(path: string): string[];
  stat(path: string): Shown;
  lstat(path: string): Shown;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  lchown(path: string, uid: number, gid: number): void;
  /** User and group of what a path names, not following it. */
  owners(path: string): [uid: number, gid: number];
  utimens(path: string, accessed: number, modified: number): void;
  times(path: string): [number, number];
}

export type NameCall = [name: keyof World, ...args: (string | number)[]];

/** What the calls answer in a world, one after another. */
export function answersOf(world: World, calls: readonly NameCall[]): unknown[] {
  return calls.map(([name, ...args]) => {
    let answer: unknown;
    const code = codeOf(() => {
      answer = (world[name] as (...values: unknown[]) => unknown)(...args);
    });
    return [name, ...args, "->", code === "none" ? answer : code];
  });
}

const isDirectory = (mode: number): boolean => (mode & 0o170000) === 0o040000;
const shown = ({ mode, size, nlink }: { mode: number; size: number; nlink: number }): Shown =>
  isDirectory(mode) ? [mode] : [mode, size, nlink];
const owners = ({ uid, gid }: { uid: number; gid: number }): [number, number] => [uid, gid];
const seconds = ({ atimeMs, mtimeMs }: { atimeMs: number; mtimeMs: number }): [number, number] => [
  atimeMs / 1000,
  mtimeMs / 1000,
];

/** Whether Linux lets us give files away: then its answers are those to compare with. */
export const isRoot = process.getuid?.() === 0;

/** Our system calls. */
export function sysWorld(sys: Sys): World {
  const write = (path: string, flags: string, text: string): void => {
    const fd = sys.open(path, flags);
    sys.write(fd, new TextEncoder().encode(text));
    sys.close(fd);
  };
  return {
    mkdir: (path, mode) => sys.mkdir(path, mode),
    rmdir: (path) => sys.rmdir(path),
    unlink: (path) => sys.unlink(path),
    rename: (old, path, flags) => sys.rename(old, path, flags),
    link: (existing, path) => sys.link(existing, path),
    symlink: (target, path) => sys.symlink(target, path),
    readlink: (path) => sys.readlink(path),
    put: (path, text) => write(path, "w", text),
    append: (path, text) => write(path, "a", text),
    get(path) {
      const fd = sys.open(path, "r");
      const { size, mode } = sys.fstat(fd);
      const code = codeOf(() => sys.pread(fd, isDirectory(mode) ? 1 : size, 0));
      const text = code === "none" ? new TextDecoder().decode(sys.pread(fd, size, 0)) : "";
      sys.close(fd);
      if (code !== "none") throw Object.assign(new Error(code), { code });
      return text;
    },
    truncate: (path, length) => sys.truncate(path, length),
    list: (path) =>
      sys
        .readdir(path)
        .filter((name) => name !== "lost+found")
        .toSorted(),
    stat: (path) => shown(sys.stat(path)),
    lstat: (path) => shown(sys.lstat(path)),
    chmod: (path, mode) => sys.chmod(path, mode),
    chown: (path, uid, gid) => sys.chown(path, uid, gid),
    lchown: (path, uid, gid) => sys.lchown(path, uid, gid),
    owners: (path) => owners(sys.lstat(path)),
    utimens: (path, accessed, modified) => sys.utimens(path, accessed, modified),
    times: (path) => seconds(sys.stat(path)),
  };
}

/** node:fs in a new directory, which stands for the root; paths must not lead out of it. */
export function nodeWorld(): World & { remove(): void } {
  const root = mkdtempSync(join(tmpdir(), "unwritten-"));
  const under = (path: string): string => (path === "" ? "" : `${root}/${path}`);
  return {
    mkdir: (path, mode) => void mkdirSync(under(path), mode),
    rmdir: (path) => rmdirSync(under(path)),
    unlink: (path) => unlinkSync(under(path)),
    rename: (old, path) => renameSync(under(old), under(path)),
    link: (existing, path) => linkSync(under(existing), under(path)),
    symlink: (target, path) => symlinkSync(target, under(path)),
    readlink: (path) => readlinkSync(under(path)),
    put: (path, text) => writeFileSync(under(path), text),
    append: (path, text) => appendFileSync(under(path), text),
    get: (path) => readFileSync(under(path), "utf8"),
    truncate: (path, length) => truncateSync(under(path), length),
    list: (path) => readdirSync(under(path)).toSorted(),
    stat: (path) => shown(statSync(under(path))),
    lstat: (path) => shown(lstatSync(under(path))),
    chmod: (path, mode) => chmodSync(under(path), mode),
    chown: (path, uid, gid) => chownSync(under(path), uid, gid),
    lchown: (path, uid, gid) => lchownSync(under(path), uid, gid),
    owners: (path) => owners(lstatSync(under(path))),
    utimens: (path, accessed, modified) => utimesSync(under(path), accessed, modified),
    times: (path) => seconds(statSync(under(path))),
    remove: () => rmSync(root, { recursive: true }),
  };
}

/** Takes everything away that lies in a directory. */
export function empty(world: World, directory = ""): void {
  for (const name of world.list(directory === "" ? "/" : directory)) {
    const path = `${directory}/${name}`;
    if (!isDirectory(world.lstat(path)[0])) world.unlink(path);
    else {
      empty(world, path);
      world.rmdir(path);
    }
  }
}
