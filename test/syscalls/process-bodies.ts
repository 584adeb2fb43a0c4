// What the threads of process.test.ts do.  `at` is a descriptor of process 0, or 0.

import type { Memory } from "../../src/machine/memory.ts";
import { SysError } from "../../src/syscalls/error.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { serveFaults } from "../../src/xip/fault.ts";

export const RECORD = 8; // bytes

function attach(mem: Memory, process: number): Sys {
  const design = [...designs.values()].find(({ sound }) => sound);
  if (design === undefined) throw new Error("no design is meant to be sound");
  serveFaults(mem, design);
  return new Sys(mem, design, process);
}

/** Reads records through a descriptor that others read, too; gives their numbers. */
export function readRecords(mem: Memory, at: number): number[] {
  const sys = attach(mem, 0);
  const seen: number[] = [];
  for (;;) {
    const bytes = sys.read(at, RECORD);
    if (bytes.length === 0) return seen;
    if (bytes.length !== RECORD) throw new Error(`a record of ${bytes.length} bytes`);
    seen.push(new DataView(bytes.buffer).getUint32(0));
  }
}

/** Writes records through a descriptor that others write through, too. */
export function writeRecords(mem: Memory, at: number, rounds: number, task: number): void {
  const sys = attach(mem, 0);
  for (let i = 0; i < rounds; i++) sys.write(at, record(task, i));
}

/** Appends records to a file that other processes append to. */
export function appendRecords(mem: Memory, _at: number, rounds: number, task: number): void {
  const sys = attach(mem, task);
  const fd = sys.open("/log", "a");
  for (let i = 0; i < rounds; i++) sys.write(fd, record(task, i));
  sys.close(fd);
}

function record(task: number, index: number): Uint8Array {
  const bytes = new Uint8Array(RECORD);
  new DataView(bytes.buffer).setUint32(0, task);
  new DataView(bytes.buffer).setUint32(4, index + 1);
  return bytes;
}

/** Opens and closes in a table that others use, too; gives how often it found its file as it was. */
export function churn(mem: Memory, _at: number, rounds: number, task: number): number {
  const sys = attach(mem, 0);
  let good = 0;
  for (let i = 0; i < rounds; i++) {
    const fd = sys.open(`/own${task}`, "r");
    if (sys.pread(fd, 1, 0)[0] === task + 1) good += 1;
    sys.close(fd);
  }
  return good;
}

/** Uses descriptors that another task closes under its hands: whatever it gets, it is bytes or EBADF. */
export function useWhileClosed(mem: Memory, at: number, rounds: number): string[] {
  const sys = attach(mem, 0);
  const seen = new Set<string>();
  for (let i = 0; i < rounds; i++) seen.add(outcomeOf(sys, at));
  return [...seen];
}

function outcomeOf(sys: Sys, fd: number): string {
  try {
    return sys.pread(fd, 4, 0).join(" ");
  } catch (error) {
    if (error instanceof SysError) return error.code;
    throw error;
  }
}

/** Opens, unlinks and closes a file at the same descriptor again and again. */
export function closeUnder(mem: Memory, at: number, rounds: number): void {
  const sys = attach(mem, 0);
  for (let i = 0; i < rounds; i++) {
    const fd = sys.open("/shortlived", "w+");
    if (fd !== at) throw new Error(`opened ${fd}, not ${at}`);
    sys.write(fd, new Uint8Array(4).fill(7));
    sys.unlink("/shortlived");
    sys.close(fd);
  }
}
