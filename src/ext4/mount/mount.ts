// Mount and unmount.  Mount believes nothing: every number of the superblock and of the group
// descriptors is checked against the others and against the media's size before anything uses it, so
// that the code behind it may index with them.

import { errnoName } from "../../machine/errors.ts";
import { header, allocate, allocateControl, Root, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { mediaAt } from "../../machine/pmem.ts";
import { LockClass } from "../../locks/classes.ts";
import { initMutex } from "../../locks/mutex.ts";
import { keptOf } from "../alloc/blocks.ts";
import { clearFreeMap, initFreeMap } from "../alloc/free-map.ts";
import { forgetLowestFree, initLowestFree } from "../alloc/lowest.ts";
import { clearPreallocations, initPreallocations } from "../alloc/preallocation.ts";
import { dropAllBuffers, getBuffer, Kind, releaseBuffer, bufferAt, setKind } from "../buffer.ts";
import { damaged, initFindings, takeFinding } from "../damage.ts";
import { forgetNames, initDcache } from "../directory/dcache.ts";
import { initBlockHints } from "../directory/hint.ts";
import { dropBitmaps, initBitmaps } from "../alloc/bitmaps.ts";
import { initGroupLocks } from "../alloc/open-group.ts";
import { dropGroups, holdGroups, initGroups } from "../group.ts";
import { isDirectory } from "../inode.ts";
import { forgetDirectories, iget, inodeAt, iput } from "../inodes/cache.ts";
import { freeze } from "../journal/commit.ts";
import { initJournal } from "../journal/state.ts";
import { openJournal } from "../journal/open.ts";
import { initBuffers } from "./buffers.ts";
import { checkGroups } from "./groups.ts";
import { ROOT_INODE } from "../media/inode.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import { recoverJournal, type Recovery } from "../journal/recovery/recover.ts";
import { BLOCK_SHIFT, BLOCK_SIZE, SuperBlock, superBlock } from "../super.ts";
import { cleanUpOrphanFile } from "./orphan-file.ts";
import { cleanUpOrphans } from "./orphans.ts";
import { readSuperBlock, wrongState } from "./superblock.ts";

/** Mount options and tunables, by their Linux names. */
export interface MountOptions {
  /** Zero out and write a short unwritten extent whole rather than split it, up to so many KiB.  0: never. */
  readonly extent_max_zeroout_kb?: number;
  /** Allocate as Linux does: set blocks aside for what files will want, reuse freed ones after a commit only.  0: no. */
  readonly mballoc?: number;
}

/** Why an image is not mounted, in one sentence. */
export interface MountError {
  readonly message: string;
}

/** Makes the file system's long-lived structs and the empty buffer cache.  At boot. */
export function initSuperBlock(mem: Memory): void {
  setRoot(mem, Root.superblock, allocate(mem, SuperBlock));
  const sb = superBlock(mem);
  initMutex(sb.allocMutex, LockClass["sb.allocMutex"]);
  initMutex(sb.orphanMutex, LockClass["sb.orphanMutex"]);
  initMutex(sb.renameMutex, LockClass["sb.renameMutex"]);
  initMutex(sb.sparseMutex, LockClass["sb.sparseMutex"]);
  sb.ownBlocksAt = allocateControl(mem, Math.ceil(header(mem).media.length / BLOCK_SIZE / 8));
  initFindings(mem);
  initFreeMap(mem);
  initLowestFree(mem);
  initPreallocations(mem);
  initBuffers(mem);
  initGroups(mem);
  initGroupLocks(mem);
  initBitmaps(mem);
  initBlockHints(mem);
  initDcache(mem);
  initJournal(mem);
}

/** Mounts the image that lies on the media.  A machine has one file system, so it must not be mounted. */
export function mount(mem: Memory, options: MountOptions = {}): SuperBlock | MountError {
  const sb = superBlock(mem);
  if (sb.mounted !== 0) return { message: "the machine's file system is mounted already" };
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  const recovered = recover(mem);
  if (typeof recovered === "string") return { message: recovered };
  const state = wrongState(raw);
  if (state !== undefined) {
    dropAllBuffers(mem);
    return { message: state };
  }
  sb.zerooutKb = options.extent_max_zeroout_kb ?? 0;
  sb.mballoc = options.mballoc ?? 0;
  sb.keptBlocks = sb.mballoc === 0 ? 0 : keptOf(sb.blockCount);
  clearFreeMap(sb);
  clearPreallocations(sb);
  sb.directoryGroup = 0;
  forgetLowestFree(mem);
  const buffer = getBuffer(sb, SUPERBLOCK_OFFSET >>> BLOCK_SHIFT);
  if (typeof buffer === "number") return { message: "there is no memory for the superblock" };
  setKind(buffer, Kind.superblock);
  sb.superBuffer = buffer.at;
  const damage = holdGroups(sb) < 0 ? "there is no memory for the group descriptors" : checkGroups(sb, raw);
  if (damage !== undefined) {
    forgetAll(sb);
    return { message: damage };
  }
  // Before the first inode that somebody may use: none has the journal's blocks.
  const journal = openJournal(sb, raw);
  if (journal !== undefined) {
    forgetAll(sb);
    return { message: journal };
  }
  const root = keepRoot(sb);
  if (root < 0) {
    forgetAll(sb);
    const why = takeFinding(mem, root) ?? "the root directory cannot be read";
    return { message: `${why} (${errnoName(root)}): run e2fsck on the image first` };
  }
  sb.mounted = 1;
  const orphans = cleanUpOrphans(sb) ?? cleanUpOrphanFile(sb);
  if (orphans === undefined) return sb;
  unmount(sb);
  return { message: orphans };
}

/**
 * Brings the media of a machine on which nothing is mounted to what its journal says, and fills the superblock
 * in: what was done, undefined when there was nothing to do, or why the image is refused.
 */
export function recover(mem: Memory): Recovery | string | undefined {
  const sb = superBlock(mem);
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  const { length } = header(mem).media;
  const wrong = readSuperBlock(sb, raw, length);
  if (wrong !== undefined) return wrong;
  const journal = recoverJournal(sb, raw);
  // Group descriptors are checked after recovery, which may mend them; one that hides the journal is said first.
  const recovered = typeof journal === "string" ? (checkGroups(sb, raw) ?? journal) : journal;
  const result = typeof recovered === "object" ? (readSuperBlock(sb, raw, length) ?? recovered) : recovered;
  if (typeof result === "string") dropAllBuffers(mem);
  return result;
}

/** Takes the reference that keeps the root directory's inode in memory.  Returns 0.  kernel: sb->s_root */
function keepRoot(sb: SuperBlock): number {
  const root = iget(sb, ROOT_INODE);
  if (typeof root === "number") return root;
  if (!isDirectory(root)) {
    iput(root);
    return damaged(sb.mem, "rootType", ROOT_INODE);
  }
  sb.rootAt = root.at;
  return 0;
}

function forgetAll(sb: SuperBlock): number {
  releaseBuffer(bufferAt(sb.mem, sb.superBuffer));
  sb.superBuffer = 0;
  dropGroups(sb);
  dropBitmaps(sb);
  forgetDirectories(sb.mem);
  forgetNames(sb.mem);
  return dropAllBuffers(sb.mem);
}

/** Writes what has changed and forgets all buffers.  -EBUSY while somebody holds one: it stays mounted. */
export function unmount(sb: SuperBlock): number {
  const result = freeze(sb);
  if (result < 0) return result;
  const { superBuffer } = sb;
  iput(inodeAt(sb.mem, sb.rootAt));
  const busy = forgetAll(sb);
  if (busy < 0) {
    const again = getBuffer(sb, SUPERBLOCK_OFFSET >>> BLOCK_SHIFT);
    sb.superBuffer = typeof again === "number" ? superBuffer : again.at;
    holdGroups(sb);
    keepRoot(sb);
    return busy;
  }
  sb.mounted = 0;
  return 0;
}
