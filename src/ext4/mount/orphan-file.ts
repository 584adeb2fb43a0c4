// The orphan file (feature orphan_file): while Linux has a file system with one mounted, it notes orphans there, and the
// superblock says that some may be (orphan_present).  Here orphans are always on the list that begins in the superblock.
// So what a crash left in the file moves to the list: each number in one transaction, which takes it out of the
// file and puts it on the list, and then the list is emptied as ever.
//
// Lock order: handle, sb.orphanMutex.   kernel: ext4_orphan_cleanup, ext4_init_orphan_info

import { errnoName } from "../../machine/errors.ts";
import { inodeInUse } from "../alloc/inodes.ts";
import { bufferAt, getBuffer, releaseBuffer, type Buffer } from "../buffer.ts";
import { badChecksum, damaged, takeFinding } from "../damage.ts";
import { creditsFor } from "../extents/credits.ts";
import { State } from "../extents/extent.ts";
import { isFile, readSize, type Inode } from "../inode.ts";
import { iget, igetOrphan, iput } from "../inodes/cache.ts";
import { addOrphan } from "../inodes/orphan.ts";
import { dirtyMetadata, getWriteAccess, journalStart, journalStop } from "../journal/handle.ts";
import { lookUp } from "../map.ts";
import { ReadOnlyCompat } from "../media/features.ts";
import { ORPHAN_MAGIC, orphanBlockSum, ORPHANS_A_BLOCK, orphanTail } from "../media/orphans.ts";
import { rawSuperBlock } from "../raw-superblock.ts";
import { BLOCK_SIZE, hasChecksums, type SuperBlock } from "../super.ts";
import { cleanUpOrphans } from "./orphans.ts";

/** Empties the file, if it may have orphans, or says what is wrong with it.  The list is empty before and after. */
export function cleanUpOrphanFile(sb: SuperBlock): string | undefined {
  if ((sb.featureReadOnly & ReadOnlyCompat.orphan_present) === 0) return undefined;
  const number = rawSuperBlock(sb).s_orphan_file_inum;
  if (number === 0 || number > sb.inodeCount) return told(sb, damaged(sb.mem, "orphanFile", number));
  const file = iget(sb, number);
  if (typeof file === "number") return told(sb, file);
  const wrong = emptyFile(sb, file);
  const put = iput(file);
  if (wrong !== undefined) return wrong;
  const result = put < 0 ? put : clearMark(sb);
  return result < 0 ? told(sb, result) : undefined;
}

function told(sb: SuperBlock, error: number): string {
  const why = takeFinding(sb.mem, error) ?? "the orphan file cannot be emptied";
  return `${why} (${errnoName(error)}): run e2fsck on the image first`;
}

function emptyFile(sb: SuperBlock, file: Inode): string | undefined {
  if (!isFile(file)) return told(sb, damaged(sb.mem, "orphanFile", file.number));
  for (let block = 0; block < Math.floor(readSize(file) / BLOCK_SIZE); block++) {
    const buffer = getOrphanBlock(sb, file, block);
    if (typeof buffer === "number") return told(sb, buffer);
    const wrong = emptyBlock(sb, file, buffer);
    releaseBuffer(buffer);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function emptyBlock(sb: SuperBlock, file: Inode, buffer: Buffer): string | undefined {
  for (let index = 0; index < ORPHANS_A_BLOCK; index++) {
    const moved = moveToList(sb, file, buffer, index);
    const wrong = moved < 0 ? told(sb, moved) : cleanUpOrphans(sb);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** A block of the file, checked. */
function getOrphanBlock(sb: SuperBlock, file: Inode, block: number): Buffer | number {
  const extent = lookUp(file, block);
  if (typeof extent === "number") return extent;
  if (extent.state !== State.written) return damaged(sb.mem, "orphanFile", file.number);
  const buffer = getBuffer(sb, extent.media + block - extent.start);
  if (typeof buffer === "number") return buffer;
  const { ob_magic: magic, ob_checksum: sum } = orphanTail(sb.mem, buffer.data);
  let error = magic === ORPHAN_MAGIC ? 0 : damaged(sb.mem, "orphanFile", file.number);
  if (error === 0 && hasChecksums(sb) && sum !== sumOf(sb, file, buffer))
    error = badChecksum(sb.mem, "orphanFileSum", buffer.block);
  if (error === 0) return buffer;
  releaseBuffer(buffer);
  return error;
}

const sumOf = (sb: SuperBlock, { number, generation }: Inode, { block, data }: Buffer): number =>
  orphanBlockSum(sb.mem, sb.csumSeed, number, generation, block, data);

/** Puts the orphan at a place of the file on the list, if there is one.  Returns 0. */
function moveToList(sb: SuperBlock, file: Inode, buffer: Buffer, index: number): number {
  const { mem } = sb;
  const number = mem.u32[(buffer.data >>> 2) + index] as number;
  if (number === 0) return 0;
  const used = number === file.number ? 0 : inodeInUse(sb, number);
  if (used < 1) return used === 0 ? damaged(mem, "orphan", number) : used;
  const inode = igetOrphan(sb, number);
  if (typeof inode === "number") return inode;
  const moved = move(sb, file, buffer, index, inode);
  const put = iput(inode); // without links it goes with this reference
  return moved < 0 ? moved : put;
}

function move(sb: SuperBlock, file: Inode, buffer: Buffer, index: number, inode: Inode): number {
  const { mem } = sb;
  const handle = journalStart(sb, creditsFor(sb).orphan + 1);
  if (typeof handle === "number") return handle;
  let result = getWriteAccess(handle, buffer) || addOrphan(handle, inode);
  if (result === 0) {
    mem.u32[(buffer.data >>> 2) + index] = 0;
    if (hasChecksums(sb)) orphanTail(mem, buffer.data).ob_checksum = sumOf(sb, file, buffer);
    result = dirtyMetadata(handle, buffer);
  }
  const stopped = journalStop(handle);
  return result < 0 ? result : stopped;
}

function clearMark(sb: SuperBlock): number {
  const handle = journalStart(sb, 1);
  if (typeof handle === "number") return handle;
  const buffer = bufferAt(sb.mem, sb.superBuffer);
  let result = getWriteAccess(handle, buffer);
  if (result === 0) {
    rawSuperBlock(sb).s_feature_ro_compat &= ~ReadOnlyCompat.orphan_present;
    sb.featureReadOnly &= ~ReadOnlyCompat.orphan_present;
    result = dirtyMetadata(handle, buffer);
  }
  const stopped = journalStop(handle);
  return result < 0 ? result : stopped;
}
