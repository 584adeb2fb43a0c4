// The hash tree of an indexed directory: found by the hash of its name, an entry costs two or three blocks,
// however many names there are.
//
// All names of one hash lie in one leaf, or in leaves that follow one another: then the lowest bit of the
// later ones' hashes in the index says that they go on with the hash before.
//
// Linux's rules: a directory becomes indexed when its first block is full; a full leaf is halved by hash;
// leaves and nodes are never joined again.  Callers hold the directory's rwsem, as for all of its names.

import { Errno } from "../../machine/errors.ts";
import { bufferData, Kind, releaseBuffer, setKind, type Buffer } from "../buffer.ts";
import { damaged } from "../damage.ts";
import { beginInodeChange, markInodeDirty, rawInode, type Inode } from "../inode.ts";
import { getWriteAccess } from "../journal/handle.ts";
import type { Handle } from "../journal/state.ts";
import { DirectoryEntry, DOT_LENGTH } from "../media/directory.ts";
import { InodeFlag } from "../media/inode.ts";
import { Compat } from "../media/features.ts";
import { BLOCK_SIZE, superBlock } from "../super.ts";
import { addBlock, blocksOf, readBlock } from "./block.ts";
import { hashName, HashVersion } from "./hash.ts";
import {
  blockAt,
  countOf,
  cutEntries,
  deepenRoot,
  entriesFrom,
  hashAt,
  insertEntry,
  isFull,
  makeNode,
  makeRoot,
  openNode,
  rootInfo,
  seek,
  type Step,
} from "./hash-node.ts";
import { packBlock, usedEntries, type Used } from "./pack.ts";

/** The way from the root to a leaf that may hold a name, and the name's hash.  Its buffers are held. */
export interface HashPath {
  readonly steps: Step[];
  readonly hash: number;
  readonly version: number;
}

const lastOf = ({ steps }: HashPath): Step => steps.at(-1) as Step;

export function releaseSteps({ steps }: HashPath): void {
  for (const { buffer } of steps) releaseBuffer(buffer);
}

/** Finds where a name would lie.  -EUCLEAN in a damaged tree.  kernel: dx_probe */
export function descend(directory: Inode, name: Uint8Array): HashPath | number {
  const { mem } = directory;
  const root = readNode(directory, 0);
  if (typeof root === "number") return root;
  const { version, levels } = rootInfo(root);
  const path = { steps: [root], hash: hashName(superBlock(mem), version, name), version };
  seek(mem, root, path.hash);
  if (levels === 0) return path;
  const node = readNode(directory, blockAt(mem, root, root.position));
  if (typeof node === "number") {
    releaseSteps(path);
    return node;
  }
  seek(mem, node, path.hash);
  path.steps.push(node);
  return path;
}

function readNode(directory: Inode, block: number): Step | number {
  const buffer = readBlock(directory, block);
  if (typeof buffer === "number") return buffer || damaged(directory.mem, "hashTree", directory.number);
  const node = openNode(directory, buffer, block === 0);
  if (typeof node === "number") releaseBuffer(buffer);
  return node;
}

/** The leaf that a path leads to, held. */
export function readLeaf(directory: Inode, path: HashPath): Buffer | number {
  const node = lastOf(path);
  const block = blockAt(directory.mem, node, node.position);
  const buffer = readBlock(directory, block);
  if (typeof buffer === "number") return buffer || damaged(directory.mem, "hashTree", directory.number);
  if (buffer.kind !== Kind.hashNode) return buffer;
  releaseBuffer(buffer);
  return damaged(directory.mem, "hashTree", directory.number);
}

/** Moves on to the next leaf, if names of the path's hash may go on there: 1, else 0.  kernel: ext4_htree_next_block */
export function nextLeaf(directory: Inode, path: HashPath): number {
  const { mem } = directory;
  const { steps, hash } = path;
  let level = steps.length - 1;
  for (; level >= 0; level--) {
    const step = steps[level] as Step;
    step.position += 1;
    if (step.position < countOf(mem, step)) break;
  }
  if (level < 0) return 0;
  const step = steps[level] as Step;
  if (hashAt(mem, step, step.position) !== (hash | 1) >>> 0) return 0;
  if (level === steps.length - 1) return 1;
  const node = readNode(directory, blockAt(mem, step, step.position));
  if (typeof node === "number") return node;
  releaseBuffer((steps.pop() as Step).buffer);
  steps.push(node);
  return 1;
}

/**
 * Makes room where a name belongs: halves the path's leaf, or first its node where that is full.  Whoever wanted
 * the room descends again.  -ENOSPC.  kernel: ext4_dx_add_entry
 */
export function makeRoom(handle: Handle, directory: Inode, path: HashPath, leaf: Buffer): number {
  const node = lastOf(path);
  if (!isFull(directory.mem, node)) return splitLeaf(handle, directory, path, leaf);
  return path.steps.length === 1
    ? addLevel(handle, directory, node)
    : splitNode(handle, directory, path.steps[0] as Step, node);
}

/** kernel: do_split */
function splitLeaf(handle: Handle, directory: Inode, path: HashPath, leaf: Buffer): number {
  const entries = hashed(directory, path.version, usedEntries(directory.mem, bufferData(leaf)));
  const split = splitAt(entries);
  const from = (entries[split] as Hashed).hash;
  const continues = from === (entries[split - 1] as Hashed).hash;
  const opened = getWriteAccess(handle, leaf);
  if (opened < 0) return opened;
  const block = blocksOf(directory);
  const other = addBlock(handle, directory);
  if (typeof other === "number") return other;
  const result =
    packBlock(handle, directory, other, entries.slice(split)) ||
    packBlock(handle, directory, leaf, entries.slice(0, split)) ||
    insertEntry(handle, lastOf(path), continues ? (from | 1) >>> 0 : from, block);
  releaseBuffer(other);
  return result;
}

interface Hashed extends Used {
  readonly hash: number;
}

function hashed(directory: Inode, version: number, entries: readonly Used[]): Hashed[] {
  const sb = superBlock(directory.mem);
  return entries
    .map((entry) => ({ ...entry, hash: hashName(sb, version, entry.bytes.subarray(DirectoryEntry.size)) }))
    .toSorted((a, b) => a.hash - b.hash);
}

/** Where the upper half begins, by size; each half has an entry. */
function splitAt(entries: readonly Hashed[]): number {
  let size = 0;
  for (let index = entries.length - 1; index > 0; index--) {
    const own = (entries[index] as Hashed).size;
    if (size + own / 2 > BLOCK_SIZE / 2) return Math.min(index + 1, entries.length - 1);
    size += own;
  }
  // All of it would fit one half: the leaf was full of gaps.
  return Math.ceil(entries.length / 2);
}

function addLevel(handle: Handle, directory: Inode, root: Step): number {
  const block = blocksOf(directory);
  const buffer = addBlock(handle, directory);
  if (typeof buffer === "number") return buffer;
  setKind(buffer, Kind.hashNode, directory.number, directory.generation);
  const result =
    makeNode(handle, buffer, entriesFrom(directory.mem, root, 0)) || deepenRoot(handle, root, block);
  releaseBuffer(buffer);
  return result;
}

function splitNode(handle: Handle, directory: Inode, root: Step, node: Step): number {
  const { mem } = directory;
  if (isFull(mem, root)) return -Errno.ENOSPC;
  const block = blocksOf(directory);
  const buffer = addBlock(handle, directory);
  if (typeof buffer === "number") return buffer;
  setKind(buffer, Kind.hashNode, directory.number, directory.generation);
  const half = countOf(mem, node) >>> 1;
  const entries = entriesFrom(mem, node, half);
  const result =
    makeNode(handle, buffer, entries) ||
    insertEntry(handle, root, (entries[0] as [number, number])[0], block) ||
    cutEntries(handle, node, half);
  releaseBuffer(buffer);
  return result;
}

/** Whether a directory may become indexed: it has one block, and the image wants it. */
export function canBeIndexed(directory: Inode): boolean {
  const sb = superBlock(directory.mem);
  return (
    (sb.featureCompat & Compat.dir_index) !== 0 &&
    sb.hashVersion <= HashVersion.tea &&
    blocksOf(directory) === 1
  );
}

/** Makes a directory of one block an indexed one with one leaf.  kernel: make_indexed_dir */
export function makeIndexed(handle: Handle, directory: Inode): number {
  const first = readBlock(directory, 0);
  if (typeof first === "number") return first || damaged(directory.mem, "directory", directory.number);
  const result = moveToLeaf(handle, directory, first) || beginInodeChange(handle, directory);
  releaseBuffer(first);
  if (result < 0) return result;
  directory.flags |= InodeFlag.index;
  rawInode(directory).i_flags = directory.flags;
  return markInodeDirty(handle, directory);
}

/** Moves all but "." and ".." into a new block, and makes a root of what is left. */
function moveToLeaf(handle: Handle, directory: Inode, first: Buffer): number {
  const entries = usedEntries(directory.mem, bufferData(first));
  if (!isDots(entries)) return damaged(directory.mem, "directory", directory.number);
  const block = blocksOf(directory);
  const leaf = addBlock(handle, directory);
  if (typeof leaf === "number") return leaf;
  const packed = packBlock(handle, directory, leaf, entries.slice(2));
  releaseBuffer(leaf);
  if (packed < 0) return packed;
  setKind(first, Kind.hashNode, directory.number, directory.generation);
  return makeRoot(handle, first, superBlock(directory.mem).hashVersion, block);
}

function isDots([self, parent]: readonly Used[]): boolean {
  return (
    self?.place === 0 &&
    self.size === DOT_LENGTH &&
    parent?.place === DOT_LENGTH &&
    parent.size === DOT_LENGTH
  );
}
