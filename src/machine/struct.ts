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

type Kind = "u8" | "u16" | "u32" | "f64" | "bytes" | "cell" | "quiet" | "struct";

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

/** A struct inside a struct. */
export function embed<S extends AnyStruct>(inner: S): Field<ViewOf<S>, false> {
  return { kind: "struct", size: inner.size, align: inner.align, struct: inner };
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

interface RawView {
  readonly mem: Memory;
  readonly at: number;
  [hidden: symbol]: object | undefined;
}

function accessor({ name, offset, field }: FieldPlace, slot: symbol): PropertyDescriptor {
  const refuse = (): never => {
    throw new TypeError(`${name} is not a plain field: it has operations, it cannot be assigned`);
  };
  const nested = (make: (mem: Memory, at: number) => object): PropertyDescriptor => ({
    get(this: RawView) {
      return (this[slot] ??= make(this.mem, this.at + offset));
    },
    set: refuse,
  });
  switch (field.kind) {
    case "u8":
      return {
        get(this: RawView) {
          return this.mem.u8[this.at + offset];
        },
        set(this: RawView, value: number) {
          this.mem.u8[this.at + offset] = value;
        },
      };
    case "u16":
      return {
        get(this: RawView) {
          return this.mem.u16[(this.at + offset) >>> 1];
        },
        set(this: RawView, value: number) {
          this.mem.u16[(this.at + offset) >>> 1] = value;
        },
      };
    case "u32":
      return {
        get(this: RawView) {
          return this.mem.u32[(this.at + offset) >>> 2];
        },
        set(this: RawView, value: number) {
          this.mem.u32[(this.at + offset) >>> 2] = value;
        },
      };
    case "f64":
      return {
        get(this: RawView) {
          return this.mem.f64[(this.at + offset) >>> 3];
        },
        set(this: RawView, value: number) {
          this.mem.f64[(this.at + offset) >>> 3] = value;
        },
      };
    case "bytes":
      return {
        get(this: RawView) {
          return this.at + offset;
        },
        set: refuse,
      };
    case "cell":
      return nested((mem, at) => new Cell(mem, at));
    case "quiet":
      return nested((mem, at) => new QuietCell(mem, at));
    case "struct":
      return nested((mem, at) => (field.struct as AnyStruct).of(mem, at));
  }
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
  const nested = places.filter(({ field }) => ["cell", "quiet", "struct"].includes(field.kind));
  const slots = new Map(nested.map(({ name: field }) => [field, Symbol(field)]));

  class StructView {
    [hidden: symbol]: object | undefined;
    readonly mem: Memory;
    readonly at: number;
    constructor(mem: Memory, at: number) {
      this.mem = mem;
      this.at = at;
      // All slots from the start, so that every view of a struct has one hidden class.
      for (const slot of slots.values()) this[slot] = undefined;
    }
  }
  Object.defineProperty(StructView, "name", { value: name });
  for (const here of places) {
    const slot = slots.get(here.name) ?? Symbol(here.name);
    Object.defineProperty(StructView.prototype, here.name, accessor(here, slot));
  }

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
