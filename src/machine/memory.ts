// The one shared memory of a machine, and the views through which everything reaches it.
//
// Addresses are byte offsets from its start, unsigned, below 4 GiB.  Address 0 is never used, so that it
// can mean "none".  Shift addresses with >>> only: half of them are negative as signed integers.

import { bulkOver, type Bulk } from "./wasm/bulk.ts";
import { WASM_PAGE, wasm, type WasmMemory } from "./wasm/namespace.ts";

export const PAGE_SHIFT = 12;
/** Bytes of a page, and of a block. */
export const PAGE_SIZE = 1 << PAGE_SHIFT;

/** Serves a page fault of the current task: 0, or a negative error number (-Errno.SIGBUS, -Errno.SIGSEGV among them). */
export type FaultHandler = (mem: Memory, address: number, write: boolean) => number;

/** Found once: the engine looks `set` up anew at each call, in an object three prototypes up. */
const setBytes = Uint8Array.prototype.set;

/** The memory of one machine, seen from one thread. */
export class Memory {
  readonly wasm: WasmMemory;
  readonly buffer: SharedArrayBuffer;
  readonly u8: Uint8Array<SharedArrayBuffer>;
  readonly u16: Uint16Array<SharedArrayBuffer>;
  readonly u32: Uint32Array<SharedArrayBuffer>;
  readonly i32: Int32Array<SharedArrayBuffer>;
  readonly f64: Float64Array<SharedArrayBuffer>;
  readonly bulk: Bulk;

  /** The view of the machine's header; a cache (see `layout.ts`). */
  header: object | undefined = undefined;

  /** Views of long-lived structs, by their root; a cache, never state (see `layout.ts`). */
  readonly roots: (object | undefined)[] = [];

  /** Views of structs in the slab, by their page and the word in it; a cache like `roots`. */
  readonly views: ((object | undefined)[] | undefined)[] = [];

  /** The page fault vector: code, not state.  Set once when the kernel attaches to the memory. */
  faultHandler: FaultHandler | undefined = undefined;

  constructor(memory: WasmMemory) {
    this.wasm = memory;
    this.buffer = memory.buffer;
    this.u8 = new Uint8Array(this.buffer);
    this.u16 = new Uint16Array(this.buffer);
    this.u32 = new Uint32Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.f64 = new Float64Array(this.buffer);
    this.bulk = bulkOver(memory);
  }

  /** A zeroed memory of at least `length` bytes.  Pages that nobody touches cost nothing. */
  static create(length: number): Memory {
    const pages = Math.ceil(length / WASM_PAGE);
    return new Memory(new wasm.Memory({ initial: pages, maximum: pages, shared: true }));
  }

  /** Bytes. */
  get size(): number {
    return this.buffer.byteLength;
  }

  /** Copies within the memory; the ranges may overlap. */
  copy(to: number, from: number, length: number): void {
    this.bulk.copy(to, from, length);
  }

  /** Sets `length` bytes to one value. */
  fill(at: number, value: number, length: number): void {
    this.bulk.fill(at, value, length);
  }

  /** Bytes from outside into the memory. */
  write(at: number, bytes: Uint8Array): void {
    setBytes.call(this.u8, bytes, at);
  }

  /** A private copy of a range. */
  read(at: number, length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    bytes.set(this.u8.subarray(at, at + length));
    return bytes;
  }
}

const encoder = new TextEncoder();

/** The bytes of a string, encoded as UTF-8. */
export function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  return putAscii(text, bytes) ? bytes : encoder.encode(text);
}

/**
 * Puts the bytes of a string into an array that has room for so many, if it is ASCII: whether it was.  Paths are short and
 * mostly so, and every open has one: 25 ns in a loop of our own, 500 ns through TextEncoder, which leaves JavaScript and
 * comes back.
 */
export function putAscii(text: string, bytes: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return false;
    bytes[i] = unit;
  }
  return true;
}
