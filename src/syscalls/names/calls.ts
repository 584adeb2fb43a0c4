// What a program calls with a path, but for open, and what it calls for a file's attributes.
//
// A path is text, or bytes: names on the media are bytes, and need not be text.  Errors are thrown as SysError.

import type { FileSystemStat } from "../../ext4/attributes.ts";
import type { Stat } from "../../ext4/inode.ts";
import type { Path } from "../../ext4/names/path.ts";
import { checkNumber, checkPath, checkTime, checkWord, type TimeValue, timeOf } from "../arguments.ts";
import type { Door } from "../door.ts";
import { Call } from "../record.ts";
import {
  changeModeAt,
  changeModeOf,
  changeOwnerAt,
  changeOwnerOf,
  changeTimesAt,
  changeTimesOf,
  statDescriptor,
  statFileSystemAt,
  statPath,
  truncatePath,
} from "./attributes.ts";
import {
  linkPath,
  listPath,
  makeDirectoryAt,
  makeSymlinkAt,
  readLinkAt,
  removeDirectoryAt,
  renamePath,
  unlinkPath,
} from "./entries.ts";

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** The part of `Sys` that works on names and attributes. */
export class NameCalls {
  readonly #door: Door;

  constructor(door: Door) {
    this.#door = door;
  }

  /** Makes an empty directory.  EEXIST, ENOENT, ENOTDIR, EMLINK, ENOSPC, ENAMETOOLONG. */
  mkdir(path: Path, mode = 0o777): void {
    checkPath("path", path);
    checkNumber("mode", mode);
    const record = this.#door.begin(Call.mkdir, path);
    this.#door.finish(Call.mkdir, record, makeDirectoryAt(this.#door.caller, record, path, mode), path);
  }

  /** Takes an empty directory away.  ENOTEMPTY, ENOTDIR, ENOENT; EBUSY for "/", EINVAL for a path that ends in ".". */
  rmdir(path: Path): void {
    checkPath("path", path);
    const record = this.#door.begin(Call.rmdir, path);
    this.#door.finish(Call.rmdir, record, removeDirectoryAt(this.#door.caller, path), path);
  }

  /** Takes a name away; the file itself goes with its last name and its last user.  ENOENT, EISDIR. */
  unlink(path: Path): void {
    checkPath("path", path);
    const record = this.#door.begin(Call.unlink, path);
    this.#door.finish(Call.unlink, record, unlinkPath(this.#door.caller, path), path);
  }

  /**
   * Moves a name, and replaces what has the new one: at every moment the new name means one file or the other.
   * `flags` are those of renameat2: 1 (RENAME_NOREPLACE) fails with EEXIST instead, 2 (RENAME_EXCHANGE) lets the
   * two change places.  EINVAL for moving a directory below itself, ENOTEMPTY, EISDIR, ENOTDIR, ENOENT, EBUSY.
   */
  rename(old: Path, path: Path, flags = 0): void {
    checkPath("oldPath", old);
    checkPath("newPath", path);
    checkNumber("flags", flags);
    const record = this.#door.begin(Call.rename, old, path);
    if (record !== undefined) record.extra = flags;
    const result = renamePath(this.#door.caller, old, path, flags);
    this.#door.finish(Call.rename, record, result, old, path);
  }

  /** Gives a file one more name.  EPERM for a directory, EEXIST, ENOENT, EMLINK above 65,000. */
  link(existing: Path, path: Path): void {
    checkPath("existingPath", existing);
    checkPath("newPath", path);
    const record = this.#door.begin(Call.link, existing, path);
    const result = linkPath(this.#door.caller, record, existing, path);
    this.#door.finish(Call.link, record, result, existing, path);
  }

  /** Makes a symlink that says `target`, whether that is there or not.  EEXIST, ENOENT, ENAMETOOLONG. */
  symlink(target: Path, path: Path): void {
    checkPath("target", target);
    checkPath("path", path);
    const record = this.#door.begin(Call.symlink, target, path);
    const result = makeSymlinkAt(this.#door.caller, record, target, path);
    this.#door.finish(Call.symlink, record, result, target, path);
  }

  /** What a symlink says; as "buffer" its bytes, for what is no text.  ENOENT, EINVAL for what is none. */
  readlink(path: Path, as?: "utf8"): string;
  readlink(path: Path, as: "buffer"): Uint8Array;
  readlink(path: Path, as: "utf8" | "buffer" = "utf8"): string | Uint8Array {
    checkPath("path", path);
    checkWord("encoding", as, ["utf8", "buffer"]);
    const record = this.#door.begin(Call.readlink, path);
    const target = this.#door.answer(
      Call.readlink,
      record,
      readLinkAt(this.#door.caller, record, path),
      path,
    );
    return as === "buffer" ? target : textOf(target);
  }

  /** The names in a directory; as "buffer" the bytes of each, for names that are no text.  ENOTDIR, ENOENT. */
  readdir(path: Path, as?: "utf8"): string[];
  readdir(path: Path, as: "buffer"): Uint8Array[];
  readdir(path: Path, as: "utf8" | "buffer" = "utf8"): string[] | Uint8Array[] {
    checkPath("path", path);
    checkWord("encoding", as, ["utf8", "buffer"]);
    const record = this.#door.begin(Call.readdir, path);
    const names = this.#door.answer(Call.readdir, record, listPath(this.#door.caller, record, path), path);
    return as === "buffer" ? names : names.map(textOf);
  }

  /** What is known of the file at a path; `blocks` counts units of 512 bytes.  ENOENT, ENOTDIR, ELOOP. */
  stat(path: Path): Stat {
    checkPath("path", path);
    const record = this.#door.begin(Call.stat, path);
    return this.#door.answer(Call.stat, record, statPath(this.#door.caller, record, path, true), path);
  }

  /** The same; of a symlink itself where the path names one.  ENOENT, ENOTDIR, ELOOP. */
  lstat(path: Path): Stat {
    checkPath("path", path);
    const record = this.#door.begin(Call.lstat, path);
    return this.#door.answer(Call.lstat, record, statPath(this.#door.caller, record, path, false), path);
  }

  /** What is known of an open file.  EBADF. */
  fstat(fd: number): Stat {
    checkNumber("fd", fd);
    const record = this.#door.begin(Call.fstat);
    return this.#door.answer(Call.fstat, record, statDescriptor(this.#door.caller, record, fd));
  }

  /**
   * What the file system says of itself: how many blocks and inodes it has, and how many are free.  ENOENT, ENOTDIR, ELOOP
   * for a path that leads nowhere.
   */
  statfs(path: Path): FileSystemStat {
    checkPath("path", path);
    const record = this.#door.begin(Call.statfs, path);
    return this.#door.answer(Call.statfs, record, statFileSystemAt(this.#door.caller, record, path), path);
  }

  /** Sets the size of the file at a path in bytes.  ENOENT, EISDIR, EINVAL, EPERM, EFBIG. */
  truncate(path: Path, length = 0): void {
    checkPath("path", path);
    checkNumber("length", length);
    const record = this.#door.begin(Call.truncate, path);
    this.#door.finish(Call.truncate, record, truncatePath(this.#door.caller, record, path, length), path);
  }

  /** Sets the permission bits (0o7777) of the file at a path.  ENOENT, EPERM for an immutable one. */
  chmod(path: Path, mode: number): void {
    checkPath("path", path);
    checkNumber("mode", mode);
    const record = this.#door.begin(Call.chmod, path);
    this.#door.finish(Call.chmod, record, changeModeAt(this.#door.caller, record, path, mode), path);
  }

  /** The same of an open file.  EBADF, EPERM. */
  fchmod(fd: number, mode: number): void {
    checkNumber("fd", fd);
    checkNumber("mode", mode);
    const record = this.#door.begin(Call.fchmod);
    this.#door.finish(Call.fchmod, record, changeModeOf(this.#door.caller, record, fd, mode));
  }

  /**
   * Sets user and group of the file at a path; -1 leaves one as it is.  As for root: what is no directory loses
   * the set-user-ID bit.  EINVAL for what is no number of 32 bits, ENOENT, EPERM.
   */
  chown(path: Path, uid: number, gid: number): void {
    this.#chown(Call.chown, path, uid, gid, true);
  }

  /** The same; of a symlink itself where the path names one.  Fails as `chown` does. */
  lchown(path: Path, uid: number, gid: number): void {
    this.#chown(Call.lchown, path, uid, gid, false);
  }

  /** The same of an open file.  EBADF, EINVAL, EPERM. */
  fchown(fd: number, uid: number, gid: number): void {
    checkNumber("fd", fd);
    checkNumber("uid", uid);
    checkNumber("gid", gid);
    const record = this.#door.begin(Call.fchown);
    this.#door.finish(Call.fchown, record, changeOwnerOf(this.#door.caller, record, fd, [uid, gid]));
  }

  #chown(call: Call, path: Path, uid: number, gid: number, follow: boolean): void {
    checkPath("path", path);
    checkNumber("uid", uid);
    checkNumber("gid", gid);
    const record = this.#door.begin(call, path);
    const result = changeOwnerAt(this.#door.caller, record, path, [uid, gid], follow);
    this.#door.finish(call, record, result, path);
  }

  /**
   * Sets when the file at a path was read and changed last: each a number of seconds since the epoch (with a
   * fraction), a bigint of nanoseconds, "now", or "omit" to leave it.  Times that the inode cannot keep
   * become the nearest that it can.  EINVAL for a number that is none, ENOENT, EPERM.
   */
  utimens(path: Path, accessed: TimeValue, modified: TimeValue): void {
    checkPath("path", path);
    checkTime("atime", accessed);
    checkTime("mtime", modified);
    const record = this.#door.begin(Call.utimens, path);
    const [atime, mtime] = [timeOf(accessed), timeOf(modified)];
    const result = changeTimesAt(this.#door.caller, record, path, atime, mtime);
    this.#door.finish(Call.utimens, record, result, path);
  }

  /** The same of an open file.  EBADF, EINVAL, EPERM. */
  futimens(fd: number, accessed: TimeValue, modified: TimeValue): void {
    checkNumber("fd", fd);
    checkTime("atime", accessed);
    checkTime("mtime", modified);
    const record = this.#door.begin(Call.futimens);
    const [atime, mtime] = [timeOf(accessed), timeOf(modified)];
    this.#door.finish(Call.futimens, record, changeTimesOf(this.#door.caller, record, fd, atime, mtime));
  }
}
