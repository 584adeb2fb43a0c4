// The mounted file system: what the superblock says, checked once at mount, and the counters that change.
//
//   immutable while mounted   everything above `allocMutex`, but for `damaged` and `readOnly` (damage.ts) and
//                             `countsChanged`
//   countsChanged             goes from 0 to 1 inside a handle, and back when no handle runs
//   under allocMutex          streamGroup, the map of free blocks, preallocations: of the mount option mballoc.  With it
//                             all of the block bitmaps, too
//   under a group's lock      its bitmaps, its descriptor, and the free counts (alloc/open-group.ts)
//   under the root's rwsem    directoryGroup
//   under renameMutex         which directory lies in which: who holds it sees a tree that stands still
//   under orphanMutex         the list of unlinked inodes in use: s_last_orphan and the links in inodes
//   sparseMutex, sparseSeq    nothing of ours: mm/filemap_xip.c's xip_sparse_mutex and xip_sparse_seq, for the
//                             designs of their time
//
// Lock order: renameMutex, inode.rwsem, handle (journal.sem), inode.dataSem, allocMutex, a group's lock; handle,
// orphanMutex.

import { bug } from "../machine/errors.ts";
import type { Memory } from "../machine/memory.ts";
import { mediaAt } from "../machine/pmem.ts";
import { rootView, Root } from "../machine/layout.ts";
import { bytes, cacheLine, embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { Mutex } from "../locks/mutex.ts";
import { SeqCount } from "../locks/seqcount.ts";
import { Credits } from "./extents/credits.ts";
import { ReadOnlyCompat } from "./media/features.ts";

/** Blocks are as large as pages: data is mapped, so nothing else would do. */
export const BLOCK_SIZE = 4096;
export const BLOCK_SHIFT = 12;

/** The file system of a machine. */
export const SuperBlock = struct("superblock", {
  mounted: u32,
  blockSize: u32,
  blockCount: u32, // of the file system; the media may be larger
  firstDataBlock: u32,
  groupCount: u32,
  blocksPerGroup: u32,
  inodesPerGroup: u32,
  inodeCount: u32,
  inodeSize: u32, // bytes of an inode on media: 128, 256 …
  wantExtraSize: u32, // i_extra_isize of new inodes
  firstInode: u32, // the first that is not reserved
  descriptorSize: u32, // of a group: 32 or 64 and more
  descriptorBlocks: u32,
  reservedDescriptorBlocks: u32, // kept behind them for growing
  featureCompat: u32,
  featureIncompat: u32,
  featureReadOnly: u32,
  csumSeed: u32, // metadata_csum: what every checksum starts from
  superBuffer: u32, // the superblock's buffer, pinned: its address
  rootAt: u32, // the root directory's inode, kept in memory: every path starts there
  zerooutKb: u32, // mount option extent_max_zeroout_kb
  ownBlocksAt: u32, // a bit for each block that holds a structure of the file system's own
  journalInode: u32, // whose blocks the journal's are; 0 until it is in use
  onErrors: u32, // s_errors
  findingsAt: u32, // what each task found damaged (damage.ts)
  damaged: u32, // not 0: damage was found since the mount
  readOnly: u32, // not 0: no more changes, for that reason
  hashVersion: u32, // of the directories that become indexed
  hashUnsigned: u32, // whether names are hashed as unsigned bytes
  hashSeed: bytes(16, 4), // four words
  mballoc: u32, // mount option mballoc
  keptBlocks: u32, // free blocks for what must not fail for want of space.  kernel: s_resv_clusters
  groupsPerFlex: u32, // groups that have their own structures in the first of them; 1 without flex_bg
  credits: embed(Credits),
  countsChanged: u32, // 1: the free counts differ from the superblock's buffer

  allocLine: cacheLine, // what stands above is only read
  allocMutex: embed(Mutex),
  streamGroup: u32, // where the last large file got blocks
  directoryGroup: u32, // which the last directory in the root got

  orphanMutex: embed(Mutex),
  renameMutex: embed(Mutex), // held while a name moves from one directory to another
  sparseMutex: embed(Mutex),
  sparseSeq: embed(SeqCount), // changes while a sparse page is being mapped
});
export type SuperBlock = ViewOf<typeof SuperBlock>;

/** The machine's file system, mounted or not. */
export function superBlock(mem: Memory): SuperBlock {
  return rootView(mem, Root.superblock, SuperBlock);
}

/** Whether metadata carries crc32c checksums. */
export function hasChecksums(sb: SuperBlock): boolean {
  return (sb.featureReadOnly & ReadOnlyCompat.metadata_csum) !== 0;
}

/** Whether groups can be uninitialised, which takes checksums of one kind or the other. */
export function hasGroupChecksums(sb: SuperBlock): boolean {
  return (sb.featureReadOnly & (ReadOnlyCompat.metadata_csum | ReadOnlyCompat.uninit_bg)) !== 0;
}

/** Where a block lies on media: the address of its first byte. */
export function mediaAddress(sb: SuperBlock, block: number): number {
  // Block numbers are checked where they come from the media; behind the last block lies somebody else's memory.
  if (!(block < sb.blockCount)) refuseBlock(sb, block);
  return mediaAt(sb.mem, block * BLOCK_SIZE);
}

function refuseBlock({ blockCount }: SuperBlock, block: number): never {
  bug(`block ${block} is to be reached, of ${blockCount}`);
}
