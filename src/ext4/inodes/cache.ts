// Inodes in memory: found by number, made from the media, and given up.
//
//   iget     a reference to the inode of a number; reads it if nobody has it
//   ihold    one more
//   iput     gives one back; the last one of an inode without links truncates and frees it
//   takeNew  a place and a reference for an inode that was not there before (new.ts)
//
// Places are claimed and given up, and references counted, without a lock.  Who finds a live place takes a reference, and
// looks then whether the inode is still the one of that number.  Who gives the last one back closes the count, and the
// place is his alone until he makes it free.  A closed one is not found: the number may be read again, or given to a
// new inode, in another place meanwhile, for all that an inode without references is lies in its buffer.
//
// The mutex keeps apart those who read an inode in, so that it never has two live places, and protects `kept`.
//
// A directory stays in memory when its users have gone, for every path through it asks for it again: the table
// has a reference of its own to the directories that were read last, a word for each remainder of their numbers.
// That is given back when another directory wants the word, when places run short, and, so that it is never
// the last one of an inode without links, when the directory loses its name (forgetDirectory).  In the kernel the
// dcache keeps them.
//
// Lock order: directory.rwsem, handle, inodeTable.mutex, buffers.  iput of the last reference starts a handle
// and takes dataSem: it is called with none of these held but a directory's rwsem.

import { Op, step } from "../../machine/cpu.ts";
import { Errno } from "../../machine/errors.ts";
import { allocate, header, Root, rootView, setRoot, strideOf, viewAt } from "../../machine/layout.ts";
import { MAX_INODES } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { claimSlot, initSlots, releaseSlot, Slots } from "../../machine/pool.ts";
import { bytes, cacheLine, embed, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { LockClass } from "../../locks/classes.ts";
import { initMutex, Mutex, mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import {
  closeReferences,
  giveAndClose,
  giveUnlessLast,
  openReferences,
  referencesTo,
  takeReference,
} from "../../locks/references.ts";
import { initRwSem } from "../../locks/rwsem.ts";
import { initMapping } from "../../mm/mapping.ts";
import { freeInode } from "../alloc/inodes.ts";
import { nextBit } from "../alloc/bits.ts";
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
  mutex: embed(Mutex), // one reads an inode in; changes `kept`
  readLine: cacheLine, // what follows is mostly read
  places: embed(Slots), // those that are not free
  inodesAt: u32,
  kept: bytes(4 * KEPT, 4), // the directories that the table itself has a reference to, by address
});
type InodeTable = ViewOf<typeof InodeTable>;

/** Makes the places.  At boot. */
export function initInodes(mem: Memory): void {
  setRoot(mem, Root.inodes, allocate(mem, InodeTable));
  const table = tableOf(mem);
  initMutex(table.mutex, LockClass["inodeTable.mutex"]);
  initSlots(table.places, MAX_INODES);
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
  for (let next = nextTaken(table, place); next < MAX_INODES; next = nextTaken(table, next + 1)) {
    const inode = inodeAt(mem, table.inodesAt + next * STRIDE);
    if (referencesTo(inode.references) === 0) continue;
    step(Op.update, inode.references.at);
    if (takeReference(inode.references)) return { inode, place: next };
  }
  return undefined;
}

/** The inodes that are in use, for oracles: nobody may be running. */
export function inodesInUse(mem: Memory): Inode[] {
  return allPlaces(mem).filter((inode) => {
    const own = mem.u32[keptWord(tableOf(mem), inode.number)] === inode.at ? 1 : 0;
    return referencesTo(inode.references) > own;
  });
}

function allPlaces(mem: Memory): Inode[] {
  const { inodesAt } = tableOf(mem);
  return Array.from({ length: MAX_INODES }, (_, index) => inodeAt(mem, inodesAt + index * strideOf(Inode)));
}

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

/** The inode of a number, as far as one can see without a reference. */
function findOpen(mem: Memory, number: number): Inode | undefined {
  const table = tableOf(mem);
  const kept = mem.u32[keptWord(table, number)] as number;
  if (kept !== 0 && mem.u32[(kept + NUMBER) >>> 2] === number) return inodeAt(mem, kept);
  for (let place = nextTaken(table, 0); place < MAX_INODES; place = nextTaken(table, place + 1)) {
    const at = table.inodesAt + place * STRIDE;
    if (mem.u32[(at + NUMBER) >>> 2] !== number) continue;
    const inode = inodeAt(mem, at);
    if (referencesTo(inode.references) > 0) return inode;
  }
  return undefined;
}

/** The first place from `from` on that is not free, MAX_INODES without one. */
function nextTaken({ mem, places }: InodeTable, from: number): number {
  return nextBit(mem, places.bitsAt, 1, from, MAX_INODES);
}

/** A place, which is the caller's alone. */
function claimPlace({ mem, places, inodesAt }: InodeTable): Inode | undefined {
  const place = claimSlot(places);
  return place < 0 ? undefined : inodeAt(mem, inodesAt + place * STRIDE);
}

/** Without a free one, that of a directory which nobody uses.  The table is locked. */
function claimAny(table: InodeTable): Inode | undefined {
  const place = claimPlace(table);
  if (place !== undefined) return place;
  dropAllKept(table);
  return claimPlace(table);
}

/** Makes a place free that is the caller's alone. */
function leave(inode: Inode): void {
  const { places, inodesAt } = tableOf(inode.mem);
  releaseSlot(places, (inode.at - inodesAt) / STRIDE);
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
  const table = tableOf(sb.mem);
  for (;;) {
    const held = ilookup(sb.mem, number);
    if (held !== undefined) return held;
    mutexLock(table.mutex);
    // Somebody may have read it in meanwhile: then it is looked up once more, without the mutex.
    const inode = findOpen(sb.mem, number) === undefined ? read(sb, number, orphan) : undefined;
    if (typeof inode === "object") {
      openReferences(inode.references);
      if (isDirectory(inode) && !orphan) keepDirectory(table, inode);
    }
    mutexUnlock(table.mutex);
    if (inode !== undefined) return inode;
  }
}

/** A reference to the inode of a number, if it is in memory and stays there.  Takes no lock.  kernel: ilookup */
export function ilookup(mem: Memory, number: number): Inode | undefined {
  const inode = findOpen(mem, number);
  if (inode === undefined) return undefined;
  step(Op.update, inode.references.at);
  if (!takeReference(inode.references)) return undefined;
  if (inode.number === number) return inode;
  // The place is another inode's now, and this may be the last reference to that.
  iput(inode);
  return undefined;
}

function read(sb: SuperBlock, number: number, orphan: boolean): Inode | number {
  if (!(number >= 1 && number <= sb.inodeCount)) return damaged(sb.mem, "noInode", number);
  const inode = claimAny(tableOf(sb.mem));
  if (inode === undefined) return -Errno.ENFILE;
  const buffer = getInodeBlock(sb, number);
  let result = typeof buffer === "number" ? buffer : checkRawInode(sb, number, buffer, orphan);
  if (typeof buffer === "object") {
    if (result === 0) {
      take(inode, buffer, number);
      result = checkMapping(inode);
    }
    if (result < 0) releaseBuffer(buffer);
  }
  if (result < 0) leave(inode);
  return result < 0 ? result : inode;
}

/** Fills a claimed place from a raw inode; its references stay closed. */
function take(inode: Inode, buffer: Buffer, number: number): void {
  if (inode.dataSem.class === LockClass.none) initPlace(inode);
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
  if (!giveAndClose(inode.references)) return 0;
  const result = rawInode(inode).i_links_count === 0 ? evict(inode) : 0;
  giveUp(inode);
  return result;
}

/** Gives a place up whose references the caller has closed. */
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
  const table = tableOf(sb.mem);
  const inode = claimPlace(table) ?? claimLocked(table);
  if (inode === undefined) {
    releaseBuffer(buffer);
    return -Errno.ENFILE;
  }
  take(inode, buffer, number);
  step(Op.update, inode.references.at);
  openReferences(inode.references);
  return inode;
}

function claimLocked(table: InodeTable): Inode | undefined {
  mutexLock(table.mutex);
  const inode = claimAny(table);
  mutexUnlock(table.mutex);
  return inode;
}
