// Trusting a node.  A node that comes from the media is checked once, whole, and its buffer is then marked
// as this inode's; from there on only this code changes it.  What ties a node to its parent is checked on
// every visit, because a damaged index may lead to a good node at the wrong place: its depth, and that its
// entries lie within the range of its index.  A walk therefore ends after MAX_DEPTH levels, and two ways
// to one node cannot both be taken.

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
import { badChecksum, damaged } from "../damage.ts";
import { overlapsMetadata } from "../group.ts";
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
import { hasChecksums, superBlock, type SuperBlock } from "../super.ts";

/**
 * Whether blocks can be an inode's: they lie on the media, and are not the file system's own; the journal's are, and
 * were looked at when it was opened.  kernel: ext4_inode_block_valid
 */
export function canBeOf(sb: SuperBlock, inode: Inode, media: number, length: number): boolean {
  const onMedia = media > 0 && length > 0 && media + length <= sb.blockCount;
  return onMedia && (inode.number === sb.journalInode || !overlapsMetadata(sb, media, length));
}

/** Whether an inode has the root of a tree at all.  `checkRoot` looked at the rest when it was read. */
export function rootIsGood(inode: Inode): boolean {
  const root = treeRoot(inode);
  return nodeMagic(inode.mem, root) === EXTENT_MAGIC && nodeDepth(inode.mem, root) <= MAX_DEPTH;
}

/** Checks the root of an inode that has just been read: 0 or -EUCLEAN. */
export function checkRoot(inode: Inode): number {
  const { mem } = inode;
  const root = treeRoot(inode);
  const good =
    rootIsGood(inode) &&
    maxEntries(mem, root) >= 1 &&
    maxEntries(mem, root) <= ROOT_ENTRIES &&
    (nodeDepth(mem, root) === 0 || entryCount(mem, root) > 0) &&
    entriesAreGood(inode, root);
  return good ? 0 : damaged(mem, "extentRoot", inode.number);
}

/**
 * The buffer of the node below an index, which covers file blocks up to `end`; the caller releases it.
 * -EUCLEAN when it is not what the index says, -EFSBADCRC, or the error of reading it.
 */
export function readChild(inode: Inode, node: number, position: number, end: number): Buffer | number {
  const { mem } = inode;
  const sb = superBlock(mem);
  const block = indexChild(mem, node, position);
  const buffer = getBuffer(sb, block);
  if (typeof buffer === "number") return buffer;
  const child = bufferData(buffer);
  let error = trusted(buffer, inode) ? 0 : checkNode(sb, inode, buffer);
  if (
    error === 0 &&
    nodeDepth(mem, child) === nodeDepth(mem, node) - 1 &&
    entryBlock(mem, child, 0) === entryBlock(mem, node, position) &&
    lastBlock(mem, child) < end
  ) {
    return buffer;
  }
  error ||= damaged(mem, "extentNode", inode.number, block);
  releaseBuffer(buffer);
  return error;
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

/** 0 for a good node, which is then marked; -EUCLEAN, -EFSBADCRC.  kernel: __ext4_ext_check */
function checkNode(sb: SuperBlock, inode: Inode, buffer: Buffer): number {
  const { mem, number } = inode;
  const node = bufferData(buffer);
  const good =
    buffer.kind === Kind.plain &&
    nodeMagic(mem, node) === EXTENT_MAGIC &&
    maxEntries(mem, node) === blockEntries(sb.blockSize) &&
    entryCount(mem, node) > 0 &&
    entriesAreGood(inode, node);
  if (!good) return damaged(mem, "extentNode", number, buffer.block);
  if (hasChecksums(sb) && !checksumIsGood(sb, inode, node)) {
    return badChecksum(mem, "extentNodeSum", number, buffer.block);
  }
  markNode(inode, buffer);
  return 0;
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

function entriesAreGood(inode: Inode, node: number): boolean {
  const { mem } = inode;
  const sb = superBlock(mem);
  const count = entryCount(mem, node);
  if (count > maxEntries(mem, node)) return false;
  const isLeaf = nodeDepth(mem, node) === 0;
  let next = 0;
  for (let index = 0; index < count; index++) {
    const start = entryBlock(mem, node, index);
    const length = isLeaf ? extentLength(mem, node, index) : 1;
    const media = isLeaf ? extentMedia(mem, node, index) : indexChild(mem, node, index);
    if (start < next || !canBeOf(sb, inode, media, length)) return false;
    next = start + length;
    if (next > MAX_FILE_BLOCKS) return false;
  }
  return true;
}
