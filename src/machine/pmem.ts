// Persistent memory: the only way in which media changes.
//
// Stores reach the media at once here (as with a platform whose caches are inside the power-fail domain);
// flush and fence are announced so that designs issue them where the kernel did, and so that a
// model of volatile caches fits behind these functions.  Free space starts as STALE bytes: what a disk
// held before the file system was made.  Nothing in here announces a copy: the caller knows its pieces.

import { assert } from "./errors.ts";
import { Op, step } from "./cpu.ts";
import { header } from "./layout.ts";
import { PAGE_SIZE, type Memory } from "./memory.ts";
import { touch } from "./snapshot.ts";

/** The byte that fills media which nobody has written yet. */
export const STALE = 0xdb;

/** The address of a media offset. */
export function mediaAt(mem: Memory, offset: number): number {
  return header(mem).media.start + offset;
}

/** Whether an address lies on the media. */
function onMedia(mem: Memory, at: number): boolean {
  const { start, length } = header(mem).media;
  return at >= start && at < start + length;
}

/** Bytes from outside the machine into memory that a snapshot tracks: media, buffers, pages. */
export function storeBytes(mem: Memory, at: number, bytes: Uint8Array): void {
  touch(mem, at, bytes.length);
  mem.u8.set(bytes, at);
}

/** The same with bytes that are in the machine already; the ranges may overlap. */
export function storeCopy(mem: Memory, to: number, from: number, length: number): void {
  touch(mem, to, length);
  mem.copy(to, from, length);
}

export function storeFill(mem: Memory, at: number, value: number, length: number): void {
  touch(mem, at, length);
  mem.fill(at, value, length);
}

/** Writes back the cache lines of a range.  kernel: arch_wb_cache_pmem */
export function flush(mem: Memory, at: number, length: number): void {
  assert(onMedia(mem, at), "only media is flushed");
  for (let page = at; page < at + length; page += PAGE_SIZE) step(Op.flush, page);
}

/** Waits until all flushed lines are durable. */
export function fence(mem: Memory): void {
  step(Op.fence, header(mem).media.start);
}
