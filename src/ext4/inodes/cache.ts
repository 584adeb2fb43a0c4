// Inodes in memory: found by number, made from the media, and given up.
//
//   iget     a reference to the inode of a number; reads it if nobody has it
//   ihold    one more
//   iput     gives one back; the last one of an inode without links truncates and frees it
//   takeNew  a place and a reference for an inode that was not there before (new.ts)
//
// The references of an inode are counted without a lock: who finds a live place takes one, and looks then whether the
// inode is still the one of that number.  The last one goes under the mutex, which closes the count.
//
// A place is free, live or dying.  A dying one is no longer found: its number may be given to a new inode, in
// another place, before the place is free.  The inode's number was read from a directory whose rwsem is still
// held when iget runs, so an inode with a name is never on its way out.
//
// A directory stays in memory when its users have gone, for every path through it asks for it again: the table
// has a reference of its own to the directories that were read last, a word for each remainder of their numbers.
// That is given back when another directory wants the word, when places run short, and, so that it is never
// the last one of an inode without links, when the directory loses its name (forgetDirectory).  In the kernel the
// dcache keeps them.
//
// Lock order: directory.rwsem, handle, inodeTable.mutex, buffers.  iput of the last reference starts a handle
// and takes dataSem: it is called with none of these held.

import { Op, step } from "../../machine/cpu.ts";
import { Errno } from "../../machine/errors.ts";
import { allocate, header, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import { MAX_INODES } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { bytes, cacheLine, embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { LockClass } from "../../locks/classes.ts";
import { initMutex, Mutex, mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import {
  closeReferences,
  giveAndClose,
  giveReference,
  giveUnlessLast,
  openReferences,
  referencesTo,
  takeReference,
} from "../../locks/references.ts";
import { initRwSem } from "../../locks/rwsem.ts";
import { initMapping } from "../../mm/mapping.ts";
import { freeInode } from "../alloc/inodes.ts";
import { nextBit, setBits } from "../alloc/bits.ts";
import { discardPreallocations } from "../alloc/preallocation.ts";
import { bufferAt, releaseBuffer, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { forgetExtent, initExtentStatus } from "../extent-status.ts";
import { checkRoot } from "../extents/check.ts";
import { creditsFor } from "../extents/credits.ts";
import {
  beginInodeChange,
  hasBlockMap,
  hasBlocks,
  Inode,
  isDirectory,
  markInodeDirty,
  rawInode,
} from "../inode.ts";
import { attributeBlockOf, attributeCredits, releaseAttributes } from "./attribute-block.ts";
import { getInodeBlock, inodeOffset, checkRawInode } from "./table.ts";
import { journalStart, journalStop } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { InodeFlag } from "../media/inode.ts";
import { removeOrphan } from "./orphan.ts";
import { superBlock, type SuperBlock } from "../super.ts";
import { truncateBlocks } from "../truncate.ts";

/** So many directories stay in memory that nobody uses: a power of two. */
const KEPT = 64;

const InodeTable = struct("inode_table", {
  mutex: embed(Mutex), // protects which places are in use, and for what: open and closed counts of references
  used: bytes(MAX_INODES / 8, 4), // a bit for each place that is not free, so that nobody asks all of them
  readLine: cacheLine, // what follows is mostly read
  inodesAt: u32,
  kept: bytes(4 * KEPT, 4), // the directories that the table itself has a reference to, by address
});
type InodeTable = ViewOf<typeof InodeTable>;

const State = { free: 0, live: 1, dying: 2 } as const;

/** Makes the places.  At boot. */
export function initInodes(mem: Memory): void {
  setRoot(mem, Root.inodes, allocate(mem, InodeTable));
  const table = tableOf(mem);
  initMutex(table.mutex, LockClass["inodeTable.mutex"]);
  table.inodesAt = allocate(mem, Inode, MAX_INODES);
}

function tableOf(mem: Memory): InodeTable {
  return rootView(mem, Root.inodes, InodeTable);
}

/** The inode at an address that somebody keeps. */
export function inodeAt(mem: Memory, at: number): Inode {
  return viewAt(mem, Inode, at);
}

/**
 * A reference to the next inode in memory, from `place` on, and in which place it was; undefined behind the last.  Who
 * comes or goes meanwhile may be met or not.  kernel: iterate over s_inodes
 */
export function igetNext(mem: Memory, place: number): { inode: Inode; place: number } | undefined {
  const table = tableOf(mem);
  let found: { inode: Inode; place: number } | undefined;
  mutexLock(table.mutex);
  for (let next = nextUsed(table, place); next < MAX_INODES && found === undefined;) {
    const inode = inodeAt(mem, table.inodesAt + next * STRIDE);
    if (inode.state === State.live) found = { inode, place: next };
    next = nextUsed(table, next + 1);
  }
  if (found !== undefined) takeReference(found.inode.references);
  mutexUnlock(table.mutex);
  return found;
}

/** The inodes that are in use, for oracles: nobody may be running. */
export function inodesInUse(mem: Memory): Inode[] {
  return places(mem).filter((inode) => {
    const own = mem.u32[keptWord(tableOf(mem), inode.number)] === inode.at ? 1 : 0;
    return inode.state === State.live && referencesTo(inode.references) > own;
  });
}

function places(mem: Memory): Inode[] {
  const { inodesAt } = tableOf(mem);
  return Array.from({ length: MAX_INODES }, (_, index) => inodeAt(mem, inodesAt + index * strideOf(Inode)));
}

const STATE = Inode.offset("state");
const NUMBER = Inode.offset("number");
const STRIDE = strideOf(Inode);

/** The word for a directory's number. */
const keptWord = (table: InodeTable, number: number): number => (table.kept >>> 2) + (number & (KEPT - 1));

/** Keeps a directory in memory, in the place of another one.  The table is locked, and the caller has a reference. */
function keepDirectory(table: InodeTable, inode: Inode): void {
  const word = keptWord(table, inode.number);
  dropKept(table, word);
  takeReference(inode.references);
  table.mem.u32[word] = inode.at;
}

/** Gives back the table's own reference to a directory.  The table is locked. */
function dropKept({ mem }: InodeTable, word: number): void {
  const at = mem.u32[word] as number;
  if (at === 0) return;
  mem.u32[word] = 0;
  const inode = inodeAt(mem, at);
  if (giveAndClose(inode.references)) giveUp(inode);
}

function dropAllKept(table: InodeTable): void {
  for (let word = keptWord(table, 0); word < keptWord(table, 0) + KEPT; word++) dropKept(table, word);
}

/** Keeps no directory any more that nobody uses.  At unmount. */
export function forgetDirectories(mem: Memory): void {
  const table = tableOf(mem);
  mutexLock(table.mutex);
  dropAllKept(table);
  mutexUnlock(table.mutex);
}

/** Keeps a directory no longer that has lost its name; the caller has a reference.  kernel: d_delete */
export function forgetDirectory(inode: Inode): void {
  const table = tableOf(inode.mem);
  const word = keptWord(table, inode.number);
  mutexLock(table.mutex);
  if (inode.mem.u32[word] === inode.at) dropKept(table, word);
  mutexUnlock(table.mutex);
}

/** The live inode of a number.  The table is locked, or what is found is asked again. */
function findLive(mem: Memory, number: number): Inode | undefined {
  const table = tableOf(mem);
  const kept = mem.u32[keptWord(table, number)] as number;
  if (kept !== 0 && mem.u32[(kept + NUMBER) >>> 2] === number) return inodeAt(mem, kept);
  for (let place = nextUsed(table, 0); place < MAX_INODES; place = nextUsed(table, place + 1)) {
    const at = table.inodesAt + place * STRIDE;
    if (mem.u32[(at + NUMBER) >>> 2] === number && mem.u32[(at + STATE) >>> 2] === State.live) {
      return inodeAt(mem, at);
    }
  }
  return undefined;
}

/** A free place; without one, that of a directory which nobody uses.  The table is locked. */
function findFree(mem: Memory): Inode | undefined {
  const table = tableOf(mem);
  const free = firstFree(table);
  if (free !== undefined) return free;
  dropAllKept(table);
  return firstFree(table);
}

function firstFree({ mem, inodesAt, used }: InodeTable): Inode | undefined {
  const place = nextBit(mem, used, 0, 0, MAX_INODES);
  return place === MAX_INODES ? undefined : inodeAt(mem, inodesAt + place * STRIDE);
}

/** The first place from `from` on that is not free, MAX_INODES without one. */
function nextUsed({ mem, used }: InodeTable, from: number): number {
  return nextBit(mem, used, 1, from, MAX_INODES);
}

/** Says whether a place is free.  The table is locked. */
function markPlace(inode: Inode, used: 0 | 1): void {
  const table = tableOf(inode.mem);
  const place = (inode.at - table.inodesAt) / STRIDE;
  setBits(inode.mem, table.used, used, place, place + 1);
}

/** Makes a place free.  The table is locked. */
function leave(inode: Inode): void {
  inode.state = State.free;
  markPlace(inode, 0);
}

/**
 * A reference to an inode, which `iput` gives back.  -EUCLEAN for a number or an inode that cannot be,
 * -EFSBADCRC, -EOPNOTSUPP for a way of mapping blocks that is not supported, -ENFILE when all places are taken.
 *
 * kernel: ext4_iget
 */
export function iget(sb: SuperBlock, number: number): Inode | number {
  return get(sb, number, false);
}

/** The same for an inode on the list of orphans, which may have no links.  kernel: ext4_orphan_get */
export function igetOrphan(sb: SuperBlock, number: number): Inode | number {
  return get(sb, number, true);
}

function get(sb: SuperBlock, number: number, orphan: boolean): Inode | number {
  const found = ilookup(sb.mem, number);
  if (found !== undefined) return found;
  const table = tableOf(sb.mem);
  mutexLock(table.mutex);
  const live = findLive(sb.mem, number);
  const inode = live ?? read(sb, number, orphan);
  if (live !== undefined) takeReference(live.references);
  else if (typeof inode !== "number") {
    openReferences(inode.references);
    if (isDirectory(inode) && !orphan) keepDirectory(table, inode);
  }
  mutexUnlock(table.mutex);
  return inode;
}

/** A reference to the inode of a number, if it is in memory and stays there.  Takes no lock.  kernel: ilookup */
export function ilookup(mem: Memory, number: number): Inode | undefined {
  const inode = findLive(mem, number);
  if (inode === undefined) return undefined;
  step(Op.update, inode.references.at);
  if (!takeReference(inode.references)) return undefined;
  if (inode.number === number && inode.state === State.live) return inode;
  giveReference(inode.references);
  return undefined;
}

function read(sb: SuperBlock, number: number, orphan: boolean): Inode | number {
  if (!(number >= 1 && number <= sb.inodeCount)) return damaged(sb.mem, "noInode", number);
  const inode = findFree(sb.mem);
  if (inode === undefined) return -Errno.ENFILE;
  const buffer = getInodeBlock(sb, number);
  if (typeof buffer === "number") return buffer;
  let result = checkRawInode(sb, number, buffer, orphan);
  if (result === 0) {
    take(inode, buffer, number);
    result = checkMapping(inode);
    if (result < 0) leave(inode);
  }
  if (result < 0) releaseBuffer(buffer);
  return result < 0 ? result : inode;
}

/** Fills a free place from a raw inode; its references stay closed. */
function take(inode: Inode, buffer: Buffer, number: number): void {
  markPlace(inode, 1);
  if (inode.dataSem.class === LockClass.none) initPlace(inode);
  inode.state = State.live;
  inode.number = number;
  inode.bufferAt = buffer.at;
  inode.rawAt = buffer.data + inodeOffset(superBlock(inode.mem), number);
  const raw = rawInode(inode);
  inode.generation = raw.i_generation;
  inode.mode = raw.i_mode;
  inode.flags = raw.i_flags;
  inode.size = raw.i_size_high * 2 ** 32 + raw.i_size_lo;
  inode.diskSize = inode.size;
  inode.rwsem.class = classOf(inode);
  forgetExtent(inode.status);
  inode.mapping.inodeNumber = number;
}

/** For the first use of a place.  From then on its locks are free, and its references closed, whenever it is. */
function initPlace(inode: Inode): void {
  closeReferences(inode.references);
  initRwSem(inode.rwsem, classOf(inode));
  initRwSem(inode.invalidateSem, LockClass["inode.invalidateSem"]);
  initRwSem(inode.dataSem, LockClass["inode.dataSem"]);
  initMutex(inode.truncateMutex, LockClass["inode.truncateMutex"]);
  initRwSem(inode.spareSem, LockClass["inode.spareSem"]);
  initMutex(inode.spareMutex, LockClass["inode.spareMutex"]);
  initMapping(inode.mapping);
  initExtentStatus(inode.status);
}

/** A directory's rwsem goes before those of other inodes. */
export const classOf = (inode: Inode): LockClass =>
  isDirectory(inode) ? LockClass["directory.rwsem"] : LockClass["inode.rwsem"];

/** Whether we can read what the inode's blocks hold: 0 or the error. */
function checkMapping(inode: Inode): number {
  if ((inode.flags & InodeFlag.inlineData) !== 0) return -Errno.EOPNOTSUPP;
  return hasBlockMap(inode) ? 0 : checkRoot(inode);
}

/** One more reference for who holds one. */
export function ihold(inode: Inode): void {
  step(Op.update, inode.references.at);
  takeReference(inode.references);
}

/**
 * Gives a reference back.  The last one of an inode without links frees its blocks and the inode; an error
 * on that way is returned, and leaves the inode on the orphan list for e2fsck.
 */
export function iput(inode: Inode): number {
  step(Op.update, inode.references.at);
  return giveUnlessLast(inode.references) ? 0 : putLast(inode);
}

/** kernel: iput_final */
function putLast(inode: Inode): number {
  const { mutex } = tableOf(inode.mem);
  mutexLock(mutex);
  const last = giveAndClose(inode.references);
  const unlinked = last && rawInode(inode).i_links_count === 0;
  if (unlinked) inode.state = State.dying;
  else if (last) giveUp(inode);
  mutexUnlock(mutex);
  if (!unlinked) return 0;
  const result = evict(inode);
  mutexLock(mutex);
  giveUp(inode);
  mutexUnlock(mutex);
  return result;
}

function giveUp(inode: Inode): void {
  discardPreallocations(inode);
  releaseBuffer(bufferAt(inode.mem, inode.bufferAt));
  leave(inode);
}

/** kernel: ext4_evict_inode */
function evict(inode: Inode): number {
  const sb = superBlock(inode.mem);
  const credits = creditsFor(sb);
  const attributes = attributeBlockOf(rawInode(inode)) === 0 ? 0 : attributeCredits(sb);
  const handle = journalStart(sb, credits.remove + credits.orphan + credits.freeInode + attributes);
  if (typeof handle === "number") return handle;
  const result = evictIn(handle, sb, inode);
  const stopped = journalStop(handle);
  return result < 0 ? result : stopped;
}

function evictIn(handle: Handle, sb: SuperBlock, inode: Inode): number {
  const result =
    (hasBlocks(inode) ? truncateBlocks(inode, 0) : 0) ||
    releaseAttributes(handle, inode) ||
    removeOrphan(handle, inode) ||
    beginInodeChange(handle, inode);
  if (result < 0) return result;
  const raw = rawInode(inode);
  raw.i_dtime = header(inode.mem).seconds;
  raw.i_size_lo = 0;
  raw.i_size_high = 0;
  // Last, for from here on the number may belong to somebody else.
  return markInodeDirty(handle, inode) || freeInode(handle, sb, inode.number, isDirectory(inode));
}

/** A place for an inode that nobody else knows, with a reference.  The buffer's is its own from here on. */
export function takeNew(sb: SuperBlock, buffer: Buffer, number: number): Inode | number {
  const { mutex } = tableOf(sb.mem);
  mutexLock(mutex);
  const inode = findFree(sb.mem);
  if (inode !== undefined) {
    take(inode, buffer, number);
    openReferences(inode.references);
  }
  mutexUnlock(mutex);
  if (inode === undefined) releaseBuffer(buffer);
  return inode ?? -Errno.ENFILE;
}
