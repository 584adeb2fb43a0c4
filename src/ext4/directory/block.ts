// One block of a directory: found, checked once, made.
//
// A block that comes from the media is trusted when its entries fill it exactly and its checksum is right.
// Its buffer is then marked as this directory's, and from there on only this folder changes it.

import type { Memory } from "../../machine/memory.ts";
import { downWrite, upWrite } from "../../locks/rwsem.ts";
import { bufferData, getBuffer, Kind, releaseBuffer, setKind, setVerified, type Buffer } from "../buffer.ts";
import { badChecksum, damaged } from "../damage.ts";
import { allocateExtent } from "../extents/allocate.ts";
import { State } from "../extents/extent.ts";
import { setDiskSize, writeSize, type Inode } from "../inode.ts";
import { getCreateAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { lookUp } from "../map.ts";
import { DirectoryEntry, DirectoryTail, entrySize, TAIL_TYPE } from "../media/directory.ts";
import { ownedSum } from "../media/sums.ts";
import { BLOCK_SIZE, hasChecksums, superBlock, type SuperBlock } from "../super.ts";
import { guessBlock, isTrusted, rememberBlock } from "./hint.ts";
import { hashChecksumIsGood, isHashNode } from "./hash-node.ts";

const SLASH = 0x2f;
const LENGTH = DirectoryEntry.offset("rec_len");
const NAME_LENGTH = DirectoryEntry.offset("name_len");

// An entry is known by its address; its fields are read in loops.
export const recordLength = (mem: Memory, at: number): number => mem.u16[(at + LENGTH) >>> 1] as number;
export const nameLength = (mem: Memory, at: number): number => mem.u8[at + NAME_LENGTH] as number;
export const inodeOf = (mem: Memory, at: number): number => mem.u32[at >>> 2] as number;

export function blocksOf(directory: Inode): number {
  return Math.floor(directory.size / BLOCK_SIZE);
}

/** Where entries end: before the checksum, if there is one. */
export function limitOf(sb: SuperBlock): number {
  return hasChecksums(sb) ? BLOCK_SIZE - DirectoryTail.size : BLOCK_SIZE;
}

/** The buffer of a directory's block, checked; 0 for a block that is not there. */
export function readBlock(directory: Inode, block: number): Buffer | number {
  return guessBlock(directory, block) ?? findBlock(directory, block);
}

function findBlock(directory: Inode, block: number): Buffer | number {
  const sb = superBlock(directory.mem);
  const found = lookUp(directory, block);
  if (typeof found === "number") return found;
  if (found.state !== State.written) {
    return found.state === State.hole ? 0 : damaged(sb.mem, "directory", directory.number, block);
  }
  const buffer = getBuffer(sb, found.media + block - found.start);
  if (typeof buffer === "number") return buffer;
  const result = isTrusted(directory, buffer) ? 0 : check(sb, directory, buffer, block);
  if (result === 0) {
    rememberBlock(directory, block, buffer);
    return buffer;
  }
  releaseBuffer(buffer);
  return result;
}

/** 0 for a good block, which is then marked; -EFSBADCRC, -EUCLEAN. */
function check(sb: SuperBlock, directory: Inode, buffer: Buffer, block: number): number {
  if (buffer.kind !== Kind.plain) return damaged(sb.mem, "directory", directory.number, block);
  const node = isHashNode(directory, bufferData(buffer), block);
  if (!entriesAreGood(sb, buffer, node ? BLOCK_SIZE : limitOf(sb))) {
    return damaged(sb.mem, "directory", directory.number, block);
  }
  if (hasChecksums(sb)) {
    const good = node ? hashChecksumIsGood(directory, bufferData(buffer)) : checksumIsGood(directory, buffer);
    if (!good) return badChecksum(sb.mem, "directorySum", directory.number, block);
  }
  // Without checksums an empty leaf looks like a node, and nothing tells them apart but who leads to them.
  const isNode = node && (block === 0 || hasChecksums(sb));
  setKind(buffer, isNode ? Kind.hashNode : Kind.directory, directory.number, directory.generation);
  setVerified(buffer);
  return 0;
}

/** kernel: ext4_check_dir_entry, for all of a block up to where entries end */
function entriesAreGood(sb: SuperBlock, buffer: Buffer, length: number): boolean {
  const { mem } = sb;
  const end = bufferData(buffer) + length;
  let at = bufferData(buffer);
  while (at < end) {
    const record = recordLength(mem, at);
    if (record < DirectoryTail.size || (record & 3) !== 0 || at + record > end) return false;
    if (entrySize(nameLength(mem, at)) > record || inodeOf(mem, at) > sb.inodeCount) return false;
    if (inodeOf(mem, at) !== 0 && !nameIsGood(mem, at)) return false;
    at += record;
  }
  return true;
}

/** A name with a slash in it, or none, would be no path's part.  kernel: verify_dirent_name */
function nameIsGood(mem: Memory, at: number): boolean {
  const from = at + DirectoryEntry.size;
  const end = from + nameLength(mem, at);
  for (let here = from; here < end; here++) {
    if (mem.u8[here] === 0 || mem.u8[here] === SLASH) return false;
  }
  return end > from;
}

function checksumIsGood(directory: Inode, buffer: Buffer): boolean {
  const { mem, number, generation } = directory;
  const at = bufferData(buffer);
  const length = BLOCK_SIZE - DirectoryTail.size;
  const tail = DirectoryTail.of(mem, at + length);
  const isTail = inodeOf(mem, tail.at) === 0 && tail.det_rec_len === DirectoryTail.size;
  const sum = ownedSum(mem, superBlock(mem).csumSeed, number, generation, at, length);
  return isTail && tail.det_reserved_ft === TAIL_TYPE && tail.det_checksum === sum;
}

/** Makes an empty linear block of a zeroed one. */
export function initBlock(directory: Inode, buffer: Buffer): void {
  const sb = superBlock(directory.mem);
  const at = bufferData(buffer);
  DirectoryEntry.of(sb.mem, at).rec_len = limitOf(sb);
  if (hasChecksums(sb)) initTail(sb.mem, at);
  setKind(buffer, Kind.directory, directory.number, directory.generation);
  setVerified(buffer);
}

/**
 * One block more at the directory's end, all zeros, held.  Inside a handle with `creditsFor(sb).allocate` and one
 * more; the caller fills it and says dirtyMetadata.  kernel: ext4_append
 */
export function addBlock(handle: Handle, directory: Inode): Buffer | number {
  const block = blocksOf(directory);
  downWrite(directory.dataSem);
  const extent = allocateExtent(handle, directory, block, 1, State.written);
  const buffer =
    typeof extent === "number" ? extent : getCreateAccess(handle, extent.media + block - extent.start);
  const size = (block + 1) * BLOCK_SIZE;
  const result = typeof buffer === "number" ? buffer : setDiskSize(handle, directory, size);
  upWrite(directory.dataSem);
  if (typeof buffer === "number") return buffer;
  if (result < 0) {
    releaseBuffer(buffer);
    return result;
  }
  writeSize(directory, size);
  return buffer;
}

/** Writes the entry that holds a block's checksum. */
function initTail(mem: Memory, blockAt: number): void {
  const tail = DirectoryTail.of(mem, blockAt + BLOCK_SIZE - DirectoryTail.size);
  tail.det_reserved_zero1 = 0;
  tail.det_rec_len = DirectoryTail.size;
  tail.det_reserved_zero2 = 0;
  tail.det_reserved_ft = TAIL_TYPE;
}
