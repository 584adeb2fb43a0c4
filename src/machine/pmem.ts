// Persistent memory: the only way in which media changes.
//
//   store…    into the task's caches: durable when the line was flushed and a fence came after that
//   stream…   past the caches, as the kernel's memcpy_flushcache: durable when a fence came after it
//
// Everybody sees a store at once, for caches are coherent; what a power failure would leave of it follows from the
// log that is kept while a crash is explored (pmem/log.ts).  Free space starts as STALE bytes: what a disk held
// before the file system was made.  Nothing in here announces a copy: the caller knows its pieces.

import { assert } from "./errors.ts";
import { Op, step } from "./cpu.ts";
import { header, HEADER_AT, isLogging, mediaStart } from "./layout.ts";
import { PAGE_SIZE, type Memory } from "./memory.ts";
import { Event, logEvent, Writer } from "./pmem/log.ts";
import { touch } from "./snapshot.ts";

/** The byte that fills media which nobody has written yet. */
export const STALE = 0xdb;

/** The address of a media offset. */
export function mediaAt(mem: Memory, offset: number): number {
  return mediaStart(mem) + offset;
}

/** Whether an address lies on the media. */
function onMedia(mem: Memory, at: number): boolean {
  const { start, length } = header(mem).media;
  return at >= start && at < start + length;
}

/** Bytes from outside the machine into memory that a snapshot tracks: media, buffers, pages. */
export function storeBytes(mem: Memory, at: number, bytes: Uint8Array): void {
  touch(mem, at, bytes.length);
  mem.write(at, bytes);
  if (isLogging(mem)) logEvent(mem, Event.store, at, bytes.length, Writer.user);
}

/** The same with bytes that are in the machine already; the ranges may overlap. */
export function storeCopy(mem: Memory, to: number, from: number, length: number): void {
  touch(mem, to, length);
  mem.copy(to, from, length);
  if (isLogging(mem)) logEvent(mem, Event.store, to, length, Writer.user);
}

/** The same with one value for all bytes. */
export function storeFill(mem: Memory, at: number, value: number, length: number, writer?: Writer): void {
  touch(mem, at, length);
  mem.fill(at, value, length);
  if (isLogging(mem)) logEvent(mem, Event.store, at, length, writer ?? Writer.user);
}

/** Bytes from outside the machine, past the caches. */
export function streamBytes(mem: Memory, at: number, bytes: Uint8Array, writer: Writer): void {
  touch(mem, at, bytes.length);
  mem.write(at, bytes);
  if (isLogging(mem)) logEvent(mem, Event.stream, at, bytes.length, writer);
}

/** Bytes that are in the machine already, past the caches. */
export function streamCopy(mem: Memory, to: number, from: number, length: number, writer: Writer): void {
  touch(mem, to, length);
  mem.copy(to, from, length);
  if (isLogging(mem)) logEvent(mem, Event.stream, to, length, writer);
}

/**
 * The same, and all of it or nothing survives a power failure, as file systems take for granted of a device's
 * blocks.  A bare persistent memory does not give that: BTT does.  For superblocks, which nothing else protects.
 */
export function streamWhole(mem: Memory, to: number, from: number, length: number, writer: Writer): void {
  touch(mem, to, length);
  mem.copy(to, from, length);
  if (isLogging(mem)) logEvent(mem, Event.whole, to, length, writer);
}

/** One value for all bytes, past the caches. */
export function streamFill(mem: Memory, at: number, value: number, length: number, writer: Writer): void {
  touch(mem, at, length);
  mem.fill(at, value, length);
  if (isLogging(mem)) logEvent(mem, Event.stream, at, length, writer);
}

/** Writes back the cache lines of a range.  kernel: arch_wb_cache_pmem */
export function flush(mem: Memory, at: number, length: number): void {
  assert(onMedia(mem, at), "only media is flushed");
  for (let page = at; page < at + length; page += PAGE_SIZE) step(Op.flush, page);
  flushLines(mem, at, length);
}

/** The same for a caller who has announced it. */
export function flushLines(mem: Memory, at: number, length: number): void {
  if (isLogging(mem)) logEvent(mem, Event.flush, at, length, 0);
}

/** Waits until all flushed and streamed lines, of whichever task, are durable.  kernel: pmem_wmb */
export function fence(mem: Memory): void {
  step(Op.fence, HEADER_AT);
  if (isLogging(mem)) logEvent(mem, Event.fence, mediaStart(mem), 0, 0);
}
