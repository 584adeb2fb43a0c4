// The part of the random workload that makes, moves and removes names, all in one directory and below it.
//
// Half of the calls are on names that a task has for itself: each has the answer that a model gives, whatever the
// others do to the directory meanwhile, and after the round these names are as the model has them.  The other half
// is on names that all tasks share: there only the whole file system is checked.

import type { Sys } from "../../syscalls/sys.ts";
import type { Seen } from "../scenario.ts";

export const NAME_OPS = [
  "create",
  "unlink",
  "rename",
  "mkdir",
  "rmdir",
  "link",
  "symlink",
  "readdir",
] as const;
export type NameOp = (typeof NAME_OPS)[number];

export const NAMES = "/names";
/** Names of each task, and of all tasks together. */
const OWN = 5;
/** What any call may fail with that has no room. */
const NO_ROOM = ["ENOSPC", "ENFILE", "EMLINK"];
/** What else may happen to names that others change, too. */
const BESIDE = new Set([
  "ENOENT",
  "EEXIST",
  "ENOTDIR",
  "EISDIR",
  "ENOTEMPTY",
  "EPERM",
  "EINVAL",
  "ELOOP",
  ...NO_ROOM,
]);

type Kind = "file" | "directory" | "symlink";

/** What a name means; names of one file have the same identity. */
interface Meaning {
  readonly kind: Kind;
  readonly identity: number;
}

/** What a task's names mean in the end, and the first answer that was wrong. */
export interface NamesLeft {
  readonly own: Record<string, Meaning>;
  readonly wrong: string | undefined;
}

const codeOf = (error: unknown): string => {
  const { code } = error as { code?: string };
  if (code === undefined) throw error;
  return code;
};

/** A task's calls on names. */
export class NameTask {
  readonly #sys: Sys;
  readonly #prefix: string;
  readonly #random: (below: number) => number;
  readonly #own = new Map<string, Meaning>();
  #made = 0;
  #wrong: string | undefined;

  constructor(sys: Sys, task: string, random: (below: number) => number) {
    this.#sys = sys;
    this.#prefix = prefixOf(task);
    this.#random = random;
  }

  get left(): NamesLeft {
    return { own: Object.fromEntries(this.#own), wrong: this.#wrong };
  }

  /** Makes one call. */
  call(op: NameOp): void {
    if (this.#random(2) === 0) this.#onOwn(op);
    else this.#onShared(op);
  }

  #onShared(op: NameOp): void {
    try {
      this.#make(op, this.#sharedName(), this.#sharedName());
    } catch (error) {
      if (!BESIDE.has(codeOf(error))) throw error;
    }
  }

  /** A name that all have, or one below it. */
  #sharedName(): string {
    const name = `shared-${this.#random(OWN)}`;
    return this.#random(3) === 0 ? `${name}/${this.#random(2)}` : name;
  }

  #onOwn(op: NameOp): void {
    const [name, other] = [this.#ownName(), this.#ownName()];
    const right = op === "readdir" ? "" : answerOf(this.#own, op, name, other);
    let code = "";
    try {
      this.#make(op, name, other);
    } catch (error) {
      code = codeOf(error);
    }
    if (code !== right && !NO_ROOM.includes(code)) {
      const call = [
        op,
        `${NAMES}/${name}`,
        ...(op === "rename" || op === "link" ? [`${NAMES}/${other}`] : []),
      ];
      this.#wrong ??= `${call.join(" ")} ended with ${code || "success"}, where ${right || "success"} was right`;
    }
    if (code === "" && right === "") this.#change(op, name, other);
  }

  readonly #ownName = (): string => `${this.#prefix}${this.#random(OWN)}`;

  #make(op: NameOp, name: string, other: string): void {
    const sys = this.#sys;
    const [path, to] = [`${NAMES}/${name}`, `${NAMES}/${other}`];
    switch (op) {
      case "create":
        sys.close(sys.open(path, "wx"));
        return;
      case "rename":
        sys.rename(path, to);
        return;
      case "link":
        sys.link(path, to);
        return;
      case "symlink":
        sys.symlink(other, path);
        return;
      case "readdir":
        this.#list();
        return;
      default:
        sys[op](path);
    }
  }

  /** Whatever others do in the directory, the task's own names are listed, each once. */
  #list(): void {
    const listed = this.#sys.readdir(NAMES).filter((name) => name.startsWith(this.#prefix));
    const right = [...this.#own.keys()].toSorted().join(" ");
    const found = listed.toSorted().join(" ");
    if (found !== right) this.#wrong ??= `readdir ${NAMES} gave "${found}", where "${right}" was right`;
  }

  /** What the call has done to the model. */
  #change(op: NameOp, name: string, other: string): void {
    const own = this.#own;
    const meaning = own.get(name) as Meaning;
    const make = (kind: Kind): void => void own.set(name, { kind, identity: (this.#made += 1) });
    if (op === "create") make("file");
    else if (op === "mkdir") make("directory");
    else if (op === "symlink") make("symlink");
    else if (op === "link") own.set(other, meaning);
    else if (op === "unlink" || op === "rmdir") own.delete(name);
    else if (op === "rename" && own.get(other)?.identity !== meaning.identity) {
      own.delete(name);
      own.set(other, meaning);
    }
  }
}

/** What the names begin with that a task has for itself. */
const prefixOf = (task: string): string => `${task}-`;

/** The code that a call on own names ends with; "" for success.  Own directories are empty. */
function answerOf(own: ReadonlyMap<string, Meaning>, op: NameOp, name: string, other: string): string {
  const [kind, target] = [own.get(name)?.kind, own.get(other)?.kind];
  if (op === "create" || op === "mkdir" || op === "symlink") return kind === undefined ? "" : "EEXIST";
  if (kind === undefined) return "ENOENT";
  switch (op) {
    case "unlink":
      return kind === "directory" ? "EISDIR" : "";
    case "rmdir":
      return kind === "directory" ? "" : "ENOTDIR";
    case "link":
      if (target !== undefined) return "EEXIST";
      return kind === "directory" ? "EPERM" : "";
    default:
      if (target === undefined || (kind === "directory") === (target === "directory")) return "";
      return kind === "directory" ? "ENOTDIR" : "EISDIR";
  }
}

const TYPES: Readonly<Record<number, Kind>> = {
  0o100000: "file",
  0o040000: "directory",
  0o120000: "symlink",
};

/** A sentence when a task was told something wrong, or its own names are not what it made of them. */
export function checkNames(sys: Sys, seen: Seen): string | undefined {
  const all = sys.readdir(NAMES);
  for (const [task, result] of Object.entries(seen)) {
    // The kernel's own thread leaves nothing.
    if (result === undefined) continue;
    const { own, wrong } = result as NamesLeft;
    if (wrong !== undefined) return `${task}: ${wrong}`;
    const found = all.filter((name) => name.startsWith(prefixOf(task))).toSorted();
    const right = Object.keys(own).toSorted();
    if (found.join(" ") !== right.join(" "))
      return `${task} left "${right.join(" ")}" in ${NAMES}, and "${found.join(" ")}" is there`;
    const numbers = new Map<number, number>();
    for (const name of right) {
      const { kind, identity } = own[name] as Meaning;
      const { ino, mode } = sys.lstat(`${NAMES}/${name}`);
      const is = TYPES[mode & 0o170000] ?? "something else";
      if (is !== kind) return `${task} left a ${kind} at ${NAMES}/${name}, and a ${is} is there`;
      const before = numbers.get(identity) ?? ino;
      if (ino !== before)
        return `${task} left ${NAMES}/${name} as another name of inode ${before}, and it is ${ino}`;
      numbers.set(identity, ino);
    }
  }
  return undefined;
}
