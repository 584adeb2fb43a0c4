// The block with extended attributes that an inode may have.  No call reads or sets them; they are kept, and go with
// their last inode.
//
// h_refcount changes under sb.allocMutex: inodes that share the block may go at once.
//
// Lock order: handle, sb.allocMutex.   kernel: fs/ext4/xattr.c

import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { freeBlocks, freeCredits } from "../alloc/blocks.ts";
import { getBuffer, isVerified, Kind, releaseBuffer, setKind, setVerified, type Buffer } from "../buffer.ts";
import { badChecksum, damaged } from "../damage.ts";
import { overlapsMetadata } from "../group.ts";
import { addBlocks, beginInodeChange, markInodeDirty, rawInode, type Inode } from "../inode.ts";
import { dirtyMetadata, forget, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { AttributeHeader, ATTRIBUTES_MAGIC, MAX_ATTRIBUTE_USERS } from "../media/attributes.ts";
import type { RawInode } from "../media/inode.ts";
import { attributeSum } from "../media/sums.ts";
import { hasChecksums, superBlock, type SuperBlock } from "../super.ts";

/** Which block it is; 0 for none. */
export function attributeBlockOf(raw: RawInode): number {
  return raw.i_file_acl_high * 2 ** 32 + raw.i_file_acl_lo;
}

/** Whether a block can be one: it lies on the media, and is not the file system's own. */
export function canHoldAttributes(sb: SuperBlock, block: number): boolean {
  return block > sb.firstDataBlock && block < sb.blockCount && !overlapsMetadata(sb, block, 1);
}

/** Credits of one `releaseAttributes`: the block or the bitmap, the descriptor, and the inode. */
export function attributeCredits(sb: SuperBlock): number {
  return freeCredits(sb, 1) + 2;
}

/**
 * Takes the block from an inode that goes; the last one frees it.  Inside a handle with `attributeCredits`.
 * Returns 0; -EUCLEAN or -EFSBADCRC for a damaged one.  kernel: ext4_xattr_delete_inode
 */
export function releaseAttributes(handle: Handle, inode: Inode): number {
  const raw = rawInode(inode);
  const block = attributeBlockOf(raw);
  if (block === 0) return 0;
  const error = leaveBlock(handle, inode, block) || beginInodeChange(handle, inode);
  if (error < 0) return error;
  raw.i_file_acl_lo = 0;
  raw.i_file_acl_high = 0;
  addBlocks(inode, -1);
  return markInodeDirty(handle, inode);
}

/** kernel: ext4_xattr_release_block */
function leaveBlock(handle: Handle, inode: Inode, block: number): number {
  const sb = superBlock(inode.mem);
  const buffer = getAttributes(sb, inode, block);
  if (typeof buffer === "number") return buffer;
  const header = AttributeHeader.of(sb.mem, buffer.data);
  mutexLock(sb.allocMutex);
  const isLast = header.h_refcount === 1;
  if (!isLast) {
    getWriteAccess(handle, buffer);
    header.h_refcount -= 1;
    dirtyMetadata(handle, buffer);
  }
  mutexUnlock(sb.allocMutex);
  releaseBuffer(buffer);
  if (!isLast) return 0;
  forget(handle, block);
  return freeBlocks(handle, sb, block, 1);
}

/** The block's buffer, checked.  kernel: ext4_xattr_check_block */
function getAttributes(sb: SuperBlock, inode: Inode, block: number): Buffer | number {
  const { mem } = sb;
  const buffer = getBuffer(sb, block);
  if (typeof buffer === "number") return buffer;
  if (buffer.kind === Kind.attributes && isVerified(buffer)) return buffer;
  const { h_magic, h_blocks, h_refcount, h_checksum } = AttributeHeader.of(mem, buffer.data);
  const counts = h_refcount > 0 && h_refcount <= MAX_ATTRIBUTE_USERS;
  let error = 0;
  if (buffer.kind !== Kind.plain || h_magic !== ATTRIBUTES_MAGIC || h_blocks !== 1 || !counts)
    error = damaged(mem, "attributes", inode.number, block);
  else if (hasChecksums(sb) && attributeSum(mem, sb.csumSeed, block, buffer.data) !== h_checksum)
    error = badChecksum(mem, "attributesSum", inode.number, block);
  if (error < 0) {
    releaseBuffer(buffer);
    return error;
  }
  setKind(buffer, Kind.attributes);
  setVerified(buffer);
  return buffer;
}
