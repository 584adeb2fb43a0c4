// What tasks return, carried from their threads to the lead through shared memory.
//
// Each task has a slot in the control area: what kind of value, how many bytes, the bytes.  The bytes are
// padded with zeros to whole hash blocks, so that equal results have equal hashes; a check by the
// scenario is needed once for each distinct set of results.  A slot is written by its task while it runs
// and read by the lead after all tasks have ended.

import { deserialize, serialize } from "node:v8";
import { allocateControl } from "../../machine/layout.ts";
import { KIB } from "../../machine/limits.ts";
import { utf8, type Memory } from "../../machine/memory.ts";

const Kind = { nothing: 0, number: 1, text: 2, bytes: 3, structured: 4 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

const HEAD = 32; // kind and length, in front of the bytes; a whole hash block
const BLOCK = 32;
/** The most a task can return, in bytes after serialisation. */
const MAX_RESULT = 256 * KIB;
const SLOT = HEAD + MAX_RESULT;

const decoder = new TextDecoder();

/** Room for the results of `tasks` tasks.  At boot; returns its address. */
export function allocateResults(mem: Memory, tasks: number): number {
  return allocateControl(mem, SLOT * tasks);
}

/** Marks every slot empty, before a run. */
export function clearResults(mem: Memory, results: number, tasks: number): void {
  for (let task = 0; task < tasks; task++) {
    mem.u32[(results + task * SLOT) >>> 2] = Kind.nothing;
    mem.u32[(results + task * SLOT + 4) >>> 2] = 0;
  }
}

/** Stores what a task returned.  Throws a `TypeError` for what cannot be carried (functions) or is too large. */
export function storeResult(mem: Memory, results: number, task: number, value: unknown): void {
  const at = results + task * SLOT;
  if (value === undefined) return put(mem, at, Kind.nothing, undefined);
  if (value instanceof Uint8Array) return put(mem, at, Kind.bytes, value);
  if (typeof value === "string") return put(mem, at, Kind.text, utf8(value));
  if (typeof value === "number") {
    put(mem, at, Kind.number, undefined);
    mem.f64[(at + 8) >>> 3] = value;
    return;
  }
  put(mem, at, Kind.structured, serialize(value));
}

function put(mem: Memory, at: number, kind: Kind, bytes: Uint8Array | undefined): void {
  const length = bytes?.length ?? 0;
  if (length > MAX_RESULT) {
    throw new TypeError(`a task returns at most ${MAX_RESULT} bytes, not ${length}`);
  }
  mem.u32[at >>> 2] = kind;
  mem.u32[(at + 4) >>> 2] = length;
  mem.f64[(at + 8) >>> 3] = 0;
  if (bytes === undefined) return;
  const padded = Math.ceil(length / BLOCK) * BLOCK;
  if (padded > 0) mem.fill(at + HEAD + padded - BLOCK, 0, BLOCK);
  mem.u8.set(bytes, at + HEAD);
}

/** What a task returned, as a value of this thread's own. */
export function loadResult(mem: Memory, results: number, task: number): unknown {
  const at = results + task * SLOT;
  const kind = mem.u32[at >>> 2] as Kind;
  const length = mem.u32[(at + 4) >>> 2] as number;
  switch (kind) {
    case Kind.nothing:
      return undefined;
    case Kind.number:
      return mem.f64[(at + 8) >>> 3];
    case Kind.text:
      return decoder.decode(mem.read(at + HEAD, length));
    case Kind.bytes:
      return mem.read(at + HEAD, length);
    case Kind.structured:
      return deserialize(mem.read(at + HEAD, length));
  }
}

/** A 52-bit hash of all results of a run. */
export function hashResults(mem: Memory, results: number, tasks: number): number {
  let sum = 0;
  for (let task = 0; task < tasks; task++) {
    const at = results + task * SLOT;
    const length = mem.u32[(at + 4) >>> 2] as number;
    // Added, not chained: a hash as the next one's seed would keep 32 of its bits.
    sum = (sum + mem.bulk.hash(at, HEAD + Math.ceil(length / BLOCK) * BLOCK, task)) % 2 ** 52;
  }
  return sum;
}
