import { describe, expect, test } from "vitest";
import { Op, runAs } from "../../src/machine/cpu.ts";
import { Memory } from "../../src/machine/memory.ts";
import {
  array,
  atomic,
  bytes,
  embed,
  f64,
  linePair,
  quiet,
  struct,
  structById,
  u16,
  u32,
  u8,
} from "../../src/machine/struct.ts";

const Inner = struct("struct_test_inner", { word: u32, cell: atomic });
const All = struct("struct_test_all", {
  tiny: u8,
  short: u16,
  word: u32,
  big: f64,
  name: bytes(5),
  cell: atomic,
  silent: quiet,
  inner: embed(Inner),
});
const AT = 4096;
const memory = (): Memory => Memory.create(1);

describe("layout", () => {
  test("fields lie in the order of their declaration, each aligned to its size", () => {
    const offsets = Object.fromEntries(All.places.map(({ name, offset }) => [name, offset]));
    expect(offsets).toEqual({
      tiny: 0,
      short: 2,
      word: 4,
      big: 8,
      name: 16,
      cell: 24,
      silent: 28,
      inner: 32,
    });
    expect([All.size, All.align, All.offset("inner")]).toEqual([40, 8, 32]);
  });

  test("a struct that is larger or smaller than its format says is refused when it is declared", () => {
    expect(() => struct("struct_test_large", { a: u32, b: u16 }, { size: 4 })).toThrow(
      "struct struct_test_large has 6 bytes, its declaration expects 4",
    );
    expect(() => struct("struct_test_small", { a: u32 }, { size: 8 })).toThrow("has 4 bytes");
    expect(struct("struct_test_exact", { a: u32, b: u16, c: u8 }, { size: 8 }).size).toBe(8);
  });

  test("two structs of one name, and fields named like a view's own, are refused", () => {
    expect(() => struct("struct_test_all", { a: u32 })).toThrow("share the id");
    expect(() => struct("struct_test_at", { at: u32 })).toThrow("at and mem are taken");
    expect(() => struct("struct_test_mem", { mem: u32 })).toThrow("at and mem are taken");
  });

  test("a field that does not exist has no offset", () => {
    expect(() => All.offset("missing" as "tiny")).toThrow("has no field missing");
  });

  test("a struct is found again by its id, and an unknown id finds none", () => {
    expect(structById(All.id)).toBe(All);
    expect(structById(1)).toBeUndefined();
  });
});

describe("views", () => {
  test("each field writes its own bytes, little-endian, and reads them back", () => {
    const mem = memory();
    const view = All.of(mem, AT);
    view.tiny = 0x11;
    view.short = 0x2233;
    view.word = 0x44556677;
    view.big = 2 ** 53 - 1;
    expect([...mem.read(AT, 8)]).toEqual([0x11, 0, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44]);
    expect([view.tiny, view.short, view.word, view.big]).toEqual([0x11, 0x2233, 0x44556677, 2 ** 53 - 1]);
  });

  test("a value wider than its field is cut to the field's bits and spills nowhere", () => {
    const mem = memory();
    const view = All.of(mem, AT);
    view.tiny = 0x1ff;
    view.short = 0x12345;
    view.word = -1;
    expect([view.tiny, view.short, view.word]).toEqual([0xff, 0x2345, 0xffff_ffff]);
    expect([mem.u8[AT + 1], view.big]).toEqual([0, 0]);
  });

  test("a bytes field gives its address", () => {
    expect(All.of(memory(), AT).name).toBe(AT + 16);
  });

  test("an embedded struct is a view of the bytes inside, made once", () => {
    const mem = memory();
    const view = All.of(mem, AT);
    view.inner.word = 9;
    expect(mem.u32[(AT + 32) >>> 2]).toBe(9);
    expect(view.inner).toBe(view.inner);
    expect(view.cell).toBe(view.cell);
  });

  test("an array of structs lies one after another, each as aligned as it asks, and its views are made once", () => {
    const Line = struct("struct_test_line", { line: linePair, word: u32, cell: atomic });
    const Lines = struct("struct_test_lines", { count: u32, lines: array(Line, 3) });
    expect([Lines.offset("lines"), Lines.size, Lines.align]).toEqual([128, 4 * 128, 128]);
    const mem = memory();
    const view = Lines.of(mem, AT);
    expect(view.lines.map(({ at }) => at - AT)).toEqual([128, 256, 384]);
    expect(view.lines[2]?.cell).toBe(view.lines[2]?.cell);
    expect(() => ((view as { lines: unknown }).lines = [])).toThrow("lines is not a plain field");
  });

  test("what has operations cannot be assigned", () => {
    const view = All.of(memory(), AT) as unknown as Record<string, unknown>;
    for (const name of ["cell", "silent", "inner", "name"]) {
      expect(() => (view[name] = 1)).toThrow(`${name} is not a plain field`);
    }
  });
});

/** Runs work under an engine that only listens; gives the announcements. */
function announced(work: () => void): [number, number][] {
  const steps: [number, number][] = [];
  const engine = { step: (op: number, at: number) => void steps.push([op, at]), park() {}, wake() {} };
  const before = runAs(1, engine);
  work();
  runAs(before.task, before.engine);
  return steps;
}

describe("cells", () => {
  test("an atomic cell announces each operation once, a quiet one none", () => {
    const { cell, silent } = All.of(memory(), AT);
    for (const [word, ops] of [
      [cell, [Op.store, Op.load, Op.update, Op.update, Op.update, Op.update]],
      [silent, []],
    ] as const) {
      const steps = announced(() => {
        word.store(1);
        word.load();
        word.add(1);
        word.or(4);
        word.and(6);
        word.swapIf(6, 7);
      });
      expect(steps).toEqual(ops.map((op) => [op, word.at]));
      expect(word.load()).toBe(7);
    }
  });

  test("an operation is announced before it happens", () => {
    const { cell } = All.of(memory(), AT);
    const engine = {
      step() {
        throw new Error("stopped");
      },
      park() {},
      wake() {},
    };
    const before = runAs(1, engine);
    expect(() => cell.store(5)).toThrow("stopped");
    expect(() => cell.add(5)).toThrow("stopped");
    runAs(before.task, before.engine);
    expect(cell.load()).toBe(0);
  });

  test.each(["cell", "silent"] as const)("operations of a %s return what was there before", (name) => {
    const cell = All.of(memory(), AT)[name];
    expect(cell.add(5)).toBe(0);
    expect(cell.or(0b1010)).toBe(0b0101);
    expect(cell.and(0b0011)).toBe(0b1111);
    expect(cell.swapIf(4, 8)).toBe(false);
    expect(cell.swapIf(3, -8)).toBe(true);
    expect(cell.load()).toBe(-8);
  });
});
