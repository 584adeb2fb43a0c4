// Memory as programs use it: their loads and stores through mappings, and the copies that system calls make
// from and to their buffers.
//
// A buffer is either plain bytes, which are the caller's own and cannot fault, or a range of user
// addresses, which can fault at any page.  Data moves in pieces (header.piece bytes, within one page).  Each
// piece is one step, announced at the physical address, and one access that no shoot-down can cut
// (machine/mmu.ts).  Between the load and the store of a copy from mapped to mapped memory the bytes are in
// the task's bounce page, as they are in registers on a real machine.
//
// No locks are held here; a fault takes space.mmapSem shared and whatever the design takes.

import { currentTask, Op, step } from "../machine/cpu.ts";
import { Errno } from "../machine/errors.ts";
import { pieceOf } from "../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../machine/memory.ts";
import { beginAccess, endAccess, translate } from "../machine/mmu.ts";
import { flushLines, storeBytes, storeCopy, storeFill, streamBytes, streamCopy } from "../machine/pmem.ts";
import { Writer } from "../machine/pmem/log.ts";
import { touch } from "../machine/snapshot.ts";
import { takeFault } from "./fault.ts";
import { bouncePage, USER_END, type AddressSpace } from "./space.ts";

const COPY_IN = Op.copyIn;
const COPY_OUT = Op.copyOut;

/** What a system call reads from or writes to. */
export interface UserBuffer {
  readonly bytes: Uint8Array | undefined;
  /** Where `address` is, when there are no bytes. */
  readonly space: AddressSpace | undefined;
  readonly address: number;
  readonly length: number;
}

/** A buffer of plain bytes. */
export function userBytes(bytes: Uint8Array): UserBuffer {
  return { bytes, space: undefined, address: 0, length: bytes.length };
}

/** A buffer in an address space. */
export function userAddress(space: AddressSpace, address: number, length: number): UserBuffer {
  return { bytes: undefined, space, address, length };
}

/** Up to this many bytes are moved one by one: making a view of a part of the memory costs more. */
const FEW = 64;

/** How many of `length` bytes lie in the piece of their start. */
function pieceAt(piece: number, at: number, length: number): number {
  return Math.min(length, piece - (at % piece));
}

function part(bytes: Uint8Array, offset: number, length: number): Uint8Array {
  return length === bytes.length ? bytes : bytes.subarray(offset, offset + length);
}

function readBytes(mem: Memory, from: number, to: Uint8Array, offset: number, length: number): void {
  const { u8 } = mem;
  if (length > FEW) to.set(u8.subarray(from, from + length), offset);
  else for (let i = 0; i < length; i++) to[offset + i] = u8[from + i] as number;
}

/**
 * Makes an address accessible, announces the access and begins it: the physical address, or a negative
 * error number.  The caller calls endAccess; until then it may not throw, sleep or step.
 */
function begin(
  space: AddressSpace,
  address: number,
  write: boolean,
  mayFault: boolean,
  op: Op = write ? Op.copyIn : Op.copyOut,
): number {
  const { mem, tables } = space;
  if (address >= USER_END) return -Errno.SIGSEGV;
  for (;;) {
    const physical = translate(tables, address, write);
    if (physical === 0) {
      const result = mayFault ? takeFault(space, address, write) : -Errno.EFAULT;
      if (result < 0) return result;
      continue;
    }
    step(op, physical);
    if (write) touch(mem, physical, 1); // here, because it may throw
    if (beginAccess(tables, address, write, physical)) return physical;
  }
}

/**
 * What a program loads from `length` bytes at an address.  Where a later byte cannot be read, the bytes
 * before it; where the first cannot, the error: -SIGSEGV, or what the fault gave (-SIGBUS, -ENOMEM).
 */
export function loadUser(
  mem: Memory,
  space: AddressSpace,
  address: number,
  length: number,
): Uint8Array | number {
  const bytes = new Uint8Array(length);
  const piece = pieceOf(mem);
  for (let done = 0; done < length;) {
    const count = pieceAt(piece, address + done, length - done);
    const physical = begin(space, address + done, false, true);
    if (physical < 0) return done === 0 ? physical : bytes.subarray(0, done);
    readBytes(mem, physical, bytes, done, count);
    endAccess(mem);
    done += count;
  }
  return bytes;
}

/**
 * What a program stores: how many bytes, fewer where a later one could not be stored; where the first could
 * not, the error as for loadUser.
 */
export function storeUser(mem: Memory, space: AddressSpace, address: number, bytes: Uint8Array): number {
  const piece = pieceOf(mem);
  const { length } = bytes;
  for (let done = 0; done < length;) {
    const count = pieceAt(piece, address + done, length - done);
    const from = part(bytes, done, count);
    const physical = begin(space, address + done, true, true);
    if (physical < 0) return done === 0 ? physical : done;
    storeBytes(mem, physical, from);
    endAccess(mem);
    done += count;
  }
  return length;
}

/**
 * Writes back the cache lines of `length` bytes at an address, as a program's CLWB does, which faults where a load would.
 * Returns as storeUser does.
 */
export function flushUser(mem: Memory, space: AddressSpace, address: number, length: number): number {
  for (let done = 0; done < length;) {
    const count = pieceAt(PAGE_SIZE, address + done, length - done);
    const physical = begin(space, address + done, false, true, Op.flush);
    if (physical < 0) return done === 0 ? physical : done;
    flushLines(mem, physical, count);
    endAccess(mem);
    done += count;
  }
  return length;
}

/**
 * Copies `length` bytes from `offset` in a buffer to an address of the memory, as one piece: they lie within
 * one page there.  Reading a mapped buffer may fault, and sleep.  What is copied to media goes past the caches: the
 * next fence makes it durable.  Returns 0, or -EFAULT with nothing copied.  kernel: copy_from_iter_flushcache
 */
export function copyFromUser(
  mem: Memory,
  to: number,
  from: UserBuffer,
  offset: number,
  length: number,
): number {
  return copyFrom(mem, to, from, offset, length, true);
}

/** The same, but -EFAULT where it would have to fault.  kernel: copy_from_user_nofault */
export function copyFromUserNoFault(
  mem: Memory,
  to: number,
  from: UserBuffer,
  offset: number,
  length: number,
): number {
  return copyFrom(mem, to, from, offset, length, false);
}

function copyFrom(
  mem: Memory,
  to: number,
  from: UserBuffer,
  offset: number,
  length: number,
  mayFault: boolean,
): number {
  const { bytes, space } = from;
  if (bytes !== undefined) {
    step(COPY_IN, to);
    streamBytes(mem, to, part(bytes, offset, length), Writer.copy);
    return 0;
  }
  if (space === undefined) return -Errno.EFAULT;
  const bounce = bouncePage(mem, currentTask());
  const piece = pieceOf(mem);
  for (let done = 0; done < length;) {
    const address = from.address + offset + done;
    const count = pieceAt(piece, address, length - done);
    const physical = begin(space, address, false, mayFault);
    if (physical < 0) return -Errno.EFAULT;
    mem.copy(bounce + done, physical, count);
    endAccess(mem);
    done += count;
  }
  step(COPY_IN, to);
  streamCopy(mem, to, bounce, length, Writer.copy);
  return 0;
}

/**
 * Copies `length` bytes from an address of the memory, within one page, to `offset` in a buffer; from
 * address 0, any number of zeros.  Writing a mapped buffer may fault, and sleep.  Returns 0, or -EFAULT
 * with some of the bytes copied.
 */
export function copyToUser(
  mem: Memory,
  to: UserBuffer,
  offset: number,
  from: number,
  length: number,
): number {
  return copyTo(mem, to, offset, from, length, true);
}

/** The same, but -EFAULT where it would have to fault.  kernel: copy_to_user_nofault */
export function copyToUserNoFault(
  mem: Memory,
  to: UserBuffer,
  offset: number,
  from: number,
  length: number,
): number {
  return copyTo(mem, to, offset, from, length, false);
}

function copyTo(
  mem: Memory,
  to: UserBuffer,
  offset: number,
  from: number,
  length: number,
  mayFault: boolean,
): number {
  const { bytes, space } = to;
  if (bytes !== undefined) {
    if (from === 0) {
      bytes.fill(0, offset, offset + length);
      return 0;
    }
    step(COPY_OUT, from);
    readBytes(mem, from, bytes, offset, length);
    return 0;
  }
  if (space === undefined) return -Errno.EFAULT;
  const bounce = bouncePage(mem, currentTask());
  if (from !== 0) {
    step(COPY_OUT, from);
    mem.copy(bounce, from, length);
  }
  const piece = pieceOf(mem);
  for (let done = 0; done < length;) {
    const address = to.address + offset + done;
    const count = pieceAt(piece, address, length - done);
    const physical = begin(space, address, true, mayFault);
    if (physical < 0) return -Errno.EFAULT;
    if (from === 0) storeFill(mem, physical, 0, count);
    else storeCopy(mem, physical, bounce + done, count);
    endAccess(mem);
    done += count;
  }
  return 0;
}

/**
 * Brings the pages of a part of a buffer in, to read or to write them: 0 or -EFAULT.  They may be gone
 * again at once: for a copy that may not fault, to be tried again after it did.
 * kernel: fault_in_readable, fault_in_writeable
 */
export function faultIn(buffer: UserBuffer, offset: number, length: number, write: boolean): number {
  const { space } = buffer;
  if (space === undefined) return 0;
  const end = buffer.address + offset + length;
  for (let at = buffer.address + offset; at < end; at += PAGE_SIZE - (at % PAGE_SIZE)) {
    if (at >= USER_END) return -Errno.EFAULT;
    while (translate(space.tables, at, write) === 0) {
      if (takeFault(space, at, write) < 0) return -Errno.EFAULT;
    }
  }
  return 0;
}
