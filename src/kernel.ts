// What a design of one's own is made of (`unwritten/kernel`): locks, the extent tree and its transactions,
// copying in pieces, mappings and the zero page.  The built-in designs use nothing else.
//
// A design runs in many threads at once, and under a scheduler that switches tasks at steps.  So it keeps
// its state in the machine's memory only (the inode has spare locks for it), is synchronous, and has neither
// `try` nor `finally`: a stopped task is unwound, and its locks stay held.

export type { Design, DesignLocks, WritePlace } from "./xip/design.ts";
export {
  clearUser,
  copyIn,
  copyOut,
  inBlock,
  mediaBlock,
  pagesIn,
  startOf,
  streamZeros,
  zeroBytes,
} from "./xip/copy.ts";
export { Fallocate } from "./xip/modes.ts";
export { changeRange, changesBlocks } from "./xip/ranges.ts";
export { growTo, reservedEnd, reserveHoles, updateTime, zeroTail } from "./xip/space.ts";
export { flushMapped, writeBackAlone, writeBackEntries } from "./xip/write-back.ts";

export { modifiedNow, readSize, setDiskSize, setTimes, writeSize, type Inode } from "./ext4/inode.ts";
export { inodeAt } from "./ext4/inodes/cache.ts";
export { lookUp } from "./ext4/map.ts";
export { truncateBlocks } from "./ext4/truncate.ts";
export { BLOCK_SIZE, mediaAddress, superBlock, type SuperBlock } from "./ext4/super.ts";
export { State, type Extent } from "./ext4/extents/extent.ts";
export { extents, findExtent } from "./ext4/extents/find.ts";
export { allocateExtent, allocateZeroed } from "./ext4/extents/allocate.ts";
export { convertExtent } from "./ext4/extents/convert.ts";
export { removeExtents } from "./ext4/extents/remove.ts";
export { creditsFor, type Credits } from "./ext4/extents/credits.ts";
export { extendHandle, journalStart, journalStop, restartHandle } from "./ext4/journal/handle.ts";
export type { Handle } from "./ext4/journal/state.ts";
export { commit } from "./ext4/journal/commit.ts";

export {
  installCopy,
  installPage,
  installZeroPage,
  lockEntry,
  mapped,
  unlockEntry,
  unmapRange,
  unmapRangeAlone,
  type Mapping,
} from "./mm/mapping.ts";
export type { Vma } from "./mm/space.ts";
export { copyFromUserNoFault, faultIn, type UserBuffer } from "./mm/user.ts";

export { assertHeld, assertHeldWrite } from "./locks/lockdep.ts";
export { LockClass } from "./locks/classes.ts";
export { initMutex, Mutex, mutexLock, mutexTryLock, mutexUnlock } from "./locks/mutex.ts";
export {
  downgradeWrite,
  downRead,
  downReadTry,
  downWrite,
  downWriteTry,
  initRwSem,
  RwSem,
  upRead,
  upWrite,
} from "./locks/rwsem.ts";
export { initSpinLock, SpinLock, spinLock, spinUnlock } from "./locks/spinlock.ts";
export {
  initSeqCount,
  readSeqBegin,
  readSeqRetry,
  readSeqTry,
  readSeqWord,
  SeqCount,
  writeSeqBegin,
  writeSeqEnd,
  writeSeqTry,
} from "./locks/seqcount.ts";
export { complete, completeAll, Completion, initCompletion, waitForCompletion } from "./locks/completion.ts";
export { lockBit, unlockBit } from "./locks/wait-bit.ts";

export { currentTask, onlyReads, Op, opName, park, step, wake } from "./machine/cpu.ts";
export { assert, bug, Errno, errnoName } from "./machine/errors.ts";
export { PAGE_SIZE, type Memory } from "./machine/memory.ts";
export {
  fence,
  flush,
  storeBytes,
  storeCopy,
  storeFill,
  streamBytes,
  streamCopy,
  streamFill,
} from "./machine/pmem.ts";
export { Writer } from "./machine/pmem/log.ts";
export { note, Note } from "./machine/trace.ts";
