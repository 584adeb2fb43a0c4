// A file system as programs see it, made of maps: what names, data and errors are after any calls.

import type { World } from "./worlds.ts";

interface Directory {
  readonly kind: "directory";
  mode: number;
  owners: [uid: number, gid: number];
  parent: Directory;
  readonly entries: Map<string, Node>;
}

interface File {
  readonly kind: "file" | "symlink";
  mode: number;
  owners: [uid: number, gid: number];
  links: number;
  /** What it holds; of a symlink, where it points to. */
  text: string;
}

type Node = Directory | File;

const fail = (code: string): never => {
  throw Object.assign(new Error(code), { code });
};

const MAX_LINKS = 40;

export class Model implements World {
  readonly #root = newDirectory(undefined, 0o755);

  /** Where a path leads: the directory of its last name, and what has that name. */
  #find(path: string, follow: boolean): { directory: Directory; name: string; node: Node | undefined } {
    let directory: Node = this.#root;
    const pending = path.split("/").filter((name) => name !== "");
    let links = 0;
    for (;;) {
      const name = pending.shift() as string;
      if (directory.kind !== "directory") return fail("ENOTDIR");
      const node: Node | undefined = directory.entries.get(name);
      const isLast = pending.length === 0;
      if (node?.kind === "symlink" && (follow || !isLast)) {
        if (++links > MAX_LINKS) return fail("ELOOP");
        pending.unshift(...node.text.split("/"));
        continue;
      }
      if (isLast) return { directory, name, node };
      directory = node ?? fail("ENOENT");
    }
  }

  #existing(path: string, follow = true): Node {
    if (path === "/") return this.#root;
    return this.#find(path, follow).node ?? fail("ENOENT");
  }

  #make(path: string, make: (directory: Directory) => Node): void {
    const { directory, name, node } = this.#find(path, false);
    if (node !== undefined) fail("EEXIST");
    directory.entries.set(name, make(directory));
  }

  mkdir(path: string, mode = 0o777): void {
    this.#make(path, (parent) => newDirectory(parent, mode & ~0o022));
  }

  symlink(target: string, path: string): void {
    this.#make(path, () => ({ kind: "symlink", mode: 0o777, owners: [0, 0], links: 1, text: target }));
  }

  link(existing: string, path: string): void {
    const node = this.#existing(existing, false);
    this.#make(path, () => {
      if (node.kind === "directory") return fail("EPERM");
      node.links += 1;
      return node;
    });
  }

  rmdir(path: string): void {
    const { directory, name, node } = this.#find(path, false);
    if (node === undefined) fail("ENOENT");
    else if (node.kind !== "directory") fail("ENOTDIR");
    else if (node.entries.size > 0) fail("ENOTEMPTY");
    directory.entries.delete(name);
  }

  unlink(path: string): void {
    const { directory, name, node } = this.#find(path, false);
    if (node === undefined) fail("ENOENT");
    else if (node.kind === "directory") fail("EISDIR");
    else node.links -= 1;
    directory.entries.delete(name);
  }

  rename(old: string, path: string, flags = 0): void {
    const from = this.#find(old, false);
    const to = this.#find(path, false);
    const source = from.node ?? fail("ENOENT");
    const target = to.node;
    if (flags === 1 && target !== undefined) fail("EEXIST");
    if (flags === 2 && target === undefined) fail("ENOENT");
    if (isAbove(source, to.directory)) fail("EINVAL");
    if (target !== undefined && isAbove(target, from.directory)) fail(flags === 2 ? "EINVAL" : "ENOTEMPTY");
    if (source === target) return;
    if (flags === 2) {
      put(from.directory, from.name, target as Node);
      put(to.directory, to.name, source);
      return;
    }
    if (target !== undefined && source.kind === "directory" && target.kind !== "directory") fail("ENOTDIR");
    if (target?.kind === "directory") {
      if (source.kind !== "directory") fail("EISDIR");
      if (target.entries.size > 0) fail("ENOTEMPTY");
    } else if (target !== undefined) target.links -= 1;
    from.directory.entries.delete(from.name);
    put(to.directory, to.name, source);
  }

  readlink(path: string): string {
    const node = this.#existing(path, false);
    return node.kind === "symlink" ? node.text : fail("EINVAL");
  }

  #write(path: string, change: (text: string) => string): void {
    const { directory, name, node } = this.#find(path, true);
    if (node?.kind === "directory") fail("EISDIR");
    const file: File = (node as File | undefined) ?? {
      kind: "file",
      mode: 0o644,
      owners: [0, 0],
      links: 1,
      text: "",
    };
    file.text = change(file.text);
    directory.entries.set(name, file);
  }

  put(path: string, text: string): void {
    this.#write(path, () => text);
  }

  append(path: string, text: string): void {
    this.#write(path, (before) => before + text);
  }

  #file(path: string): File {
    const node = this.#existing(path);
    return node.kind === "directory" ? fail("EISDIR") : node;
  }

  get(path: string): string {
    return this.#file(path).text;
  }

  truncate(path: string, length: number): void {
    const file = this.#file(path);
    file.text = file.text.slice(0, length).padEnd(length, "\0");
  }

  list(path: string): string[] {
    const node = this.#existing(path);
    return node.kind === "directory" ? [...node.entries.keys()].toSorted() : fail("ENOTDIR");
  }

  stat(path: string): [number, number, number] | [number] {
    return shown(this.#existing(path));
  }

  lstat(path: string): [number, number, number] | [number] {
    return shown(this.#existing(path, false));
  }

  chmod(path: string, mode: number): void {
    this.#existing(path).mode = mode;
  }

  #give(node: Node, uid: number, gid: number): void {
    if (uid !== -1) node.owners[0] = uid;
    if (gid !== -1) node.owners[1] = gid;
    if (node.kind !== "directory") node.mode &= ~0o4000;
    if (node.kind !== "directory" && (node.mode & 0o010) !== 0) node.mode &= ~0o2000;
  }

  chown(path: string, uid: number, gid: number): void {
    this.#give(this.#existing(path), uid, gid);
  }

  lchown(path: string, uid: number, gid: number): void {
    this.#give(this.#existing(path, false), uid, gid);
  }

  owners(path: string): [number, number] {
    return [...this.#existing(path, false).owners];
  }

  utimens(): void {
    throw new Error("the model keeps no times");
  }

  times(): [number, number] {
    throw new Error("the model keeps no times");
  }
}

function newDirectory(parent: Directory | undefined, mode: number): Directory {
  const directory = { kind: "directory", mode, owners: [0, 0], entries: new Map() } as unknown as Directory;
  directory.parent = parent ?? directory;
  return directory;
}

/** Gives a name to what had another. */
function put(directory: Directory, name: string, node: Node): void {
  directory.entries.set(name, node);
  if (node.kind === "directory") node.parent = directory;
}

/** Whether a node is a directory, or lies above it. */
function isAbove(node: Node, directory: Directory): boolean {
  for (let here = directory; ; here = here.parent) {
    if (here === node) return true;
    if (here.parent === here) return false;
  }
}

const TYPES = { directory: 0o040000, file: 0o100000, symlink: 0o120000 };

function shown(node: Node): [number, number, number] | [number] {
  const mode = TYPES[node.kind] | node.mode;
  return node.kind === "directory" ? [mode] : [mode, node.text.length, node.links];
}
