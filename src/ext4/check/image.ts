// The checker's own eyes: bytes of the media by offset, and the superblock's numbers.  Nothing of the
// kernel layers is used but the checksum functions, so that a mistake there is not made twice.

import { header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { crc32c } from "../media/checksum.ts";

/** One thing that is wrong. */
export interface Problem {
  /** What it is about: "inode 12", "group 0". */
  readonly place: string;
  readonly message: string;
}

/** Enough to see what happened; a damaged image could have a million. */
const MAX_PROBLEMS = 200;

export const BLOCK = 4096;

/** The numbers that everything else is found by. */
export interface Facts {
  readonly blocks: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly firstInode: number;
  readonly descriptorSize: number;
  readonly descriptorBlocks: number;
  readonly reservedBlocks: number; // kept for descriptors
  readonly compat: number;
  readonly incompat: number;
  readonly readOnly: number;
  readonly checksums: boolean; // metadata_csum
  readonly groupChecksums: boolean; // that, or uninit_bg
  readonly seed: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly lastOrphan: number;
  readonly journalInode: number;
  readonly orphanFile: number; // the inode of a file without a name, in which Linux may list orphans; 0: none
  readonly backups: readonly [number, number];
}

export class Image {
  readonly mem: Memory;
  readonly start: number;
  readonly length: number;
  readonly problems: Problem[] = [];

  constructor(mem: Memory) {
    this.mem = mem;
    this.start = header(mem).media.start;
    this.length = header(mem).media.length;
  }

  u8(offset: number): number {
    return this.mem.u8[this.start + offset] as number;
  }

  u16(offset: number): number {
    return this.mem.u16[(this.start + offset) >>> 1] as number;
  }

  u32(offset: number): number {
    return this.mem.u32[(this.start + offset) >>> 2] as number;
  }

  bytes(offset: number, length: number): Uint8Array<ArrayBuffer> {
    return this.mem.read(this.start + offset, length);
  }

  crc(seed: number, offset: number, length: number): number {
    return crc32c(this.mem, seed, this.start + offset, length);
  }

  report(place: string, message: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ place, message });
  }
}

const SUPER = 1024;

/** What the superblock says; undefined, with a problem, when nothing can be found by it. */
export function readFacts(image: Image): Facts | undefined {
  const refuse = (message: string): undefined => {
    image.report("superblock", message);
    return undefined;
  };
  const word = (offset: number): number => image.u32(SUPER + offset);
  const half = (offset: number): number => image.u16(SUPER + offset);
  if (half(0x38) !== 0xef53) return refuse("it has no magic number");
  const [compat, incompat, readOnly] = [word(0x5c), word(0x60), word(0x64)];
  const checksums = (readOnly & 0x400) !== 0;
  if (checksums && image.crc(0xffff_ffff, SUPER, 0x3fc) !== word(0x3fc)) {
    image.report("superblock", "its checksum is wrong");
  }
  if ((incompat & 0x4) !== 0) image.report("superblock", "the journal needs recovery");
  if (half(0x3a) !== 1) image.report("superblock", `its state is ${half(0x3a)}, not clean`);
  const [blocks, blocksPerGroup, inodesPerGroup] = [word(0x4), word(0x20), word(0x28)];
  const inodeSize = half(0x58);
  const descriptorSize = (incompat & 0x80) === 0 ? 32 : half(0xfe);
  if (word(0x18) !== 2 || word(0x14) !== 0) return refuse("its blocks are not 4096 bytes from block 0 on");
  if (blocks === 0 || blocks * BLOCK > image.length)
    return refuse(`it has ${blocks} blocks, more than the media`);
  if (blocksPerGroup < 8 || blocksPerGroup > BLOCK * 8 || blocksPerGroup % 8 !== 0) {
    return refuse(`it has ${blocksPerGroup} blocks in a group`);
  }
  if (![128, 256, 512, 1024, 2048, 4096].includes(inodeSize))
    return refuse(`its inodes have ${inodeSize} bytes`);
  if (inodesPerGroup < 8 || inodesPerGroup > BLOCK * 8 || inodesPerGroup % 8 !== 0) {
    return refuse(`it has ${inodesPerGroup} inodes in a group`);
  }
  if (![32, 64, 128, 256, 512, 1024].includes(descriptorSize)) {
    return refuse(`its descriptors have ${descriptorSize} bytes`);
  }
  const groups = Math.ceil(blocks / blocksPerGroup);
  if (word(0) !== groups * inodesPerGroup) return refuse(`it has ${word(0)} inodes in ${groups} groups`);
  const descriptorBlocks = Math.ceil((groups * descriptorSize) / BLOCK);
  if (1 + descriptorBlocks > Math.min(blocks, blocksPerGroup))
    return refuse("its descriptors do not fit group 0");
  return {
    blocks,
    blocksPerGroup,
    groups,
    inodesPerGroup,
    inodeSize,
    firstInode: Math.max(11, word(0x54)),
    descriptorSize,
    descriptorBlocks,
    reservedBlocks: (compat & 0x210) === 0 ? 0 : half(0xce),
    compat,
    incompat,
    readOnly,
    checksums,
    groupChecksums: (readOnly & 0x410) !== 0,
    seed: (incompat & 0x2000) === 0 ? image.crc(0xffff_ffff, SUPER + 0x68, 16) : word(0x270),
    freeBlocks: word(0xc),
    freeInodes: word(0x10),
    lastOrphan: word(0xe8),
    journalInode: word(0xe0),
    orphanFile: (compat & 0x1000) === 0 ? 0 : word(0x280),
    backups: [word(0x24c), word(0x250)],
  };
}
