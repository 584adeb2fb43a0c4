// The buffer cache: copies of metadata blocks in DRAM.  Media changes only when commit writes them back.
//
//   getBuffer(sb, block)      the block's buffer, read from media if it is not in memory; counts a reference
//   releaseBuffer(buffer)     gives the reference back; the buffer stays until its place is needed
//   bufferData(buffer)        the address of its bytes
//   setKind(buffer, …)        says what the block holds, so that commit knows its checksum
//
// A buffer's bytes are changed between getWriteAccess and journalStop only (journal/handle.ts), under the
// lock of what they describe: dataSem for extent nodes, allocMutex for bitmaps, and so on.
//
// In the `buffers` area lie, one after another: hash heads, buffer heads, a bit for each dirty buffer and a
// bit for each word of those, data.  Heads are no slab structs: there are 32 thousand of them in a large machine, and
// a snapshot would copy them all.  A set of dirty bits, rather than a list, makes equal states equal
// bytes, whichever block was changed first.
//
// The leaf lock of `BufferCache` protects heads, chains and bits; it nests inside everything.

import { assert, bug, Errno } from "../machine/errors.ts";
import { allocate, header, Root, rootView, setRoot, viewAt } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { touch } from "../machine/snapshot.ts";
import { embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { LeafLock, leafLock, leafUnlock } from "../locks/leaf.ts";
import { damaged } from "./damage.ts";
import { BLOCK_SIZE, mediaAddress, type SuperBlock } from "./super.ts";

const BufferFlag = {
  inUse: 1, // holds `block`, and is found by it
  dirty: 2, // differs from media
  visited: 4, // used since the clock's hand came by
  verified: 8, // its checksum was right when it was read, or the bytes are ours
  logged: 16, // committed to the journal, not yet at its place on the media: it stays in memory
} as const;

/** Flags of a buffer whose bytes are not at their place on the media. */
const UNWRITTEN = BufferFlag.dirty | BufferFlag.logged;

/** What a block holds. */
export const Kind = {
  plain: 0, // nothing that carries a checksum
  superblock: 1,
  groupDescriptors: 2,
  blockBitmap: 3, // owner: the group
  inodeBitmap: 4, // owner: the group
  inodeTable: 5, // owner: the number of its first inode
  extentNode: 6, // owner: the inode, with its generation
  directory: 7, // owner: the inode, with its generation
  hashNode: 8, // of a directory's index; owner: the inode, with its generation
  attributes: 9, // extended attributes, of one inode or of several
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export const Buffer = struct("buffer", {
  block: u32,
  flags: u32,
  references: u32,
  next: u32, // the next of its hash chain, by address
  kind: u32,
  owner: u32,
  generation: u32,
  data: u32, // the address of its bytes: the same for the machine's life
});
export type Buffer = ViewOf<typeof Buffer>;

export const BufferCache = struct("buffer_cache", {
  lock: embed(LeafLock),
  capacity: u32,
  hashAt: u32,
  hashMask: u32,
  headsAt: u32,
  dirtyAt: u32, // a bit a buffer
  dirtyWordsAt: u32, // a bit for each word of those that is not 0
  dataAt: u32,
  hand: u32, // of the clock
  dirtyCount: u32,
  loggedCount: u32,
  promised: u32, // credits of running handles
});
export type BufferCache = ViewOf<typeof BufferCache>;

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));
const align = (at: number, to: number): number => Math.ceil(at / to) * to;

/** Lays the cache out, empty.  At boot. */
export function initBuffers(mem: Memory): void {
  const area = header(mem).buffers;
  setRoot(mem, Root.buffers, allocate(mem, BufferCache));
  const cache = bufferCache(mem);
  const buckets = powerOfTwo(area.length / BLOCK_SIZE);
  const fixed = buckets * 4 + 4 * BLOCK_SIZE;
  cache.capacity = Math.floor((area.length - fixed) / (BLOCK_SIZE + Buffer.size + 1));
  cache.hashAt = area.start;
  cache.hashMask = buckets - 1;
  cache.headsAt = align(cache.hashAt + buckets * 4, BLOCK_SIZE);
  cache.dirtyAt = align(cache.headsAt + cache.capacity * Buffer.size, BLOCK_SIZE);
  cache.dirtyWordsAt = align(cache.dirtyAt + Math.ceil(cache.capacity / 8), 4);
  cache.dataAt = align(cache.dirtyWordsAt + Math.ceil(cache.capacity / 256) + 4, BLOCK_SIZE);
  assert(
    cache.dataAt + cache.capacity * BLOCK_SIZE <= area.start + area.length,
    "the buffers fit their area",
  );
  for (let index = 0; index < cache.capacity; index++) {
    mem.u32[(cache.headsAt + index * Buffer.size + Buffer.offset("data")) >>> 2] =
      cache.dataAt + index * BLOCK_SIZE;
  }
}

export function bufferCache(mem: Memory): BufferCache {
  return rootView(mem, Root.buffers, BufferCache);
}

const NEXT = Buffer.offset("next");
const FLAGS = Buffer.offset("flags");

/** The buffer whose head lies at an address. */
export function bufferAt(mem: Memory, at: number): Buffer {
  return viewAt(mem, Buffer, at);
}

const headOf = (cache: BufferCache, index: number): Buffer =>
  viewAt(cache.mem, Buffer, cache.headsAt + index * Buffer.size);

const touchHead = (buffer: Buffer): void => touch(buffer.mem, buffer.at, Buffer.size);

const bucketOf = (cache: BufferCache, block: number): number =>
  cache.hashAt + ((Math.imul(block, 0x9e3779b1) >>> 7) & cache.hashMask) * 4;

function find(cache: BufferCache, block: number): Buffer | undefined {
  const { mem } = cache;
  for (let at = mem.u32[bucketOf(cache, block) >>> 2] as number; at !== 0;) {
    if (mem.u32[at >>> 2] === block) return viewAt(mem, Buffer, at);
    at = mem.u32[(at + NEXT) >>> 2] as number;
  }
  return undefined;
}

function unlink(cache: BufferCache, buffer: Buffer): void {
  const { mem } = cache;
  let link = bucketOf(cache, buffer.block);
  while (mem.u32[link >>> 2] !== buffer.at) {
    const at = mem.u32[link >>> 2] as number;
    if (at === 0) bug(`the buffer of block ${buffer.block} is not in its hash chain`);
    link = at + NEXT;
  }
  touch(mem, link, 4);
  mem.u32[link >>> 2] = buffer.next;
  touchHead(buffer);
  buffer.next = 0;
  buffer.flags = 0;
}

/** A buffer that nobody uses, out of its old chain.  The clock's hand passes twice: once to clear `visited`. */
function evict(cache: BufferCache): Buffer | undefined {
  for (let turns = 2 * cache.capacity; turns > 0; turns--) {
    const buffer = headOf(cache, cache.hand);
    cache.hand = cache.hand + 1 === cache.capacity ? 0 : cache.hand + 1;
    if (buffer.references !== 0 || (buffer.flags & UNWRITTEN) !== 0) continue;
    if ((buffer.flags & BufferFlag.visited) !== 0) {
      touchHead(buffer);
      buffer.flags &= ~BufferFlag.visited;
      continue;
    }
    if ((buffer.flags & BufferFlag.inUse) !== 0) unlink(cache, buffer);
    return buffer;
  }
  return undefined;
}

function chain(cache: BufferCache, buffer: Buffer, block: number): void {
  const { mem } = cache;
  const bucket = bucketOf(cache, block);
  touchHead(buffer);
  buffer.block = block;
  buffer.flags = BufferFlag.inUse;
  buffer.kind = Kind.plain;
  buffer.owner = 0;
  buffer.generation = 0;
  buffer.next = mem.u32[bucket >>> 2] as number;
  touch(mem, bucket, 4);
  mem.u32[bucket >>> 2] = buffer.at;
}

/**
 * The buffer of a block, with a reference that `releaseBuffer` gives back.  Nothing is verified but the
 * number: -EUCLEAN when the file system has no such block, -ENOMEM when every buffer is in use.
 *
 * kernel: sb_bread
 */
export function getBuffer(sb: SuperBlock, block: number): Buffer | number {
  return get(sb, block, true);
}

/** The same for a block that is about to be made new: its bytes become zeros, media is not read. */
export function getNewBuffer(sb: SuperBlock, block: number): Buffer | number {
  return get(sb, block, false);
}

function get(sb: SuperBlock, block: number, read: boolean): Buffer | number {
  if (!(block < sb.blockCount)) return damaged(sb.mem, "block", block);
  const cache = bufferCache(sb.mem);
  leafLock(cache.lock);
  let buffer = find(cache, block);
  const missed = buffer === undefined;
  if (buffer === undefined) {
    buffer = evict(cache);
    if (buffer === undefined) {
      leafUnlock(cache.lock);
      return -Errno.ENOMEM;
    }
    chain(cache, buffer, block);
  }
  if (missed || !read) fill(sb, buffer, read);
  touchHead(buffer);
  buffer.references += 1;
  buffer.flags |= BufferFlag.visited;
  leafUnlock(cache.lock);
  return buffer;
}

function fill(sb: SuperBlock, buffer: Buffer, read: boolean): void {
  touch(sb.mem, buffer.data, BLOCK_SIZE);
  if (read) sb.mem.copy(buffer.data, mediaAddress(sb, buffer.block), BLOCK_SIZE);
  else sb.mem.fill(buffer.data, 0, BLOCK_SIZE);
}

/** Gives a reference back.  kernel: brelse */
export function releaseBuffer(buffer: Buffer): void {
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  assert(buffer.references > 0, "a buffer is released as often as it was taken");
  touchHead(buffer);
  buffer.references -= 1;
  leafUnlock(cache.lock);
}

/** The address of the buffer's bytes. */
export function bufferData(buffer: Buffer): number {
  return buffer.data;
}

/** Says what the block holds and whose it is; a directory or extent node names its inode and generation. */
export function setKind(buffer: Buffer, kind: Kind, owner = 0, generation = 0): void {
  if (buffer.kind === kind && buffer.owner === owner && buffer.generation === generation) return;
  touchHead(buffer);
  buffer.kind = kind;
  buffer.owner = owner;
  buffer.generation = generation;
}

/** Whether somebody has said `setVerified` since the block was read. */
export function isVerified(buffer: Buffer): boolean {
  return (buffer.flags & BufferFlag.verified) !== 0;
}

/** Remembers that the bytes were found good, so that nobody computes their checksum again. */
export function setVerified(buffer: Buffer): void {
  setFlag(buffer, BufferFlag.verified);
}

function setFlag(buffer: Buffer, flag: number): void {
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  touchHead(buffer);
  buffer.flags |= flag;
  leafUnlock(cache.lock);
}

/** Adds the buffer to those that commit writes: whether it was not one of them already. */
export function setDirty(buffer: Buffer): boolean {
  // No lock for what is so already: only commit clears the flag, and it waits for the caller's handle.
  if ((buffer.flags & BufferFlag.dirty) !== 0) return false;
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  const clean = (buffer.flags & BufferFlag.dirty) === 0;
  if (clean) {
    touchHead(buffer);
    buffer.flags |= BufferFlag.dirty | BufferFlag.verified;
    cache.dirtyCount += 1;
    markBit(cache, (buffer.at - cache.headsAt) / Buffer.size, true);
  }
  leafUnlock(cache.lock);
  return clean;
}

/** The caller has the leaf lock. */
function clearDirty(cache: BufferCache, buffer: Buffer): void {
  if ((buffer.flags & BufferFlag.dirty) === 0) return;
  touchHead(buffer);
  buffer.flags &= ~BufferFlag.dirty;
  cache.dirtyCount -= 1;
  markBit(cache, (buffer.at - cache.headsAt) / Buffer.size, false);
}

function markBit(cache: BufferCache, index: number, dirty: boolean): void {
  const { mem } = cache;
  const word = (cache.dirtyAt >>> 2) + (index >>> 5);
  const above = (cache.dirtyWordsAt >>> 2) + (index >>> 10);
  const aboveBit = 1 << ((index >>> 5) & 31);
  touch(mem, word * 4, 4);
  touch(mem, above * 4, 4);
  if (dirty) {
    mem.i32[word] = (mem.i32[word] as number) | (1 << (index & 31));
    mem.i32[above] = (mem.i32[above] as number) | aboveBit;
  } else {
    mem.i32[word] = (mem.i32[word] as number) & ~(1 << (index & 31));
    if (mem.i32[word] === 0) mem.i32[above] = (mem.i32[above] as number) & ~aboveBit;
  }
}

/** All dirty buffers, in the order of their places.  The journal is locked: nobody adds one. */
export function dirtyBuffers(mem: Memory): Buffer[] {
  const cache = bufferCache(mem);
  const found: Buffer[] = [];
  const words = Math.ceil(cache.capacity / 32);
  for (let above = 0; above * 32 < words; above++) {
    let wordBits = mem.u32[(cache.dirtyWordsAt >>> 2) + above] as number;
    for (; wordBits !== 0; wordBits &= wordBits - 1) {
      const word = above * 32 + lowestBit(wordBits);
      let bits = mem.u32[(cache.dirtyAt >>> 2) + word] as number;
      for (; bits !== 0; bits &= bits - 1) found.push(headOf(cache, word * 32 + lowestBit(bits)));
    }
  }
  return found;
}

const lowestBit = (bits: number): number => 31 - Math.clz32(bits & -bits);

/** The buffer's bytes are at their place on the media now. */
export function setClean(buffer: Buffer): void {
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  clearDirty(cache, buffer);
  clearLogged(cache, buffer);
  leafUnlock(cache.lock);
}

/** The buffer's bytes are in the journal now. */
export function setLogged(buffer: Buffer): void {
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  clearDirty(cache, buffer);
  if ((buffer.flags & BufferFlag.logged) === 0) {
    touchHead(buffer);
    buffer.flags |= BufferFlag.logged;
    cache.loggedCount += 1;
  }
  leafUnlock(cache.lock);
}

/** The caller has the leaf lock. */
function clearLogged(cache: BufferCache, buffer: Buffer): void {
  if ((buffer.flags & BufferFlag.logged) === 0) return;
  touchHead(buffer);
  buffer.flags &= ~BufferFlag.logged;
  cache.loggedCount -= 1;
}

/** All buffers whose bytes are in the journal only, in the order of their places.  The journal is locked. */
export function loggedBuffers(mem: Memory): Buffer[] {
  const cache = bufferCache(mem);
  const found: Buffer[] = [];
  for (let index = 0; index < cache.capacity && found.length < cache.loggedCount; index++) {
    const flags = mem.u32[(cache.headsAt + index * Buffer.size + FLAGS) >>> 2] as number;
    if ((flags & BufferFlag.logged) !== 0) found.push(headOf(cache, index));
  }
  return found;
}

/** Drops the buffer of a freed block: its bytes must not be written any more, whoever still holds it. */
export function dropBuffer(sb: SuperBlock, block: number): void {
  const cache = bufferCache(sb.mem);
  leafLock(cache.lock);
  const buffer = find(cache, block);
  if (buffer !== undefined) {
    clearDirty(cache, buffer);
    clearLogged(cache, buffer);
    unlink(cache, buffer);
  }
  leafUnlock(cache.lock);
}

/** Empties the cache.  -EBUSY when a buffer is held or dirty: then nothing is dropped. */
export function dropAllBuffers(mem: Memory): number {
  const cache = bufferCache(mem);
  for (let index = 0; index < cache.capacity; index++) {
    const buffer = headOf(cache, index);
    if (buffer.references !== 0 || (buffer.flags & UNWRITTEN) !== 0) return -Errno.EBUSY;
  }
  for (let index = 0; index < cache.capacity; index++) {
    const buffer = headOf(cache, index);
    if ((buffer.flags & BufferFlag.inUse) !== 0) unlink(cache, buffer);
  }
  return 0;
}
