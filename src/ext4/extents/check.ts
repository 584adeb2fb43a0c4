// Trusting a node.  A node that comes from the media is checked once, whole, and its buffer is then marked
// as this inode's; from there on only this code changes it.  What ties a node to its parent is checked on
// every visit, because a damaged index may lead to a good node at the wrong place: its depth, and that its
// entries lie within the range of its index.  A walk therefore ends after MAX_DEPTH levels, and two ways
// to one node cannot both be taken.

import { Errno } from "../../machine/errors.ts";
import type { Memory } from "../../machine/memory.ts";
import {
  bufferData,
  getBuffer,
  isVerified,
  Kind,
  releaseBuffer,
  setKind,
  setVerified,
  type Buffer,
} from "../buffer.ts";
import { treeRoot, type Inode } from "../inode.ts";
import { ownedSum } from "../media/sums.ts";
import {
  blockEntries,
  entryAt,
  entryBlock,
  entryCount,
  EXTENT_MAGIC,
  extentLength,
  extentMedia,
  indexChild,
  MAX_DEPTH,
  maxEntries,
  MAX_FILE_BLOCKS,
  nodeDepth,
  nodeMagic,
  ROOT_ENTRIES,
} from "../media/extent.ts";
import type { Extent } from "./extent.ts";
import { hasChecksums, superBlock, type SuperBlock } from "../super.ts";

/** Whether blocks lie on the media, and not in its first block. */
function onDevice(sb: SuperBlock, media: number, length: number): boolean {
  return media > 0 && length > 0 && media + length <= sb.blockCount;
}

/** Whether an extent's blocks lie on the media. */
export function extentIsGood(sb: SuperBlock, extent: Extent): boolean {
  return onDevice(sb, extent.media, extent.length);
}

/** Whether an inode has the root of a tree at all.  `checkRoot` looked at the rest when it was read. */
export function rootIsGood(inode: Inode): boolean {
  const root = treeRoot(inode);
  return nodeMagic(inode.mem, root) === EXTENT_MAGIC && nodeDepth(inode.mem, root) <= MAX_DEPTH;
}

/** Checks the root of an inode that has just been read: 0 or -EUCLEAN. */
export function checkRoot(inode: Inode): number {
  const root = treeRoot(inode);
  if (!rootIsGood(inode) || maxEntries(inode.mem, root) > ROOT_ENTRIES) return -Errno.EUCLEAN;
  if (nodeDepth(inode.mem, root) > 0 && entryCount(inode.mem, root) === 0) return -Errno.EUCLEAN;
  return entriesAreGood(superBlock(inode.mem), inode.mem, root) ? 0 : -Errno.EUCLEAN;
}

/**
 * The buffer of the node below an index, which covers file blocks up to `end`; the caller releases it.
 * -EUCLEAN when it is not what the index says, or the error of reading it.
 */
export function readChild(inode: Inode, node: number, position: number, end: number): Buffer | number {
  const { mem } = inode;
  const sb = superBlock(mem);
  const block = indexChild(mem, node, position);
  if (!onDevice(sb, block, 1)) return -Errno.EUCLEAN;
  const buffer = getBuffer(sb, block);
  if (typeof buffer === "number") return buffer;
  const child = bufferData(buffer);
  if (
    (trusted(buffer, inode) || checkNode(sb, inode, buffer)) &&
    nodeDepth(mem, child) === nodeDepth(mem, node) - 1 &&
    entryBlock(mem, child, 0) === entryBlock(mem, node, position) &&
    lastBlock(mem, child) < end
  ) {
    return buffer;
  }
  releaseBuffer(buffer);
  return -Errno.EUCLEAN;
}

/** The last file block that a node names: of its last extent, or where its last index starts. */
function lastBlock(mem: Memory, node: number): number {
  const last = entryCount(mem, node) - 1;
  const length = nodeDepth(mem, node) === 0 ? extentLength(mem, node, last) : 1;
  return entryBlock(mem, node, last) + length - 1;
}

function trusted(buffer: Buffer, inode: Inode): boolean {
  return buffer.kind === Kind.extentNode && buffer.owner === inode.number && isVerified(buffer);
}

function checkNode(sb: SuperBlock, inode: Inode, buffer: Buffer): boolean {
  if (buffer.kind !== Kind.plain) return false;
  const { mem } = inode;
  const node = bufferData(buffer);
  const good =
    nodeMagic(mem, node) === EXTENT_MAGIC &&
    maxEntries(mem, node) === blockEntries(sb.blockSize) &&
    entryCount(mem, node) > 0 &&
    (!hasChecksums(sb) || checksumIsGood(sb, inode, node)) &&
    entriesAreGood(sb, mem, node);
  if (good) markNode(inode, buffer);
  return good;
}

/** Says that a buffer holds a good node of this inode's tree. */
export function markNode(inode: Inode, buffer: Buffer): void {
  setKind(buffer, Kind.extentNode, inode.number, inode.generation);
  setVerified(buffer);
}

function checksumIsGood(sb: SuperBlock, inode: Inode, node: number): boolean {
  const { mem, number, generation } = inode;
  const tail = entryAt(node, blockEntries(sb.blockSize));
  return ownedSum(mem, sb.csumSeed, number, generation, node, tail - node) === mem.u32[tail >>> 2];
}

function entriesAreGood(sb: SuperBlock, mem: Memory, node: number): boolean {
  const count = entryCount(mem, node);
  if (count > maxEntries(mem, node)) return false;
  const isLeaf = nodeDepth(mem, node) === 0;
  let next = 0;
  for (let index = 0; index < count; index++) {
    const start = entryBlock(mem, node, index);
    const length = isLeaf ? extentLength(mem, node, index) : 1;
    const media = isLeaf ? extentMedia(mem, node, index) : indexChild(mem, node, index);
    if (start < next || !onDevice(sb, media, length)) return false;
    next = start + length;
    if (next > MAX_FILE_BLOCKS) return false;
  }
  return true;
}
