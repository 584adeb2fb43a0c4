// Bulk operations inside one memory, as WebAssembly: memory.copy and memory.fill run at the speed of the
// memory bus there, several times faster than the typed-array ways on shared memory.
//
import { body, constant, get, number, op, section, set, text, Type, unsigned, vector } from "./code.ts";
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
  /**
   * Goes through records that lie one behind the other from `at` to `end`, as the entries of a directory do: four bytes that
   * are 0 where it is unused, two for how long it is, one for the length of its name, one of another kind, the name.
   * The address of the first in use with a name of `length` bytes that ends as the wanted one: `low` and `high` are the last
   * eight bytes of that as they lie in memory, of a shorter one the last of them.  Where there is none, the negated
   * address of the first with `need` bytes to spare, or 0.  `end` is below 2 GiB.
   */
  scan(at: number, end: number, length: number, low: number, high: number, need: number): number;
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
  ...[...get(local), ...number(size), op.i32Add, ...set(local)],
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
    ...[...number(1), ...set(found)],
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

const word = (local: number, offset: number): number[] => [...get(local), ...op.i32AtomicLoad, 2, offset];

function translateBody(): number[] {
  const [sequence, at, value, seen] = [0, 1, 2, 3];
  const giveUp = [...op.if, ...number(0), op.return, op.end];
  return body(
    [[1, Type.i32]],
    [
      ...[...word(sequence, 0), op.localTee, seen, ...number(1), op.i32And, ...giveUp],
      // Unsigned: what lies in front of the range is beyond its end, too.
      ...[...get(value), ...word(at, 0), op.i32Sub, op.localTee, value],
      ...[...word(at, 4), op.i32GeU, ...giveUp],
      ...[...get(value), ...word(at, 8), op.i32Add, ...set(value)],
      ...[...word(sequence, 0), ...get(seen), op.i32Ne, ...giveUp],
      ...get(value),
    ],
  );
}

// Where a record has its lengths, and its name.
const LENGTHS = 4;
const NAME = 8;

function scanBody(): number[] {
  const [at, end, length, low, high, need] = [0, 1, 2, 3, 4, 5];
  const [lengths, used, spare, wanted, mask] = [6, 7, 8, 9, 10];
  const bits = (from: number, count: number): number[] => [
    ...[...get(lengths), ...number(from), op.i32ShrU, ...number(2 ** count - 1), op.i32And],
  ];
  const eight = [
    ...[...get(high), op.i64ExtendI32U, ...constant(32n), op.i64Shl],
    ...[...get(low), op.i64ExtendI32U, op.i64Or, ...set(wanted)],
    // What lies in front of a shorter name is not asked.
    ...[...constant(-1n), ...number(8), ...get(length), op.i32Sub, ...number(8), op.i32Mul, ...number(0)],
    ...[...get(length), ...number(8), op.i32LtU, op.select, op.i64ExtendI32U, op.i64Shl, ...set(mask)],
  ];
  // All is asked at once: a processor that guesses wrong takes longer than the questions do.
  const differs = [
    ...[...bits(16, 8), ...get(length), op.i32Xor, ...get(used), op.i32Eqz, op.i32Or],
    ...[...get(at), ...get(length), op.i32Add, op.i64Load, 0, NAME - 8, ...get(wanted), op.i64Xor],
    ...[...get(mask), op.i64And, ...constant(0n), op.i64Ne, op.i32Or],
  ];
  // What is behind the name; all of an unused one.
  const free = [
    ...[...bits(0, 16), ...bits(16, 8), ...number(NAME + 3), op.i32Add, ...number(-4), op.i32And],
    ...[...number(0), ...get(used), op.select, op.i32Sub],
  ];
  return body(
    [
      [3, Type.i32],
      [2, Type.i64],
    ],
    [
      ...eight,
      ...op.block,
      ...op.loop,
      ...[...get(at), ...get(end), op.i32GeU, op.brIf, 1],
      ...[...get(at), op.i32Load, 2, 0, ...set(used)],
      ...[...get(at), op.i32Load, 2, LENGTHS, ...set(lengths)],
      ...[...differs, op.i32Eqz, ...op.if, ...get(at), op.return, op.end],
      ...[...free, ...get(need), op.i32GeS, ...op.if],
      // The first will do.
      ...[...number(0), ...get(at), op.i32Sub, ...set(spare), ...number(2 ** 30), ...set(need), op.end],
      ...[...get(at), ...bits(0, 16), op.i32Add, ...set(at), op.br, 0],
      op.end,
      op.end,
      ...get(spare),
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
        [0x60, 6, ...Array<number>(6).fill(Type.i32), 1, Type.i32],
      ]),
    ),
    ...section(2, vector([[...text("m"), ...text("m"), 2, shared, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(3, vector([[0], [0], [1], [1], [2], [3], [4], [3], [5]])),
    ...section(
      7,
      vector(
        ["copy", "fill", "hash", "difference", "load", "swap", "add", "translate", "scan"].map(
          (name, index) => [...text(name), 0, index],
        ),
      ),
    ),
    ...section(
      10,
      vector([
        body([], [...get(0), ...get(1), ...get(2), ...op.memoryCopy]),
        body([], [...get(0), ...get(1), ...get(2), ...op.memoryFill]),
        hashBody(),
        differenceBody(),
        body([], word(0, 0)),
        body([], [...get(0), ...get(1), ...get(2), ...op.i32AtomicSwap, 2, 0]),
        body([], [...get(0), ...get(1), ...op.i32AtomicAdd, 2, 0]),
        translateBody(),
        scanBody(),
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
