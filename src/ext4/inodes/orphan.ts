// Inodes without a name that somebody still uses.  The media keeps them in a list, from the superblock on and
// through the inodes' i_dtime, so that after a crash they can be freed.  sb.orphanMutex protects it.

import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import { bufferAt, releaseBuffer, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { beginInodeChange, markInodeDirty, rawInode, type Inode } from "../inode.ts";
import { getInodeBlock, inodeOffset } from "./table.ts";
import { dirtyMetadata, getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { RawInode } from "../media/inode.ts";
import { rawSuperBlock } from "../raw-superblock.ts";
import { superBlock, type SuperBlock } from "../super.ts";

/** The inode at the head of the list; 0: the list is empty. */
export function firstOrphan(sb: SuperBlock): number {
  return rawSuperBlock(sb).s_last_orphan;
}

/** kernel: ext4_orphan_add */
export function addOrphan(handle: Handle, inode: Inode): number {
  const sb = superBlock(inode.mem);
  const superBuffer = bufferAt(sb.mem, sb.superBuffer);
  mutexLock(sb.orphanMutex);
  const result = getWriteAccess(handle, superBuffer) || beginInodeChange(handle, inode);
  if (result === 0) {
    const raw = rawSuperBlock(sb);
    rawInode(inode).i_dtime = raw.s_last_orphan;
    raw.s_last_orphan = inode.number;
  }
  const written = result || dirtyMetadata(handle, superBuffer) || markInodeDirty(handle, inode);
  mutexUnlock(sb.orphanMutex);
  return written;
}

/** Takes an inode out of the list; its i_dtime is the caller's again.  kernel: ext4_orphan_del */
export function removeOrphan(handle: Handle, inode: Inode): number {
  const sb = superBlock(inode.mem);
  mutexLock(sb.orphanMutex);
  const result =
    rawSuperBlock(sb).s_last_orphan === inode.number
      ? removeFirst(handle, sb, inode)
      : removeLater(handle, sb, inode);
  mutexUnlock(sb.orphanMutex);
  return result;
}

function removeFirst(handle: Handle, sb: SuperBlock, inode: Inode): number {
  const buffer = bufferAt(sb.mem, sb.superBuffer);
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  rawSuperBlock(sb).s_last_orphan = rawInode(inode).i_dtime;
  return dirtyMetadata(handle, buffer);
}

/** Finds the orphan before it.  A list that is longer than there are inodes is a circle. */
function removeLater(handle: Handle, sb: SuperBlock, inode: Inode): number {
  let number = rawSuperBlock(sb).s_last_orphan;
  for (let left = sb.inodeCount; left > 0 && number >= 1 && number <= sb.inodeCount; left--) {
    const buffer = getInodeBlock(sb, number);
    if (typeof buffer === "number") return buffer;
    const raw = RawInode.of(sb.mem, buffer.data + inodeOffset(sb, number));
    const found = raw.i_dtime === inode.number;
    const result = found ? link(handle, buffer, raw, rawInode(inode).i_dtime) : 0;
    number = raw.i_dtime;
    releaseBuffer(buffer);
    if (found) return result;
  }
  return damaged(sb.mem, "orphanList", inode.number);
}

function link(handle: Handle, buffer: Buffer, raw: RawInode, next: number): number {
  const opened = getWriteAccess(handle, buffer);
  if (opened < 0) return opened;
  raw.i_dtime = next;
  return dirtyMetadata(handle, buffer);
}
