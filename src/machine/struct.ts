// Structs in shared memory, declared once: name, fields, types, and the size that the format or the
// reader expects.  A declaration gives typed accessors, a size check at import, and the names that
// traces, snapshot differences and reports print.
//
//   const Extent = struct("ext4_extent", { ee_block: u32, ee_len: u16, … }, { size: 12 });
//   type Extent = ViewOf<typeof Extent>;
//   const extent = Extent.of(mem, at);   extent.ee_len = 3;
//
// Plain fields are not steps: whoever uses them holds the lock that the declaration names.

import { Cell, QuietCell } from "./cell.ts";
import type { Memory } from "./memory.ts";

type Kind = "u8" | "u16" | "u32" | "u32be" | "f64" | "bytes" | "cell" | "quiet" | "struct" | "array";

/** The type of a field; `T` is what reading it gives, `Plain` whether it can be assigned. */
export interface Field<T, Plain extends boolean> {
  readonly kind: Kind;
  readonly size: number;
  readonly align: number;
  readonly struct?: AnyStruct;
  /** Only for the type checker. */
  readonly types?: { value: T; plain: Plain };
}

type Fields = Record<string, Field<any, boolean>>;
type PlainKeys<F extends Fields> = { [K in keyof F]: F[K] extends Field<unknown, true> ? K : never }[keyof F];
type Value<T> = T extends Field<infer V, boolean> ? V : never;

export type View<F extends Fields> = {
  readonly mem: Memory;
  /** Where the struct lies, in bytes from the start of the memory. */
  readonly at: number;
} & { [K in PlainKeys<F>]: Value<F[K]> } & { readonly [K in Exclude<keyof F, PlainKeys<F>>]: Value<F[K]> };

export interface FieldPlace {
  readonly name: string;
  readonly offset: number;
  readonly field: Field<unknown, boolean>;
}

export interface Struct<F extends Fields> {
  readonly name: string;
  readonly size: number;
  readonly align: number;
  /** A number made from the name, the same in every thread. */
  readonly id: number;
  readonly places: readonly FieldPlace[];
  /** The offset of a field in bytes. */
  offset(field: keyof F & string): number;
  of(mem: Memory, at: number): View<F>;
}

export type AnyStruct = Struct<any>;
export type ViewOf<S> = S extends Struct<infer F> ? View<F> : never;

export const u8: Field<number, true> = { kind: "u8", size: 1, align: 1 };
export const u16: Field<number, true> = { kind: "u16", size: 2, align: 2 };
export const u32: Field<number, true> = { kind: "u32", size: 4, align: 4 };
/** The most significant byte first, as the journal has its numbers. */
export const u32be: Field<number, true> = { kind: "u32be", size: 4, align: 4 };
/** For counts and sizes beyond 32 bits: exact up to 2^53. */
export const f64: Field<number, true> = { kind: "f64", size: 8, align: 8 };
/** A word that tasks use at once; its operations announce themselves. */
export const atomic: Field<Cell, false> = { kind: "cell", size: 4, align: 4 };
/** The same without announcing; for machine/, locks/ and sched/ only. */
export const quiet: Field<QuietCell, false> = { kind: "quiet", size: 4, align: 4 };

/** A range of bytes; reading the field gives its address. */
export function bytes(length: number, align = 1): Field<number, false> {
  return { kind: "bytes", size: length, align };
}

/**
 * Takes no room: what follows starts at a cache line, and so do all structs that have one.  A core that writes a line
 * takes it from all others, so what tasks change side by side, and what all only read, stands in lines of its own.
 */
export const cacheLine: Field<number, false> = bytes(0, 64);

/** The same for what a task writes all the time: processors fetch lines in pairs. */
export const linePair: Field<number, false> = bytes(0, 128);

/** A struct inside a struct. */
export function embed<S extends AnyStruct>(inner: S): Field<ViewOf<S>, false> {
  return { kind: "struct", size: inner.size, align: inner.align, struct: inner };
}

/** So many structs inside a struct, one after another; reading the field gives all their views. */
export function array<S extends AnyStruct>(inner: S, count: number): Field<readonly ViewOf<S>[], false> {
  return { kind: "array", size: inner.size * count, align: inner.align, struct: inner };
}

const byId = new Map<number, AnyStruct>();

/** The struct of that id, if this thread has declared it. */
export function structById(id: number): AnyStruct | undefined {
  return byId.get(id);
}

function idOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function place(fields: Fields): FieldPlace[] {
  let offset = 0;
  return Object.entries(fields).map(([name, field]) => {
    offset = Math.ceil(offset / field.align) * field.align;
    const here = { name, offset, field };
    offset += field.size;
    return here;
  });
}

type ViewClass = new (mem: Memory, at: number) => object;
type Maker = (mem: Memory, at: number) => object;

/** Where in a memory's typed arrays a plain field lies. */
const PLAIN = {
  u8: (offset: number) => `u8[this.at + ${offset}]`,
  u16: (offset: number) => `u16[(this.at + ${offset}) >>> 1]`,
  u32: (offset: number) => `u32[(this.at + ${offset}) >>> 2]`,
  f64: (offset: number) => `f64[(this.at + ${offset}) >>> 3]`,
} as const;

/** A number with its four bytes in the opposite order. */
export function swapBytes(value: number): number {
  return ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** The source of a field's accessors. */
function accessors({ name, offset, field: { kind } }: FieldPlace): string {
  if (kind === "u32be") {
    const word = `this.mem.${PLAIN.u32(offset)}`;
    return `get ${name}() { return swap(${word}); } set ${name}(value) { ${word} = swap(value); }`;
  }
  if (kind in PLAIN) {
    const element = PLAIN[kind as keyof typeof PLAIN](offset);
    return `get ${name}() { return this.mem.${element}; } set ${name}(value) { this.mem.${element} = value; }`;
  }
  const refused = `set ${name}(value) { refuse(${JSON.stringify(name)}); }`;
  if (kind === "bytes") return `get ${name}() { return this.at + ${offset}; } ${refused}`;
  return `get ${name}() { return this._${name}; } ${refused}`;
}

function refuse(name: string): never {
  throw new TypeError(`${name} is not a plain field: it has operations, it cannot be assigned`);
}

/** How the view of a field that is no plain one is made; undefined for the others. */
function makerOf({ kind, size, struct: inner }: Field<unknown, boolean>): Maker | undefined {
  if (kind === "cell") return (mem, at) => new Cell(mem, at);
  if (kind === "quiet") return (mem, at) => new QuietCell(mem, at);
  if (kind !== "array" || inner === undefined) return inner?.of as Maker | undefined;
  const count = size / inner.size;
  return (mem, at) => Array.from({ length: count }, (_, index) => inner.of(mem, at + index * inner.size));
}

/**
 * The class of a struct's views, compiled from source text.  With closures for accessors all structs would
 * share them, and the engine's inline caches for `this.mem` would see every struct: measured, a small
 * overwrite took 1,150 ns with them and takes 730 ns so.
 */
function viewClass(name: string, places: readonly FieldPlace[]): ViewClass {
  const makers = places.flatMap(({ name: field, field: type }) => {
    const maker = makerOf(type);
    return maker === undefined ? [] : [[field, maker] as const];
  });
  const inner = new Set(makers.map(([field]) => field));
  const slots = places
    .filter(({ name: field }) => inner.has(field))
    .map(({ name: field, offset }) => `this._${field} = make.${field}(mem, at + ${offset});`);
  const source = `"use strict";
    return class ${name} {
      constructor(mem, at) { this.mem = mem; this.at = at; ${slots.join(" ")} }
      ${places.map(accessors).join("\n")}
    };`;
  // eslint-disable-next-line no-new-func -- names and offsets of declarations, nothing from outside
  return new Function("make", "refuse", "swap", source)(
    Object.fromEntries(makers),
    refuse,
    swapBytes,
  ) as ViewClass;
}

/** Declares a struct.  Throws at import when it has not the size that `options` expects. */
export function struct<const F extends Fields>(
  name: string,
  fields: F,
  options?: { size?: number },
): Struct<F> {
  if ("at" in fields || "mem" in fields) throw new TypeError(`struct ${name}: at and mem are taken`);
  const places = place(fields);
  const align = Math.max(1, ...places.map(({ field }) => field.align));
  const last = places.at(-1);
  const end = last === undefined ? 0 : last.offset + last.field.size;
  const size = options?.size ?? Math.ceil(end / align) * align;
  if (size < end || (options?.size !== undefined && Math.ceil(end / align) * align !== size)) {
    throw new TypeError(`struct ${name} has ${end} bytes, its declaration expects ${options?.size}`);
  }
  const StructView = viewClass(name, places);
  const offsets = new Map(places.map((here) => [here.name, here.offset]));
  const declared: Struct<F> = {
    name,
    size,
    align,
    id: idOf(name),
    places,
    offset(field) {
      const offset = offsets.get(field);
      if (offset === undefined) throw new TypeError(`struct ${name} has no field ${field}`);
      return offset;
    },
    of: (mem, at) => new StructView(mem, at) as unknown as View<F>,
  };
  const twin = byId.get(declared.id);
  if (twin !== undefined) throw new TypeError(`two structs share the id of ${name}: ${twin.name}`);
  byId.set(declared.id, declared);
  return declared;
}
