// A process: an address space and a table of descriptors.  Tasks are threads of processes; a process has one
// task unless the scenario puts more into it.
//
//   lock          protects the descriptors and the references of the files they point to
//   tasks, umask, space   set at boot or before the tasks run
//
// As in the kernel, a process with one task takes no reference for the length of a call: nobody else
// could close the descriptor.
//
// Lock order: process.lock, files.lock.

import type { Inode } from "../ext4/inode.ts";
import { inodeAt, iput } from "../ext4/inodes/cache.ts";
import { LockClass } from "../locks/classes.ts";
import { initSpinLock, SpinLock, spinLock, spinUnlock } from "../locks/spinlock.ts";
import { currentTask } from "../machine/cpu.ts";
import { assert, bug, Errno } from "../machine/errors.ts";
import { allocate, Root, rootAt, setRoot, strideOf, viewAt } from "../machine/layout.ts";
import { HOST_TASK, MAX_DESCRIPTORS, MAX_PROCESSES } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { bytes, cacheLine, embed, struct, u32, type ViewOf } from "../machine/struct.ts";
import { AddressSpace, newSpace } from "../mm/space.ts";
import type { Design, WritePlace } from "../xip/design.ts";
import { type File, fileOf, takeFile } from "./file.ts";
import {
  beginCall,
  type Call,
  type CallRecord,
  endCall,
  recordFile,
  type Records,
  recordsIn,
} from "./record.ts";

const Process = struct("process", {
  line: cacheLine,
  lock: embed(SpinLock),
  index: u32,
  spaceAt: u32, // the AddressSpace
  tasks: u32, // how many tasks run in it
  umask: u32,
  descriptors: bytes(2 * MAX_DESCRIPTORS, 8), // 16 bits each: the file's slot plus one, 0 when closed
});
type Process = ViewOf<typeof Process>;

/** 0 to 2 are what programs take for terminals; no file is given these numbers. */
const FIRST_DESCRIPTOR = 3;

/** Makes the processes, each with an empty address space.  At boot. */
export function initProcesses(mem: Memory): void {
  setRoot(mem, Root.processes, allocate(mem, Process, MAX_PROCESSES));
  for (let index = 0; index < MAX_PROCESSES; index++) {
    const process = processOf(mem, index);
    initSpinLock(process.lock, LockClass["process.lock"]);
    const space = newSpace(mem);
    if (typeof space === "number") bug("there are fewer address spaces than processes");
    process.index = index;
    process.spaceAt = space.at;
    process.tasks = 1;
    process.umask = 0o022;
  }
}

/** A process by its number: the task of the same number runs in it unless the scenario says otherwise. */
export function processOf(mem: Memory, index: number): Process {
  assert(index >= 0 && index < MAX_PROCESSES, "a process has a number below the limit");
  return viewAt(mem, Process, rootAt(mem, Root.processes) + index * strideOf(Process));
}

/** Says how many tasks run in a process.  Before they run: with more than one, calls take references. */
export function setTasks(mem: Memory, index: number, tasks: number): void {
  processOf(mem, index).tasks = tasks;
}

const entryOf = (process: Process, fd: number): number => (process.descriptors >>> 1) + fd;

/**
 * Opens the lowest free descriptor on an inode.  Returns it, or an error number; the caller's reference
 * on the inode is then the description's.
 */
export function openDescriptor(process: Process, inode: Inode, flags: number): number {
  spinLock(process.lock);
  const fd = installFile(process, inode, flags);
  spinUnlock(process.lock);
  return fd;
}

function installFile(process: Process, inode: Inode, flags: number): number {
  const { mem } = process;
  let fd = FIRST_DESCRIPTOR;
  while (fd < MAX_DESCRIPTORS && mem.u16[entryOf(process, fd)] !== 0) fd++;
  if (fd === MAX_DESCRIPTORS) return -Errno.EMFILE;
  const slot = takeFile(mem, process.index);
  if (slot < 0) return -Errno.ENFILE;
  const file = fileOf(mem, slot);
  file.inodeAt = inode.at;
  file.flags = flags;
  file.position = 0;
  mem.u16[entryOf(process, fd)] = slot + 1;
  return fd;
}

/** Whether a number can be an open descriptor at all. */
const isDescriptor = (fd: number): boolean => (fd | 0) === fd && fd >= 0 && fd < MAX_DESCRIPTORS;

/**
 * The slot of a descriptor's description, or -EBADF.  The description stays until `putFile`.
 * kernel: fdget
 */
function getFile(process: Process, fd: number): number {
  if (!isDescriptor(fd)) return -Errno.EBADF;
  if (process.tasks > 1) return getSharedFile(process, fd);
  const entry = process.mem.u16[entryOf(process, fd)] as number;
  return entry === 0 ? -Errno.EBADF : entry - 1;
}

function getSharedFile(process: Process, fd: number): number {
  spinLock(process.lock);
  const entry = process.mem.u16[entryOf(process, fd)] as number;
  if (entry !== 0) fileOf(process.mem, entry - 1).references += 1;
  spinUnlock(process.lock);
  return entry === 0 ? -Errno.EBADF : entry - 1;
}

/**
 * Ends the use that `getFile` began.  Returns the inode's address when the description went with it: the
 * caller then puts the inode.  Otherwise 0.  kernel: fdput
 */
function putFile(process: Process, file: File): number {
  if (process.tasks === 1) return 0;
  spinLock(process.lock);
  const last = dropReference(file);
  spinUnlock(process.lock);
  return last;
}

/** Closes a descriptor.  Returns -EBADF, or what `putFile` returns. */
export function closeDescriptor(process: Process, fd: number): number {
  if (!isDescriptor(fd)) return -Errno.EBADF;
  spinLock(process.lock);
  const entry = process.mem.u16[entryOf(process, fd)] as number;
  let result: number = -Errno.EBADF;
  if (entry !== 0) {
    process.mem.u16[entryOf(process, fd)] = 0;
    result = dropReference(fileOf(process.mem, entry - 1));
  }
  spinUnlock(process.lock);
  return result;
}

function dropReference(file: File): number {
  const at = file.inodeAt;
  file.references -= 1;
  return file.references === 0 ? at : 0;
}

/**
 * Who makes a system call: a process, and what every call needs of the machine.  It is for one thread and
 * holds no state, only views: several of them may stand for one process.
 */
export class Caller {
  readonly mem: Memory;
  readonly design: Design;
  readonly process: Process;
  readonly space: AddressSpace;
  readonly records: Records;
  readonly index: number;
  /** Where the write goes that is under way. */
  readonly place: WritePlace = { position: 0, append: false };
  /** Views of descriptions by their slot, and of the inode used last: looking them up again costs a map. */
  readonly #files: File[] = [];
  #inode: Inode | undefined = undefined;

  constructor(mem: Memory, design: Design, process: number) {
    this.mem = mem;
    this.design = design;
    this.index = process;
    this.process = processOf(mem, process);
    this.space = viewAt(mem, AddressSpace, this.process.spaceAt);
    this.records = recordsIn(mem);
  }

  /** Enters a call.  Returns its record, or undefined while nothing is recorded. */
  begin(kind: Call): CallRecord | undefined {
    const task = currentTask();
    if (task !== this.index && task !== HOST_TASK && this.process.tasks === 1) {
      bug(`task ${task} calls as process ${this.index}, which has one task only (setTasks says otherwise)`);
    }
    return beginCall(this.records, this.index, kind);
  }

  /** Leaves a call with what the kernel returned. */
  end(record: CallRecord | undefined, result: number): void {
    endCall(this.records, record, result);
  }

  /** The description of a descriptor, or -EBADF; `release` ends its use. */
  file(fd: number): File | number {
    const slot = getFile(this.process, fd);
    if (slot < 0) return slot;
    return (this.#files[slot] ??= fileOf(this.mem, slot));
  }

  /** The inode of an open file. */
  inode(file: File): Inode {
    const before = this.#inode;
    if (before !== undefined && before.at === file.inodeAt) return before;
    return (this.#inode = inodeAt(this.mem, file.inodeAt));
  }

  /** Ends the use of a description.  Where another task closed it meanwhile, this was the last one. */
  release(file: File): void {
    const at = putFile(this.process, file);
    if (at !== 0) iput(inodeAt(this.mem, at));
  }

  /** Closes a descriptor.  Returns 0 or an error number. */
  close(fd: number, record: CallRecord | undefined): number {
    const at = closeDescriptor(this.process, fd);
    if (at <= 0) return at;
    const inode = inodeAt(this.mem, at);
    if (record !== undefined) recordFile(record, inode, 0, 0);
    return iput(inode);
  }
}
