// The buffer cache: copies of metadata blocks in DRAM.  Media changes only when commit writes them back.
//
//   getBuffer(sb, block)      the block's buffer, read from media if it is not in memory; counts a reference
//   releaseBuffer(buffer)     gives the reference back; the buffer stays until its place is needed
//   bufferData(buffer)        the address of its bytes
//   setKind(buffer, …)        says what the block holds, so that commit knows its checksum
//
// A buffer's bytes are changed between getWriteAccess and journalStop only (journal/handle.ts), under the
// lock of what they describe: dataSem for extent nodes, a group's lock for its bitmaps, and so on.
//
// The leaf lock of `BufferCache` protects heads, chains and bits; it nests inside everything.  Who finds a buffer that is
// in memory goes without it: through the chain, then a reference, and then it looks whether the buffer is still the
// block's.  A chain that changes under a finder leads it astray at worst, and then it asks again under the lock.  Who
// gives a buffer to another block closes its references first, and opens them when the bytes are there.

import { bug, Errno } from "../machine/errors.ts";
import { Root, rootView, viewAt } from "../machine/layout.ts";
import type { Memory } from "../machine/memory.ts";
import { touch } from "../machine/snapshot.ts";
import { cacheLine, embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { LeafLock, leafLock, leafUnlock } from "../locks/owner.ts";
import {
  closeReferences,
  giveReference,
  openReferences,
  References,
  referencesTo,
  takeReference,
} from "../locks/references.ts";
import { damaged } from "./damage.ts";
import { markedIndexes, markIndex } from "./dirty-set.ts";
import { BLOCK_SIZE, mediaAddress, type SuperBlock } from "./super.ts";

const BufferFlag = {
  inUse: 1, // holds `block`, and is found by it
  dirty: 2, // differs from media
  verified: 8, // its checksum was right when it was read, or the bytes are ours
  logged: 16, // committed to the journal, not yet at its place on the media: it stays in memory
} as const;

/** The place of a buffer that has none. */
const NO_PLACE = 0xffff_ffff;

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
  references: embed(References),
  next: u32, // the next of its hash chain, by address
  kind: u32,
  owner: u32,
  generation: u32,
  place: u32, // which of its owner's blocks it is, where the owner says so (directory/hint.ts)
  data: u32, // the address of its bytes: the same for the machine's life
  visited: u32, // 1: used since the clock's hand came by; no lock: a hint
  line: cacheLine, // heads are held and given up all the time, neighbours by different tasks
});
export type Buffer = ViewOf<typeof Buffer>;

export const BufferCache = struct("buffer_cache", {
  capacity: u32,
  hashAt: u32,
  hashMask: u32,
  headsAt: u32,
  dirtyAt: u32, // the set of dirty buffers, by their index
  dirtyWordsAt: u32,
  dataAt: u32,
  lockLine: cacheLine, // what stands above is only read
  lock: embed(LeafLock),
  hand: u32, // of the clock
  dirtyCount: u32,
  loggedCount: u32,
});
export type BufferCache = ViewOf<typeof BufferCache>;

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

/** So many buffers of a chain are looked at: more is a chain that changes under a finder without the lock. */
const LONGEST_CHAIN = 64;

function find(cache: BufferCache, block: number, most = Infinity): Buffer | undefined {
  const { mem } = cache;
  let left = most;
  for (let at = mem.u32[bucketOf(cache, block) >>> 2] as number; at !== 0 && left > 0; left--) {
    if (mem.u32[at >>> 2] === block) return viewAt(mem, Buffer, at);
    at = mem.u32[(at + NEXT) >>> 2] as number;
  }
  return undefined;
}

/** The buffer of a block with a reference, if it is in memory and nobody is changing that.  Without the lock. */
function findHeld(cache: BufferCache, block: number): Buffer | undefined {
  const buffer = find(cache, block, LONGEST_CHAIN);
  if (buffer === undefined || !holdBuffer(buffer)) return undefined;
  if (buffer.block === block && (buffer.flags & BufferFlag.inUse) !== 0) return buffer;
  giveReference(buffer.references);
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
  buffer.visited = 0;
}

/** Takes a reference to a buffer, unless it is being given to another block: whose it is the caller asks afterwards. */
export function holdBuffer(buffer: Buffer): boolean {
  touchHead(buffer);
  return takeReference(buffer.references);
}

/** A buffer that nobody uses, closed, out of its old chain.  The clock's hand passes twice: once to clear `visited`. */
function evict(cache: BufferCache): Buffer | undefined {
  for (let turns = 2 * cache.capacity; turns > 0; turns--) {
    const buffer = headOf(cache, cache.hand);
    cache.hand = cache.hand + 1 === cache.capacity ? 0 : cache.hand + 1;
    if (referencesTo(buffer.references) !== 0 || (buffer.flags & UNWRITTEN) !== 0) continue;
    if (buffer.visited !== 0) {
      touchHead(buffer);
      buffer.visited = 0;
      continue;
    }
    touchHead(buffer);
    if (!closeReferences(buffer.references)) continue;
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
  buffer.place = NO_PLACE;
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
  const found = read ? findHeld(cache, block) : undefined;
  const buffer = found ?? getLocked(sb, cache, block, read);
  if (buffer === undefined) return -Errno.ENOMEM;
  if (buffer.visited === 0) {
    touchHead(buffer);
    buffer.visited = 1;
  }
  return buffer;
}

function getLocked(sb: SuperBlock, cache: BufferCache, block: number, read: boolean): Buffer | undefined {
  leafLock(cache.lock);
  let buffer = find(cache, block);
  if (buffer !== undefined) {
    touchHead(buffer);
    takeReference(buffer.references);
    if (!read) fill(sb, buffer, false);
  } else {
    buffer = evict(cache);
    if (buffer !== undefined) {
      chain(cache, buffer, block);
      fill(sb, buffer, read);
      openReferences(buffer.references);
    }
  }
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
  touchHead(buffer);
  giveReference(buffer.references);
}

/** How many references a buffer has. */
export function holdersOf(buffer: Buffer): number {
  return referencesTo(buffer.references);
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
  const cache = bufferCache(buffer.mem);
  leafLock(cache.lock);
  touchHead(buffer);
  buffer.flags |= BufferFlag.verified;
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
    markIndex(cache, (buffer.at - cache.headsAt) / Buffer.size, true);
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
  markIndex(cache, (buffer.at - cache.headsAt) / Buffer.size, false);
}

/** All dirty buffers, in the order of their places.  The journal is locked: nobody adds one. */
export function dirtyBuffers(mem: Memory): Buffer[] {
  const cache = bufferCache(mem);
  return markedIndexes(cache, cache.capacity).map((index) => headOf(cache, index));
}

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
    if (holdersOf(buffer) !== 0 || (buffer.flags & UNWRITTEN) !== 0) return -Errno.EBUSY;
  }
  for (let index = 0; index < cache.capacity; index++) {
    const buffer = headOf(cache, index);
    if ((buffer.flags & BufferFlag.inUse) !== 0) unlink(cache, buffer);
  }
  return 0;
}
