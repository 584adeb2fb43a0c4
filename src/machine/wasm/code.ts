// WebAssembly code, assembled from the opcodes of the 1.0 binary format and its bulk memory, threads and SIMD
// extensions, so that the build needs no other tool than tsc.

export const Type = { i32: 0x7f, i64: 0x7e, f64: 0x7c } as const;

export const op = {
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
  select: 0x1b,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32LtU: 0x49,
  i32GeU: 0x4f,
  i32GeS: 0x4e,
  i32Ne: 0x47,
  i64Ne: 0x52,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Mul: 0x7e,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
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

/** ASCII, with its length. */
export const text = (value: string): number[] => [
  value.length,
  ...Array.from(value, (letter) => letter.charCodeAt(0)),
];

/** A number in as many bytes as it takes, seven bits in each.  WebAssembly: LEB128 */
export function unsigned(value: number): number[] {
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

export const section = (id: number, content: number[]): number[] => [
  id,
  ...unsigned(content.length),
  ...content,
];
export const vector = (items: number[][]): number[] => [...unsigned(items.length), ...items.flat()];
export const get = (local: number): number[] => [op.localGet, local];
export const set = (local: number): number[] => [op.localSet, local];
export const number = (value: number): number[] => [op.i32Const, ...signed(BigInt(value))];
export const constant = (value: bigint): number[] => [op.i64Const, ...signed(BigInt.asIntN(64, value))];

/** A function: its locals behind the parameters, as counts and types, and what it does. */
export function body(locals: number[][], code: number[]): number[] {
  const bytes = [...vector(locals), ...code, op.end];
  return [...unsigned(bytes.length), ...bytes];
}
