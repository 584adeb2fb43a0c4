// Notes for people: what a task did between two steps ("convert block 0: unwritten -> written").  They
// are no steps, nobody is switched at them; they go to a ring in the control area while tracing is on,
// which it is when a failing schedule is replayed for its story.

import { currentTask } from "./cpu.ts";
import { allocateControl, header, isTracing, Root, rootView, setRoot } from "./layout.ts";
import type { Memory } from "./memory.ts";
import { struct, u32, type ViewOf } from "./struct.ts";

/** What a note tells; the comment gives the meaning of its three numbers. */
export const Note = {
  call: 1, // system call number in the record area; 0; 0
  return: 2, // the same, its result; 0
  lookUp: 3, // inode number, file block, state (0 hole, 1 unwritten, 2 written)
  allocate: 4, // inode number, file block, media block
  split: 5, // inode number, file block, blocks
  convert: 6, // inode number, file block, blocks
  merge: 7, // inode number, file block, blocks
  free: 8, // inode number, file block, media block
  zero: 9, // media block, offset in it, length
  copyIn: 10, // media block, offset in it, length
  copyOut: 11, // media block, offset in it, length
  fault: 12, // inode number, file page, 1 for a write
  mapPage: 13, // inode number, file page, media block (0: the zero page)
  unmapPage: 14, // inode number, file page, 0
  setSize: 15, // inode number, new size in bytes, 0
  sigbus: 16, // address, 0, 0
  copyPage: 17, // copy on write: inode number, file page, 0
  commit: 18, // blocks written, 0, 0
  unconvert: 19, // inode number, file block, blocks
  shift: 20, // inode number, first file block, how many blocks to the right (signed: left when negative)
} as const;
export type Note = (typeof Note)[keyof typeof Note];

const TraceState = struct("trace", { entriesAt: u32, count: u32, stepsAt: u32 });
const TraceEntry = struct("trace_entry", { task: u32, step: u32, note: u32, a: u32, b: u32, c: u32 });
const MAX_ENTRIES = 16_384;

export interface TraceLine {
  task: number;
  /** How many steps the run had announced when the note was made. */
  step: number;
  note: Note;
  a: number;
  b: number;
  c: number;
}

/** Makes the ring.  At boot. */
export function initTrace(mem: Memory): void {
  setRoot(mem, Root.trace, allocateControl(mem, TraceState.size));
  state(mem).entriesAt = allocateControl(mem, TraceEntry.size * MAX_ENTRIES);
}

function state(mem: Memory): ViewOf<typeof TraceState> {
  return rootView(mem, Root.trace, TraceState);
}

/** Where the number of the current step is found, so that notes can be put between steps. */
export function traceStepsFrom(mem: Memory, counterAt: number): void {
  state(mem).stepsAt = counterAt;
}

/** How many steps the run has announced; 0 where nobody counts them. */
export function currentStep(mem: Memory): number {
  const { stepsAt } = state(mem);
  return stepsAt === 0 ? 0 : (mem.u32[stepsAt >>> 2] as number);
}

/** Starts with an empty ring, or stops. */
export function setTracing(mem: Memory, on: boolean): void {
  state(mem).count = 0;
  header(mem).tracing = on ? 1 : 0;
}

/** Adds a note.  Costs one load while tracing is off. */
export function note(mem: Memory, what: Note, a: number, b?: number, c?: number): void {
  if (isTracing(mem)) add(mem, what, a, b, c);
}

// Defaults are given here: in `note` they would make it too large to be put where it is called.
function add(mem: Memory, what: Note, a: number, b = 0, c = 0): void {
  const ring = state(mem);
  const index = Atomics.add(mem.u32, (ring.at + TraceState.offset("count")) >>> 2, 1) % MAX_ENTRIES;
  const entry = TraceEntry.of(mem, ring.entriesAt + index * TraceEntry.size);
  entry.task = currentTask();
  entry.step = currentStep(mem);
  entry.note = what;
  entry.a = a;
  entry.b = b;
  entry.c = c;
}

/** The notes in the ring, oldest first, and how many older ones it has dropped. */
export function traceLines(mem: Memory): { lines: TraceLine[]; dropped: number } {
  const ring = state(mem);
  const first = Math.max(0, ring.count - MAX_ENTRIES);
  const lines = Array.from({ length: ring.count - first }, (_, i) => {
    const entry = TraceEntry.of(mem, ring.entriesAt + ((first + i) % MAX_ENTRIES) * TraceEntry.size);
    const { task, step, note: what, a, b, c } = entry;
    return { task, step, note: what as Note, a, b, c };
  });
  return { lines, dropped: first };
}
