// All files of the image on the media, read without the kernel layers: what "mounted anew" shows.

import type { Memory } from "../../machine/memory.ts";
import { readDirectory } from "./directory.ts";
import { readGroups, type Group } from "./groups.ts";
import { BLOCK, Image, readFacts, type Facts } from "./image.ts";
import {
  DIRECTORY,
  hasMap,
  neverUsed,
  readInode,
  readMap,
  TYPE,
  type InodeFacts,
  type Piece,
} from "./inode.ts";

export interface FileOnMedia {
  readonly ino: number;
  readonly generation: number;
  readonly mode: number;
  readonly nlink: number;
  /** In bytes. */
  readonly size: number;
  /** In units of 512 bytes. */
  readonly blocks: number;
  /** In blocks of 4096 bytes. */
  readonly extents: readonly Piece[];
  /** The file's bytes up to its size, or the first of them; a symlink's target.  Holes and unwritten blocks are zeros. */
  content(limit?: number): Uint8Array<ArrayBuffer>;
}

/** Every file by its path, "/" first.  Throws when the superblock or the groups cannot be read. */
export function readTree(mem: Memory): Map<string, FileOnMedia> {
  const image = new Image(mem);
  const facts = readFacts(image);
  const groups = facts === undefined ? undefined : readGroups(image, facts);
  if (facts === undefined || groups === undefined) {
    const [problem] = image.problems;
    throw new Error(`the image cannot be read: ${problem?.place ?? ""}: ${problem?.message ?? ""}`);
  }
  const tree = new Map<string, FileOnMedia>();
  visit(image, facts, groups, 2, "", tree, new Set());
  return tree;
}

function visit(
  image: Image,
  facts: Facts,
  groups: readonly Group[],
  number: number,
  path: string,
  tree: Map<string, FileOnMedia>,
  above: Set<number>,
): void {
  if (number < 1 || number > facts.groups * facts.inodesPerGroup || neverUsed(facts, groups, number)) return;
  const inode = readInode(image, facts, groups, number);
  const { pieces } = readMap(image, facts, inode);
  tree.set(path === "" ? "/" : path, {
    ino: number,
    generation: inode.generation,
    mode: inode.mode,
    nlink: inode.links,
    size: inode.size,
    blocks: inode.blocks,
    extents: pieces,
    content: (limit = inode.size) => contentOf(image, inode, pieces, Math.min(limit, inode.size)),
  });
  // A damaged tree could lead back up.
  if ((inode.mode & TYPE) !== DIRECTORY || above.has(number)) return;
  above.add(number);
  for (const entry of readDirectory(image, facts, inode, pieces)) {
    if (entry.name === "." || entry.name === "..") continue;
    const name = new TextDecoder().decode(Uint8Array.from(entry.name, (letter) => letter.charCodeAt(0)));
    visit(image, facts, groups, entry.inode, `${path}/${name}`, tree, above);
  }
  above.delete(number);
}

function contentOf(
  image: Image,
  inode: InodeFacts,
  pieces: readonly Piece[],
  size: number,
): Uint8Array<ArrayBuffer> {
  if (!hasMap(inode)) return image.bytes(inode.offset + 0x28, Math.min(60, size));
  const bytes = new Uint8Array(size);
  for (const { logical, physical, length, unwritten } of pieces) {
    const from = logical * BLOCK;
    const until = Math.min(size, from + length * BLOCK);
    if (!unwritten && from < until) bytes.set(image.bytes(physical * BLOCK, until - from), from);
  }
  return bytes;
}
