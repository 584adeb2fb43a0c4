// Where the buffers of directories' blocks may be: a guess for each place of a small table, so that a block which is in
// memory is found without the directory's extent tree.
//
// A block of a directory stays the directory's for as long as that lives.  So a guess is right if the buffer says
// itself what it holds; and if not, the tree knows.
//
// Lock: the directory's rwsem, which callers hold.  The table has none: its words are read and written whole.

import { allocate, Root, rootView, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { touch } from "../../machine/snapshot.ts";
import { bytes, struct, type ViewOf } from "../../machine/struct.ts";
import { Buffer, bufferAt, holdBuffer, isVerified, Kind, releaseBuffer } from "../buffer.ts";
import type { Inode } from "../inode.ts";

const GUESSES = 1024;
const BlockHints = struct("block_hints", { buffers: bytes(4 * GUESSES, 4) });

/** At boot. */
export function initBlockHints(mem: Memory): void {
  setRoot(mem, Root.blockHints, allocate(mem, BlockHints));
}

function hints(mem: Memory): ViewOf<typeof BlockHints> {
  return rootView(mem, Root.blockHints, BlockHints);
}

/** The table's word for a block of a directory. */
function wordFor({ mem, number }: Inode, block: number): number {
  return (hints(mem).buffers >>> 2) + ((Math.imul(number, 0x9e3779b1) + block) & (GUESSES - 1));
}

/** Whether a buffer holds a good block of a directory: a leaf, or a node of its index. */
export function isTrusted({ number, generation }: Inode, buffer: Buffer): boolean {
  const ours = buffer.kind === Kind.directory || buffer.kind === Kind.hashNode;
  return ours && buffer.owner === number && buffer.generation === generation && isVerified(buffer);
}

/** The buffer of a directory's block, held, if the table knows it. */
export function guessBlock(directory: Inode, block: number): Buffer | undefined {
  const { mem } = directory;
  const at = mem.u32[wordFor(directory, block)] as number;
  if (at === 0) return undefined;
  const buffer = bufferAt(mem, at);
  if (buffer.place !== block || !holdBuffer(buffer)) return undefined;
  if (buffer.place === block && isTrusted(directory, buffer)) return buffer;
  releaseBuffer(buffer);
  return undefined;
}

/** Remembers where a directory's block is; the caller holds its buffer. */
export function rememberBlock(directory: Inode, block: number, buffer: Buffer): void {
  if (buffer.place !== block) {
    touch(buffer.mem, buffer.at, Buffer.size);
    buffer.place = block;
  }
  directory.mem.u32[wordFor(directory, block)] = buffer.at;
}
