// What the threads of the free-running figures do: 4 KiB at random places of a file of 16 MiB.

import type { Memory } from "../../src/machine/memory.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import type { Design } from "../../src/xip/design.ts";
import { serveFaults } from "../../src/xip/fault.ts";
import { rate } from "./figures.ts";

export const FILE_SIZE = 16 * 1024 * 1024;
const BLOCK = 4096;
const EACH = 100_000;
const design = designs.get("ext4-xip-serialized") as Design;

/** The next block of a sequence that is random enough. */
export function places(blocks: number): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % blocks;
  };
}

function callsOf(mem: Memory, task: number): { sys: Sys; fd: number; next: () => number } {
  serveFaults(mem, design);
  const sys = new Sys(mem, design, task);
  return { sys, fd: sys.open(`/file${task}`, "r+"), next: places(FILE_SIZE / BLOCK) };
}

export function overwrite(mem: Memory, _at: number, rounds: number, task: number): number {
  const { sys, fd, next } = callsOf(mem, task);
  const bytes = new Uint8Array(BLOCK).fill(task + 1);
  const found = rate(() => sys.pwrite(fd, bytes, next() * BLOCK), EACH, rounds);
  sys.close(fd);
  return found;
}

export function read(mem: Memory, _at: number, rounds: number, task: number): number {
  const { sys, fd, next } = callsOf(mem, task);
  const found = rate(() => sys.pread(fd, BLOCK, next() * BLOCK), EACH, rounds);
  sys.close(fd);
  return found;
}

/** The bare copy that writes are measured against, over a range of the media as large as the file. */
export function bareSet(mem: Memory, at: number, rounds: number): number {
  const next = places(FILE_SIZE / BLOCK);
  const bytes = new Uint8Array(BLOCK).fill(1);
  return rate(() => mem.u8.set(bytes, at + next() * BLOCK), EACH, rounds);
}

/** The bare copy that reads are measured against: into bytes of its own each time, as pread must. */
export function bareGet(mem: Memory, at: number, rounds: number): number {
  const next = places(FILE_SIZE / BLOCK);
  return rate(() => mem.read(at + next() * BLOCK, BLOCK), EACH, rounds);
}
