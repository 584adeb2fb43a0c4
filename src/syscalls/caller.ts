// Who makes a system call: the process, and what every call needs of the machine.  It is a JS object for
// one thread and holds no state, only views: several of them may stand for one process.

import type { Inode } from "../ext4/inode.ts";
import { inodeAt, iput } from "../ext4/inodes/cache.ts";
import { currentTask } from "../machine/cpu.ts";
import { bug } from "../machine/errors.ts";
import { viewAt } from "../machine/layout.ts";
import { HOST_TASK } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { AddressSpace } from "../mm/space.ts";
import type { Design } from "../xip/design.ts";
import { type File, fileOf } from "./file.ts";
import { closeDescriptor, getFile, type Process, processOf, putFile } from "./process.ts";
import {
  beginCall,
  type Call,
  type CallRecord,
  endCall,
  recordFile,
  type Records,
  recordsIn,
} from "./record.ts";

export class Caller {
  readonly mem: Memory;
  readonly design: Design;
  readonly process: Process;
  readonly space: AddressSpace;
  readonly records: Records;
  readonly index: number;
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
