// Data in pieces.  A copy is not atomic: between two pieces (header.piece bytes, a block unless the
// machine says otherwise) there is a step, and another task may look.  No function here takes a lock or
// asks what state a block is in: that is what designs are about.

import { PAGE_SIZE, type Memory } from "../machine/memory.ts";
import { isTracing, mediaStart, pieceOf } from "../machine/layout.ts";
import { Op, step } from "../machine/cpu.ts";
import { storeFill, streamFill } from "../machine/pmem.ts";
import { Writer } from "../machine/pmem/log.ts";
import { note, Note } from "../machine/trace.ts";
import { readSize, type Inode } from "../ext4/inode.ts";
import type { Extent } from "../ext4/extents/extent.ts";
import { copyFromUser, copyToUser, type UserBuffer } from "../mm/user.ts";
import type { WritePlace } from "./design.ts";

// A constant of this module is one for the compiler, too, and then its division is a shift; an imported one is not.
const PAGE = PAGE_SIZE;

/** How much of `length` bytes at an address lie in its piece. */
function pieceAt(mem: Memory, at: number, length: number): number {
  const piece = pieceOf(mem);
  return Math.min(length, piece - (at & (piece - 1)));
}

/** The number of a media address for notes: block and offset in it. */
function noteData(mem: Memory, what: Note, at: number, length: number): void {
  if (isTracing(mem)) tellData(mem, what, at, length);
}

function tellData(mem: Memory, what: Note, at: number, length: number): void {
  const offset = at - mediaStart(mem);
  note(mem, what, Math.floor(offset / PAGE_SIZE), offset % PAGE_SIZE, length);
}

/** Sets media bytes to zero, in the cache: without a flush nothing says when they are durable.  kernel: clear_page */
export function zeroBytes(mem: Memory, at: number, length: number): void {
  zeroPieces(mem, at, length, false);
}

/**
 * Sets media bytes to zero, past the caches: they are durable with the next fence, so, before a handle is
 * stopped, ahead of its transaction.  kernel: blkdev_issue_zeroout, dax_zero_page_range
 */
export function streamZeros(mem: Memory, at: number, length: number): void {
  zeroPieces(mem, at, length, true);
}

function zeroPieces(mem: Memory, at: number, length: number, pastCaches: boolean): void {
  for (let done = 0; done < length;) {
    const count = pieceAt(mem, at + done, length - done);
    step(Op.zero, at + done);
    noteData(mem, Note.zero, at + done, count);
    if (pastCaches) streamFill(mem, at + done, 0, count, Writer.zero);
    else storeFill(mem, at + done, 0, count, Writer.zero);
    done += count;
  }
}

/**
 * Copies the user's bytes from `offset` in the buffer to media.  Reading them may fault, and sleep.
 * Returns how many were copied: fewer than `length` where the user's memory could not be read.
 */
export function copyIn(mem: Memory, at: number, from: UserBuffer, offset: number, length: number): number {
  for (let done = 0; done < length;) {
    const count = pieceAt(mem, at + done, length - done);
    const error = copyFromUser(mem, at + done, from, offset + done, count);
    if (error < 0) return done;
    noteData(mem, Note.copyIn, at + done, count);
    done += count;
  }
  return length;
}

/** Copies media bytes to `offset` in the user's buffer.  Returns how many, as copyIn does. */
export function copyOut(mem: Memory, to: UserBuffer, offset: number, at: number, length: number): number {
  for (let done = 0; done < length;) {
    const count = pieceAt(mem, at + done, length - done);
    const error = copyToUser(mem, to, offset + done, at + done, count);
    if (error < 0) return done;
    noteData(mem, Note.copyOut, at + done, count);
    done += count;
  }
  return length;
}

/** Gives the user zeros that are on no media: what a hole reads as. */
export function clearUser(mem: Memory, to: UserBuffer, offset: number, length: number): number {
  const error = copyToUser(mem, to, offset, 0, length);
  return error < 0 ? 0 : length;
}

/** The media block of one of an extent's blocks. */
export function mediaBlock(extent: Extent, block: number): number {
  return extent.media + block - extent.start;
}

/** The part of a range of bytes that lies in the block of its start: where in the block, how many bytes. */
export function inBlock(position: number, length: number): { block: number; from: number; count: number } {
  const from = position % PAGE;
  return { block: (position - from) / PAGE, from, count: Math.min(length, PAGE - from) };
}

/**
 * Where a write starts.  To be asked under the lock that keeps others from growing the file.
 * kernel: generic_write_checks
 */
export function startOf(inode: Inode, place: WritePlace): number {
  if (place.append) place.position = readSize(inode);
  return place.position;
}

/** How many pages a file of `size` bytes has, the last one perhaps in part. */
export function pagesIn(size: number): number {
  return Math.ceil(size / PAGE_SIZE);
}
