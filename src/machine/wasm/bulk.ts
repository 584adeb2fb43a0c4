// Bulk operations inside one memory, as WebAssembly: memory.copy and memory.fill run at the speed of the
// memory bus there, several times faster than the typed-array ways on shared memory.
//
// The module is assembled here, from the opcodes of the WebAssembly 1.0 binary format and its bulk
// memory, threads and SIMD extensions, so that the build needs no other tool than tsc.

import { WASM_PAGE, wasm, type WasmMemory } from "./namespace.ts";

export interface Bulk {
  /** The word at an address (a multiple of four), as Atomics.load reads it: a third of the time. */
  load(at: number): number;
  /** Puts `value` there if `expected` is there: what was there, as Atomics.compareExchange. */
  swap(at: number, expected: number, value: number): number;
  /** Adds to the word there: what it was before, as Atomics.add. */
  add(at: number, value: number): number;
  /**
   * What the range at `at` maps a number to.  A range is three words: its first number, how many they are, and what
   * the first one maps to, the others following.  0 if the number is not in it, or if the sequence count at
   * `sequence` says that the range is being written, or was while it was read.
   */
  translate(sequence: number, at: number, value: number): number;
  /** Copies `length` bytes; the ranges may overlap. */
  copy(to: number, from: number, length: number): void;
  /** Sets `length` bytes to `value`. */
  fill(at: number, value: number, length: number): void;
  /** A 52-bit hash of `length` bytes (a multiple of 32) and a seed, as a number without fraction. */
  hash(at: number, length: number, seed: number): number;
  /**
   * A 52-bit hash of how `length` bytes (a multiple of 64) differ from a copy of them: where, and what is
   * there now.  0 when they do not.
   */
  difference(at: number, copy: number, length: number): number;
}

const Type = { i32: 0x7f, i64: 0x7e, f64: 0x7c } as const;

const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  if: [0x04, 0x40],
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  return: 0x0f,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i64Load: 0x29,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32GeU: 0x4f,
  i32Ne: 0x47,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32And: 0x71,
  i64Add: 0x7c,
  i64Mul: 0x7e,
  i64Xor: 0x85,
  i64ShrU: 0x88,
  i64Rotl: 0x89,
  f64Const0: [0x44, 0, 0, 0, 0, 0, 0, 0, 0],
  f64ConvertI64U: 0xba,
  i64ExtendI32U: 0xad,
  memoryCopy: [0xfc, 0x0a, 0, 0],
  memoryFill: [0xfc, 0x0b, 0],
  i32AtomicLoad: [0xfe, 0x10],
  i32AtomicAdd: [0xfe, 0x1e],
  i32AtomicSwap: [0xfe, 0x48],
  v128Load: [0xfd, 0x00],
  v128Or: [0xfd, 0x50],
  v128Xor: [0xfd, 0x51],
  v128AnyTrue: [0xfd, 0x53],
} as const;

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const low = value & 0x7f;
    value >>>= 7;
    bytes.push(value === 0 ? low : low | 0x80);
  } while (value !== 0);
  return bytes;
}

function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = Number(value & 0x7fn);
    value >>= 7n;
    const done = (value === 0n && (low & 0x40) === 0) || (value === -1n && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

const text = (value: string): number[] => [value.length, ...Buffer.from(value, "latin1")];
const section = (id: number, content: number[]): number[] => [id, ...unsigned(content.length), ...content];
const vector = (items: number[][]): number[] => [...unsigned(items.length), ...items.flat()];
const get = (local: number): number[] => [op.localGet, local];
const set = (local: number): number[] => [op.localSet, local];
const constant = (value: bigint): number[] => [op.i64Const, ...signed(BigInt.asIntN(64, value))];

function body(locals: number[][], code: number[]): number[] {
  const bytes = [...vector(locals), ...code, op.end];
  return [...unsigned(bytes.length), ...bytes];
}

// Four independent lanes: one would wait for its own multiplication.  Each takes every fourth word as
// XXH64 does: the word is multiplied before it goes in and the lane after, because a multiplication only
// carries upwards.  With one of them, the highest bit of a word and one bit of the lane's next word were alike.
const LANES = 4;
const PRIME_1 = 0x9e3779b185ebca87n;
const PRIME_2 = 0xc2b2ae3d27d4eb4fn;

/** Gives the lanes, in locals from `first` on, what they start with: `seed` is code that leaves an i64. */
function startLanes(first: number, seed: number[]): number[] {
  return Array.from({ length: LANES }, (_, index) => [
    ...seed,
    ...constant(PRIME_1 * BigInt(index + 1)),
    op.i64Add,
    ...set(first + index),
  ]).flat();
}

/** Takes the 32 bytes at `offset` behind the address in local `at` into the lanes. */
function mixIn(first: number, at: number, offset: number): number[] {
  return Array.from({ length: LANES }, (_, index) => [
    ...get(first + index),
    ...get(at),
    op.i64Load,
    3,
    offset + index * 8,
    ...constant(PRIME_2),
    op.i64Mul,
    op.i64Add,
    ...constant(31n),
    op.i64Rotl,
    ...constant(PRIME_1),
    op.i64Mul,
    ...set(first + index),
  ]).flat();
}

/** Leaves the hash that the lanes have come to, as an f64. */
function finish(first: number): number[] {
  const mix = Array.from({ length: LANES - 1 }, (_, index) => [
    ...constant(PRIME_1),
    op.i64Mul,
    ...constant(31n),
    op.i64Rotl,
    ...get(first + index + 1),
    op.i64Xor,
  ]);
  return [
    ...get(first),
    ...mix.flat(),
    ...[...constant(PRIME_1), op.i64Mul, ...set(first), ...get(first), ...get(first), ...constant(32n)],
    ...[op.i64ShrU, op.i64Xor, ...constant(PRIME_2), op.i64Mul, ...constant(12n), op.i64ShrU],
    op.f64ConvertI64U,
  ];
}

/** Goes from the address in local `at` to that in `end` in steps of `size`, with `work` in each. */
function forEach(at: number, end: number, size: number, work: number[]): number[] {
  return [
    ...op.block,
    ...op.loop,
    ...[...get(at), ...get(end), op.i32GeU, op.brIf, 1],
    ...work,
    ...[...advance(at, size), op.br, 0],
    op.end,
    op.end,
  ];
}

const advance = (local: number, size: number): number[] => [
  ...[...get(local), op.i32Const, ...signed(BigInt(size)), op.i32Add, ...set(local)],
];

function hashBody(): number[] {
  const [at, length, seed, end, lanes] = [0, 1, 2, 3, 4];
  return body(
    [
      [1, Type.i32],
      [LANES, Type.i64],
    ],
    [
      ...[...get(at), ...get(length), op.i32Add, ...set(end)],
      ...startLanes(lanes, [...get(seed), op.i64ExtendI32U]),
      ...forEach(at, end, 32, mixIn(lanes, at, 0)),
      ...finish(lanes),
    ],
  );
}

// Lines that are alike are compared only, 16 bytes at a time.  Of a slab of 100 KB few lines ever change: 5 us,
// where hashing all of them takes 13.
const LINE = 64;

function differenceBody(): number[] {
  const [at, copy, length, end, found, lanes] = [0, 1, 2, 3, 4, 5];
  const differs = [0, 16, 32, 48].flatMap((offset, index) => [
    ...[...get(at), ...op.v128Load, 3, offset, ...get(copy), ...op.v128Load, 3, offset, ...op.v128Xor],
    ...(index === 0 ? [] : op.v128Or),
  ]);
  const mixLine = [
    // Where the line is counts too.
    ...[...get(lanes), ...get(at), op.i64ExtendI32U, op.i64Xor, ...set(lanes)],
    ...mixIn(lanes, at, 0),
    ...mixIn(lanes, at, 32),
    ...[op.i32Const, 1, ...set(found)],
  ];
  return body(
    [
      [2, Type.i32],
      [LANES, Type.i64],
    ],
    [
      ...[...get(at), ...get(length), op.i32Add, ...set(end)],
      ...startLanes(lanes, constant(0n)),
      ...forEach(at, end, LINE, [
        ...[...differs, ...op.v128AnyTrue, ...op.if, ...mixLine, op.end],
        ...advance(copy, LINE),
      ]),
      ...[...get(found), op.i32Eqz, ...op.if, ...op.f64Const0, op.return, op.end],
      ...finish(lanes),
    ],
  );
}

function translateBody(): number[] {
  const [sequence, at, value, seen] = [0, 1, 2, 3];
  const word = (local: number, offset: number) => [...get(local), ...op.i32AtomicLoad, 2, offset];
  const giveUp = [...op.if, op.i32Const, 0, op.return, op.end];
  return body(
    [[1, Type.i32]],
    [
      ...[...word(sequence, 0), op.localTee, seen, op.i32Const, 1, op.i32And, ...giveUp],
      // Unsigned: what lies in front of the range is beyond its end, too.
      ...[...get(value), ...word(at, 0), op.i32Sub, op.localTee, value],
      ...[...word(at, 4), op.i32GeU, ...giveUp],
      ...[...get(value), ...word(at, 8), op.i32Add, ...set(value)],
      ...[...word(sequence, 0), ...get(seen), op.i32Ne, ...giveUp],
      ...get(value),
    ],
  );
}

function assemble(pages: number): Uint8Array<ArrayBuffer> {
  const three = [3, Type.i32, Type.i32, Type.i32];
  const shared = 0x03;
  const bytes = [
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(
      1,
      vector([
        [0x60, ...three, 0],
        [0x60, ...three, 1, Type.f64],
        [0x60, 1, Type.i32, 1, Type.i32],
        [0x60, ...three, 1, Type.i32],
        [0x60, 2, Type.i32, Type.i32, 1, Type.i32],
      ]),
    ),
    ...section(2, vector([[...text("m"), ...text("m"), 2, shared, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(3, vector([[0], [0], [1], [1], [2], [3], [4], [3]])),
    ...section(
      7,
      vector(
        ["copy", "fill", "hash", "difference", "load", "swap", "add", "translate"].map((name, index) => [
          ...text(name),
          0,
          index,
        ]),
      ),
    ),
    ...section(
      10,
      vector([
        body([], [...get(0), ...get(1), ...get(2), ...op.memoryCopy]),
        body([], [...get(0), ...get(1), ...get(2), ...op.memoryFill]),
        hashBody(),
        differenceBody(),
        body([], [...get(0), ...op.i32AtomicLoad, 2, 0]),
        body([], [...get(0), ...get(1), ...get(2), ...op.i32AtomicSwap, 2, 0]),
        body([], [...get(0), ...get(1), ...op.i32AtomicAdd, 2, 0]),
        translateBody(),
      ]),
    ),
  ];
  return Uint8Array.from(bytes);
}

/** Instantiates the operations over a shared memory whose size is fixed. */
export function bulkOver(memory: WasmMemory): Bulk {
  const pages = memory.buffer.byteLength / WASM_PAGE;
  const module = new wasm.Module(assemble(pages));
  return new wasm.Instance(module, { m: { m: memory } }).exports as unknown as Bulk;
}
