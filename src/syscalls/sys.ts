// What a program calls.  Every method checks the types of its arguments, enters the call (a step, and a
// record while calls are recorded), lets the kernel do it, leaves the call, and turns a negative result
// into a SysError.  Offsets and lengths are in bytes.

import { commit } from "../ext4/journal/commit.ts";
import type { Stat } from "../ext4/inode.ts";
import { superBlock } from "../ext4/super.ts";
import type { Memory } from "../machine/memory.ts";
import type { Design } from "../xip/design.ts";
import {
  checkBytes,
  checkNumber,
  checkPath,
  checkUserRange,
  checkWord,
  openFlags,
  type UserRange,
} from "./arguments.ts";
import { SysError } from "./error.ts";
import { initFiles } from "./file.ts";
import { Msync, O, Seek } from "./flags.ts";
import {
  listPath,
  openPath,
  readLinkAt,
  statDescriptor,
  statPath,
  truncatePath,
  unlinkPath,
} from "./paths.ts";
import { Caller, initProcesses } from "./process.ts";
import { Call, callName, type CallRecord, initRecords, recordPath } from "./record.ts";
import { type Fault, loadBytes, mapDescriptor, storeAll, syncPages, unmapPages } from "./region.ts";
import {
  allocateDescriptor,
  extentsOfDescriptor,
  type FileExtent,
  syncDescriptor,
  truncateDescriptor,
} from "./space.ts";
import { HERE, readAt, readDescriptor, seekDescriptor, writeAt, writeDescriptor } from "./transfer.ts";

/** Makes processes, open files and call records.  At boot, after the file system and the address spaces. */
export function initSyscalls(mem: Memory): void {
  initRecords(mem);
  initFiles(mem);
  initProcesses(mem);
}

/** The system calls of one process, for the thread that made it.  Errors are thrown as SysError. */
export class Sys {
  readonly #caller: Caller;

  /** The calls of process number `process`, on the file system mounted in `mem`, through a design. */
  constructor(mem: Memory, design: Design, process: number) {
    this.#caller = new Caller(mem, design, process);
  }

  /** Opens a file with flags as node:fs writes them, or Linux' numbers.  Returns a descriptor. */
  open(path: string, flags: string | number = O.RDONLY, mode = 0o666): number {
    checkPath("path", path);
    const bits = openFlags(flags);
    checkNumber("mode", mode);
    const record = this.#begin(Call.open, path);
    return this.#finish(Call.open, record, openPath(this.#caller, record, path, bits, mode), path);
  }

  close(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#begin(Call.close);
    this.#finish(Call.close, record, this.#caller.close(fd, record));
  }

  /** Reads up to `length` bytes at a position; fewer at the end of the file. */
  pread(fd: number, length: number, position: number): Uint8Array {
    checkNumber("fd", fd);
    checkNumber("length", length);
    checkNumber("position", position);
    const record = this.#caller.begin(Call.pread);
    return this.#bytes(Call.pread, record, readAt(this.#caller, record, fd, length, position));
  }

  /** Reads at the descriptor's position and moves it on. */
  read(fd: number, length: number): Uint8Array {
    checkNumber("fd", fd);
    checkNumber("length", length);
    const record = this.#caller.begin(Call.read);
    return this.#bytes(Call.read, record, readDescriptor(this.#caller, record, fd, length, HERE));
  }

  /**
   * Writes bytes, or a range of the caller's own address space, at a position.  Returns how many.  A file
   * opened to append is appended to wherever the position is, as in Linux.
   */
  pwrite(fd: number, source: Uint8Array | UserRange, position: number): number {
    checkNumber("fd", fd);
    checkSource(source);
    checkNumber("position", position);
    const record = this.#caller.begin(Call.pwrite);
    const count = writeAt(this.#caller, record, fd, source, position);
    return this.#finish(Call.pwrite, record, count);
  }

  /** Writes at the descriptor's position, or at the end, and moves it on. */
  write(fd: number, source: Uint8Array | UserRange): number {
    checkNumber("fd", fd);
    checkSource(source);
    const record = this.#caller.begin(Call.write);
    const count = writeDescriptor(this.#caller, record, fd, source, HERE);
    return this.#finish(Call.write, record, count);
  }

  /** Moves the descriptor's position; `whence` as in Linux, SEEK_DATA (3) and SEEK_HOLE (4) among them. */
  lseek(fd: number, offset: number, whence: number = Seek.set): number {
    checkNumber("fd", fd);
    checkNumber("offset", offset);
    checkNumber("whence", whence);
    const record = this.#begin(Call.lseek);
    return this.#finish(Call.lseek, record, seekDescriptor(this.#caller, record, fd, offset, whence));
  }

  /** Reserves space (mode 0; 1 keeps the size), or what else Linux' mode bits say and the design can. */
  fallocate(fd: number, mode: number, offset: number, length: number): void {
    checkNumber("fd", fd);
    checkNumber("mode", mode);
    checkNumber("offset", offset);
    checkNumber("length", length);
    const record = this.#begin(Call.fallocate);
    const result = allocateDescriptor(this.#caller, record, fd, mode, offset, length);
    this.#finish(Call.fallocate, record, result);
  }

  /** Sets the size of an open file. */
  ftruncate(fd: number, length = 0): void {
    checkNumber("fd", fd);
    checkNumber("length", length);
    const record = this.#begin(Call.ftruncate);
    this.#finish(Call.ftruncate, record, truncateDescriptor(this.#caller, record, fd, length));
  }

  /** Sets the size of the file at a path. */
  truncate(path: string, length = 0): void {
    checkPath("path", path);
    checkNumber("length", length);
    const record = this.#begin(Call.truncate, path);
    this.#finish(Call.truncate, record, truncatePath(this.#caller, record, path, length), path);
  }

  /** What is known of an open file; `blocks` counts units of 512 bytes. */
  fstat(fd: number): Stat {
    checkNumber("fd", fd);
    const record = this.#begin(Call.fstat);
    return this.#answer(Call.fstat, record, statDescriptor(this.#caller, record, fd));
  }

  /** What is known of the file at a path. */
  stat(path: string): Stat {
    checkPath("path", path);
    const record = this.#begin(Call.stat, path);
    return this.#answer(Call.stat, record, statPath(this.#caller, record, path, true), path);
  }

  /** The same; of a symlink itself where the path names one. */
  lstat(path: string): Stat {
    checkPath("path", path);
    const record = this.#begin(Call.lstat, path);
    return this.#answer(Call.lstat, record, statPath(this.#caller, record, path, false), path);
  }

  /** Makes an open file durable: its data, and what is needed to find it. */
  fsync(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#begin(Call.fsync);
    this.#finish(Call.fsync, record, syncDescriptor(this.#caller, record, fd));
  }

  fdatasync(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#begin(Call.fdatasync);
    this.#finish(Call.fdatasync, record, syncDescriptor(this.#caller, record, fd));
  }

  /** Makes the whole file system durable. */
  sync(): void {
    const record = this.#begin(Call.sync);
    this.#finish(Call.sync, record, commit(superBlock(this.#caller.mem)));
  }

  /** Maps a file from `offset` (a multiple of 4096).  Returns the address. */
  mmap(length: number, access: "r" | "rw", sharing: "shared" | "private", fd: number, offset = 0): number {
    checkNumber("length", length);
    checkWord("access", access, ["r", "rw"]);
    checkWord("sharing", sharing, ["shared", "private"]);
    checkNumber("fd", fd);
    checkNumber("offset", offset);
    const record = this.#begin(Call.mmap);
    const [writable, shared] = [access === "rw", sharing === "shared"];
    const address = mapDescriptor(this.#caller, record, fd, length, writable, shared, offset);
    return this.#finish(Call.mmap, record, address);
  }

  /** Unmaps the pages of a range. */
  munmap(address: number, length: number): void {
    checkNumber("address", address);
    checkNumber("length", length);
    const record = this.#begin(Call.munmap);
    this.#finish(Call.munmap, record, unmapPages(this.#caller, record, address, length));
  }

  /** Makes what was stored through shared mappings durable; `flags` as in Linux (4 is MS_SYNC). */
  msync(address: number, length: number, flags: number = Msync.sync): void {
    checkNumber("address", address);
    checkNumber("length", length);
    checkNumber("flags", flags);
    const record = this.#begin(Call.msync);
    this.#finish(Call.msync, record, syncPages(this.#caller, record, address, length, flags));
  }

  /**
   * Loads bytes from a mapping.  Throws SIGBUS or SIGSEGV, with the address that could not be reached, as
   * the program would be stopped there.
   */
  load(address: number, length: number): Uint8Array {
    checkNumber("address", address);
    checkNumber("length", length);
    const result = loadBytes(this.#caller, address, length);
    if (result instanceof Uint8Array) return result;
    return this.#signal(Call.load, result);
  }

  /** Stores bytes to a mapping; where a later byte faults, the earlier ones are stored. */
  store(address: number, bytes: Uint8Array): void {
    checkNumber("address", address);
    checkBytes("bytes", bytes);
    const fault = storeAll(this.#caller, address, bytes);
    if (fault !== undefined) this.#signal(Call.store, fault);
  }

  /** The extents of an open file, as its tree stores them. */
  fiemap(fd: number): FileExtent[] {
    checkNumber("fd", fd);
    const record = this.#begin(Call.fiemap);
    return this.#answer(Call.fiemap, record, extentsOfDescriptor(this.#caller, record, fd));
  }

  /** Takes a name away; the file itself goes with its last name and its last user. */
  unlink(path: string): void {
    checkPath("path", path);
    const record = this.#begin(Call.unlink, path);
    this.#finish(Call.unlink, record, unlinkPath(this.#caller, path), path);
  }

  /** The names in a directory. */
  readdir(path: string): string[] {
    checkPath("path", path);
    const record = this.#begin(Call.readdir, path);
    return this.#answer(Call.readdir, record, listPath(this.#caller, record, path), path);
  }

  /** What a symlink says. */
  readlink(path: string): string {
    checkPath("path", path);
    const record = this.#begin(Call.readlink, path);
    return this.#answer(Call.readlink, record, readLinkAt(this.#caller, record, path), path);
  }

  #begin(call: Call, path?: string): CallRecord | undefined {
    const record = this.#caller.begin(call);
    if (record !== undefined && path !== undefined) recordPath(record, path);
    return record;
  }

  #finish(call: Call, record: CallRecord | undefined, result: number, path?: string): number {
    this.#caller.end(record, result);
    if (result < 0) throw new SysError(result, callName(call), { path });
    return result;
  }

  #bytes(call: Call, record: CallRecord | undefined, result: Uint8Array | number): Uint8Array {
    if (typeof result === "number") throw this.#failure(call, record, result);
    this.#caller.end(record, result.length);
    return result;
  }

  #answer<T extends object | string>(
    call: Call,
    record: CallRecord | undefined,
    result: T | number,
    path?: string,
  ): T {
    if (typeof result === "number") throw this.#failure(call, record, result, path);
    this.#caller.end(record, 0);
    return result;
  }

  #failure(call: Call, record: CallRecord | undefined, error: number, path?: string): SysError {
    this.#caller.end(record, error);
    return new SysError(error, callName(call), { path });
  }

  #signal(call: Call, { errno, address }: Fault): never {
    throw new SysError(errno, callName(call), { address });
  }
}

function checkSource(source: unknown): void {
  if (!(source instanceof Uint8Array)) checkUserRange("source", source);
}
