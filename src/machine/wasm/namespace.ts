// The little of WebAssembly that we use, typed here: its declarations come with TypeScript's `dom`
// library, which would also put `window` and `document` into every file.

/** A shared memory; posted to a worker it stays the same memory. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmNamespace {
  Memory: new (limits: { initial: number; maximum: number; shared: boolean }) => WasmMemory;
  Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

export const wasm: WasmNamespace = (globalThis as unknown as { WebAssembly: WasmNamespace }).WebAssembly;

export const WASM_PAGE = 65536;
