// What is wrong with the media, told where it is found.  A call that meets damage fails with -EUCLEAN or
// -EFSBADCRC, and the sentence that names the structure is kept for it: the door of the system calls puts it
// into the error, as the kernel puts it into its log.
//
// Each task has a place of its own for the last thing it found, and alone uses it.  `superblock.damaged` and
// `readOnly` only ever go from 0 to 1 while mounted, so they need no lock.

import { currentTask } from "../machine/cpu.ts";
import { Errno } from "../machine/errors.ts";
import { allocate, strideOf, viewAt } from "../machine/layout.ts";
import { TASK_SLOTS } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { f64, struct, u32, type ViewOf } from "../machine/struct.ts";
import { superBlock } from "./super.ts";

const sentences = {
  block: (block) => `a block number is damaged: the file system has no block ${block}`,
  ownBlock: (block) => `what has block ${block} is damaged: there lies a structure of the file system's own`,
  dataRange: (block, count) =>
    `what has the ${count} blocks from ${block} on is damaged: not all of them exist`,
  blockBitmap: (group) =>
    `the block bitmap of group ${group} is damaged: it calls the group's own blocks free`,
  blockBitmapSum: (group) => `the checksum of group ${group}'s block bitmap is wrong`,
  inodeBitmapSum: (group) => `the checksum of group ${group}'s inode bitmap is wrong`,
  freeBlocks: (group) =>
    `the block bitmap of group ${group} is damaged: it does not fit the free count or the files`,
  freeInodes: (group) =>
    `the inode bitmap of group ${group} is damaged: it does not fit the free count or the files`,
  ownInode: (inode) => `a directory entry is damaged: inode ${inode} is the file system's own`,
  ownParent: (inode) => `a directory entry is damaged: it leads from directory ${inode} back to it`,
  noInode: (inode) => `a directory entry is damaged: there is no inode ${inode}`,
  freedInode: (inode) => `a directory entry is damaged: inode ${inode} is not in use`,
  inodeSum: (inode) => `the checksum of inode ${inode} is wrong`,
  inodeExtra: (inode, size) => `inode ${inode} is damaged: its i_extra_isize is ${size}`,
  inodeSize: (inode, size) => `inode ${inode} is damaged: its size is ${size}`,
  inodeLinks: (inode) => `inode ${inode} is damaged: it loses a link and has none`,
  reservedInode: (inode) => `inode ${inode} is damaged: it is reserved, and has no links`,
  orphanList: (inode) => `the orphan list is damaged: inode ${inode} is not on it`,
  orphan: (inode) => `the orphan list is damaged: inode ${inode} cannot be on it`,
  orphanFile: (inode) => `the orphan file, inode ${inode}, is damaged`,
  orphanFileSum: (block) => `the checksum of the orphan file's block ${block} is wrong`,
  rootType: (inode) => `the root directory, inode ${inode}, is damaged: it is no directory`,
  symlink: (inode) => `the symbolic link of inode ${inode} is damaged: its target does not fit its size`,
  extentRoot: (inode) => `the extent tree of inode ${inode} is damaged: its root`,
  extentNode: (inode, block) => `the extent tree of inode ${inode} is damaged: its node in block ${block}`,
  extentNodeSum: (inode, block) =>
    `the checksum of the extent node in block ${block} (inode ${inode}) is wrong`,
  extent: (inode, block) => `the extent tree of inode ${inode} is damaged: its extent at file block ${block}`,
  blockMap: (inode, block) => `the block map of inode ${inode} is damaged: it names block ${block}`,
  attributes: (inode, block) =>
    `the extended attributes of inode ${inode} are damaged: they are said to be in block ${block}`,
  attributesSum: (inode, block) =>
    `the checksum of the extended attributes in block ${block} (inode ${inode}) is wrong`,
  directory: (inode, block) => `directory ${inode} is damaged: its block ${block}`,
  directorySum: (inode, block) => `the checksum of block ${block} of directory ${inode} is wrong`,
  hashTree: (inode) => `the hash tree of directory ${inode} is damaged`,
} satisfies Record<string, (first: number, second: number) => string>;

export type Damage = keyof typeof sentences;
const kinds = Object.keys(sentences) as Damage[];

const Finding = struct("finding", {
  errno: u32, // what the call fails with; 0: nothing found
  kind: u32, // its place in `kinds`
  first: f64,
  second: f64,
});

/** What to do when damage is found.  On media: s_errors. */
export const OnErrors = { continue: 1, readOnly: 2, panic: 3 } as const;

/** Makes a place for each task.  At boot. */
export function initFindings(mem: Memory): void {
  superBlock(mem).findingsAt = allocate(mem, Finding, TASK_SLOTS);
}

function findingOf(mem: Memory): ViewOf<typeof Finding> {
  return viewAt(mem, Finding, superBlock(mem).findingsAt + currentTask() * strideOf(Finding));
}

/** Tells of damage; the sentence of `kind` explains the numbers.  Returns -EUCLEAN.  kernel: ext4_error */
export function damaged(mem: Memory, kind: Damage, first: number, second = 0): number {
  return tell(mem, Errno.EUCLEAN, kind, first, second);
}

/** The same for a checksum.  Returns -EFSBADCRC. */
export function badChecksum(mem: Memory, kind: Damage, first: number, second = 0): number {
  return tell(mem, Errno.EFSBADCRC, kind, first, second);
}

function tell(mem: Memory, errno: number, kind: Damage, first: number, second: number): number {
  const finding = findingOf(mem);
  finding.errno = errno;
  finding.kind = kinds.indexOf(kind);
  finding.first = first;
  finding.second = second;
  const sb = superBlock(mem);
  sb.damaged = 1;
  // A panic would stop the machine that is to say what it found.
  if (sb.onErrors !== OnErrors.continue) sb.readOnly = 1;
  return -errno;
}

/** Before a page fault: the signal that it may raise does not say whether damage is why. */
export function forgetFinding(mem: Memory): void {
  findingOf(mem).errno = 0;
}

/**
 * The sentence for an error or signal that the current task's call ends with, if damage is why; then it is
 * forgotten.
 */
export function takeFinding(mem: Memory, error: number): string | undefined {
  const finding = findingOf(mem);
  if (finding.errno === 0 || (error !== -Errno.SIGBUS && error !== -finding.errno)) return undefined;
  finding.errno = 0;
  return sentences[kinds[finding.kind] as Damage](finding.first, finding.second);
}
