// What a program calls with a path, but for open.

import type { Stat } from "../../ext4/inode.ts";
import { checkNumber, checkPath } from "../arguments.ts";
import type { Door } from "../door.ts";
import { Call } from "../record.ts";
import { listPath, readLinkAt, statPath, truncatePath, unlinkPath } from "./paths.ts";

/** The part of `Sys` that works on names. */
export class NameCalls {
  readonly #door: Door;

  constructor(door: Door) {
    this.#door = door;
  }

  /** Sets the size of the file at a path. */
  truncate(path: string, length = 0): void {
    checkPath("path", path);
    checkNumber("length", length);
    const record = this.#door.begin(Call.truncate, path);
    this.#door.finish(Call.truncate, record, truncatePath(this.#door.caller, record, path, length), path);
  }

  /** What is known of the file at a path. */
  stat(path: string): Stat {
    checkPath("path", path);
    const record = this.#door.begin(Call.stat, path);
    return this.#door.answer(Call.stat, record, statPath(this.#door.caller, record, path, true), path);
  }

  /** The same; of a symlink itself where the path names one. */
  lstat(path: string): Stat {
    checkPath("path", path);
    const record = this.#door.begin(Call.lstat, path);
    return this.#door.answer(Call.lstat, record, statPath(this.#door.caller, record, path, false), path);
  }

  /** Takes a name away; the file itself goes with its last name and its last user. */
  unlink(path: string): void {
    checkPath("path", path);
    const record = this.#door.begin(Call.unlink, path);
    this.#door.finish(Call.unlink, record, unlinkPath(this.#door.caller, path), path);
  }

  /** The names in a directory. */
  readdir(path: string): string[] {
    checkPath("path", path);
    const record = this.#door.begin(Call.readdir, path);
    return this.#door.answer(Call.readdir, record, listPath(this.#door.caller, record, path), path);
  }

  /** What a symlink says. */
  readlink(path: string): string {
    checkPath("path", path);
    const record = this.#door.begin(Call.readlink, path);
    return this.#door.answer(Call.readlink, record, readLinkAt(this.#door.caller, record, path), path);
  }
}
