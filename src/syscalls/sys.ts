// What a program calls.  Every method checks the types of its arguments, enters the call (a step, and a
// record while calls are recorded), lets the kernel do it, leaves the call, and turns a negative result
// into a SysError.  Offsets and lengths are in bytes.

import type { Path } from "../ext4/names/path.ts";
import type { Memory } from "../machine/memory.ts";
import { fence } from "../machine/pmem.ts";
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
import {
  type Fault,
  flushRange,
  loadBytes,
  mapDescriptor,
  type Sharing,
  storeAll,
  unmapPages,
} from "./data/region.ts";
import {
  allocateDescriptor,
  extentsOfDescriptor,
  type FileExtent,
  truncateDescriptor,
} from "./data/space.ts";
import { syncAll, syncDescriptor, syncPages } from "./data/sync.ts";
import { HERE, readAt, readDescriptor, seekDescriptor, writeAt, writeDescriptor } from "./data/transfer.ts";
import { Door } from "./door.ts";
import { initFiles } from "./file.ts";
import { Msync, O, Seek } from "./flags.ts";
import { NameCalls } from "./names/calls.ts";
import { openPath } from "./names/open.ts";
import { Caller, initProcesses } from "./process.ts";
import { Call, initRecords } from "./record.ts";

/** Makes processes, open files and call records.  At boot, after the file system and the address spaces. */
export function initSyscalls(mem: Memory): void {
  initRecords(mem);
  initFiles(mem);
  initProcesses(mem);
}

/**
 * The system calls of one process, for the thread that made it.  Offsets, lengths and sizes are bytes.
 *
 * What fails throws a SysError; each call names the codes that are its own.  Any with a path may throw ENOENT, ENOTDIR,
 * ELOOP or ENAMETOOLONG, any that changes what is marked immutable EPERM, and those that take space ENOSPC.  Any may throw
 * EUCLEAN or EFSBADCRC with a `reason` where it meets damage on the media, and EROFS where the image asks for that after
 * damage.  An argument of the wrong type is a TypeError.  After the machine's `close` all throw that it is closed.
 */
export class Sys extends NameCalls {
  readonly #caller: Caller;
  readonly #door: Door;

  /** The calls of process number `process`, on the file system mounted in `mem`, through a design. */
  constructor(mem: Memory, design: Design, process: number) {
    const caller = new Caller(mem, design, process);
    const door = new Door(caller);
    super(door);
    this.#caller = caller;
    this.#door = door;
  }

  /**
   * Opens a file with flags as node:fs writes them, or Linux' numbers; `mode` are the permissions of one that is made,
   * less the umask 0o022.  Returns a descriptor, the lowest free one from 3 on.  ENOENT, EEXIST, EISDIR, ENOTDIR, ELOOP,
   * EPERM, ENXIO for what is neither file nor directory, EMFILE, ENFILE, EINVAL and EOPNOTSUPP for flags that contradict
   * each other or are not known here.
   */
  open(path: Path, flags: string | number = O.RDONLY, mode = 0o666): number {
    checkPath("path", path);
    const bits = openFlags(flags);
    checkNumber("mode", mode);
    const record = this.#door.begin(Call.open, path);
    return this.#door.finish(Call.open, record, openPath(this.#caller, record, path, bits, mode), path);
  }

  /** Closes a descriptor; an unlinked file goes with the last one.  EBADF. */
  close(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#door.begin(Call.close);
    this.#door.finish(Call.close, record, this.#caller.close(fd, record));
  }

  /** Reads up to `length` bytes at a position; fewer at the end of the file.  EBADF, EISDIR, EINVAL. */
  pread(fd: number, length: number, position: number): Uint8Array {
    checkNumber("fd", fd);
    checkNumber("length", length);
    checkNumber("position", position);
    const record = this.#caller.begin(Call.pread);
    return this.#door.bytes(Call.pread, record, readAt(this.#caller, record, fd, length, position));
  }

  /** Reads at the descriptor's position and moves it on.  Fails as `pread` does. */
  read(fd: number, length: number): Uint8Array {
    checkNumber("fd", fd);
    checkNumber("length", length);
    const record = this.#caller.begin(Call.read);
    return this.#door.bytes(Call.read, record, readDescriptor(this.#caller, record, fd, length, HERE));
  }

  /**
   * Writes bytes, or a range of the caller's own address space, at a position.  Returns how many.  A file
   * opened to append is appended to wherever the position is, as in Linux.  EBADF, EINVAL, EFBIG, and EFAULT for a range
   * of which nothing can be read.
   */
  pwrite(fd: number, source: Uint8Array | UserRange, position: number): number {
    checkNumber("fd", fd);
    checkSource(source);
    checkNumber("position", position);
    const record = this.#caller.begin(Call.pwrite);
    const count = writeAt(this.#caller, record, fd, source, position);
    return this.#door.finish(Call.pwrite, record, count);
  }

  /** Writes at the descriptor's position, or at the end, and moves it on.  Fails as `pwrite` does. */
  write(fd: number, source: Uint8Array | UserRange): number {
    checkNumber("fd", fd);
    checkSource(source);
    const record = this.#caller.begin(Call.write);
    const count = writeDescriptor(this.#caller, record, fd, source, HERE);
    return this.#door.finish(Call.write, record, count);
  }

  /**
   * Moves the descriptor's position, and returns it; `whence` as in Linux, SEEK_DATA (3) and SEEK_HOLE (4) among them.
   * EBADF, EINVAL, ENXIO where no data follows.
   */
  lseek(fd: number, offset: number, whence: number = Seek.set): number {
    checkNumber("fd", fd);
    checkNumber("offset", offset);
    checkNumber("whence", whence);
    const record = this.#door.begin(Call.lseek);
    return this.#door.finish(Call.lseek, record, seekDescriptor(this.#caller, record, fd, offset, whence));
  }

  /**
   * Reserves space (mode 0; 1 keeps the size), or what else Linux' mode bits say.  EOPNOTSUPP for a mode that the design
   * does not know, EBADF, EINVAL, EISDIR, EFBIG.
   */
  fallocate(fd: number, mode: number, offset: number, length: number): void {
    checkNumber("fd", fd);
    checkNumber("mode", mode);
    checkNumber("offset", offset);
    checkNumber("length", length);
    const record = this.#door.begin(Call.fallocate);
    const result = allocateDescriptor(this.#caller, record, fd, mode, offset, length);
    this.#door.finish(Call.fallocate, record, result);
  }

  /** Sets the size of an open file.  EBADF, EINVAL where it was not opened to write, EFBIG. */
  ftruncate(fd: number, length = 0): void {
    checkNumber("fd", fd);
    checkNumber("length", length);
    const record = this.#door.begin(Call.ftruncate);
    this.#door.finish(Call.ftruncate, record, truncateDescriptor(this.#caller, record, fd, length));
  }

  /** Makes an open file durable: its data, and what is needed to find it.  EBADF. */
  fsync(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#door.begin(Call.fsync);
    this.#door.finish(Call.fsync, record, syncDescriptor(this.#caller, record, fd));
  }

  /** The same: nothing that `fsync` makes durable is left out.  EBADF. */
  fdatasync(fd: number): void {
    checkNumber("fd", fd);
    const record = this.#door.begin(Call.fdatasync);
    this.#door.finish(Call.fdatasync, record, syncDescriptor(this.#caller, record, fd));
  }

  /** Makes the whole file system durable. */
  sync(): void {
    const record = this.#door.begin(Call.sync);
    this.#door.finish(Call.sync, record, syncAll(this.#caller));
  }

  /**
   * Maps a file from `offset` (a multiple of 4096).  Returns the address.  "sync" is shared, with MAP_SYNC: what a
   * program stores there is durable when it has flushed it itself, without fsync; EOPNOTSUPP in designs before that.
   * EBADF, EACCES where the file was not opened for it, ENODEV for what is no file, EINVAL, EOVERFLOW, ENOMEM.
   */
  mmap(length: number, access: "r" | "rw", sharing: Sharing, fd: number, offset = 0): number {
    checkNumber("length", length);
    checkWord("access", access, ["r", "rw"]);
    checkWord("sharing", sharing, ["shared", "private", "sync"]);
    checkNumber("fd", fd);
    checkNumber("offset", offset);
    const record = this.#door.begin(Call.mmap);
    const address = mapDescriptor(this.#caller, record, fd, length, access === "rw", sharing, offset);
    return this.#door.finish(Call.mmap, record, address);
  }

  /** Unmaps the pages of a range; what is not mapped is no error.  EINVAL, and ENOMEM where a mapping cannot be split. */
  munmap(address: number, length: number): void {
    checkNumber("address", address);
    checkNumber("length", length);
    const record = this.#door.begin(Call.munmap);
    this.#door.finish(Call.munmap, record, unmapPages(this.#caller, record, address, length));
  }

  /**
   * Makes what was stored through shared mappings durable; `flags` as in Linux (4 is MS_SYNC).  EINVAL, ENOMEM for a gap.
   */
  msync(address: number, length: number, flags: number = Msync.sync): void {
    checkNumber("address", address);
    checkNumber("length", length);
    checkNumber("flags", flags);
    const record = this.#door.begin(Call.msync);
    this.#door.finish(Call.msync, record, syncPages(this.#caller, record, address, length, flags));
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

  /** Stores bytes to a mapping; where a later byte faults, the earlier ones are stored.  Throws as `load` does. */
  store(address: number, bytes: Uint8Array): void {
    checkNumber("address", address);
    checkBytes("bytes", bytes);
    const fault = storeAll(this.#caller, address, bytes);
    if (fault !== undefined) this.#signal(Call.store, fault);
  }

  /**
   * Writes the cache lines of a range of a mapping back, as a program does with CLWB (pmem_flush): they are durable after
   * `drain`.  Throws as `load` does.
   */
  flush(address: number, length: number): void {
    checkNumber("address", address);
    checkNumber("length", length);
    const fault = flushRange(this.#caller, address, length);
    if (fault !== undefined) this.#signal(Call.flush, fault);
  }

  /** Waits until what was flushed is durable, as a program does with SFENCE (pmem_drain). */
  drain(): void {
    const record = this.#door.begin(Call.drain);
    fence(this.#caller.mem);
    this.#door.finish(Call.drain, record, 0);
  }

  /** The extents of an open file in bytes, as its tree stores them; holes are left out.  EBADF. */
  fiemap(fd: number): FileExtent[] {
    checkNumber("fd", fd);
    const record = this.#door.begin(Call.fiemap);
    return this.#door.answer(Call.fiemap, record, extentsOfDescriptor(this.#caller, record, fd));
  }

  #signal(call: Call, { errno, address }: Fault): never {
    throw this.#door.failure(call, errno, { address });
  }
}

function checkSource(source: unknown): void {
  if (!(source instanceof Uint8Array)) checkUserRange("source", source);
}
