// From recorded calls to a verdict in words.  The calls are made by hand here, so that each rule stands alone.
import { expect, test } from "vitest";
import { checkHistory, type ByteFinding } from "../../../src/lab/oracles/explain.ts";
import { historyOf, type RecordedCall } from "../../../src/lab/oracles/history.ts";
import { InitialFiles } from "../../../src/lab/oracles/initial.ts";
import { namesOf, pathsIn } from "../../../src/lab/oracles/names.ts";
import { STALE } from "../../../src/machine/pmem.ts";
import { O } from "../../../src/syscalls/flags.ts";
import { Fallocate } from "../../../src/xip/modes.ts";
import { Call, Mapped } from "../../../src/syscalls/record.ts";

const WRITER = 0;
const READER = 1;
let clock = 0;

/** A call on /file that ran alone, unless begin and end say otherwise. */
function call(kind: Call, of: Partial<RecordedCall> = {}): RecordedCall {
  const begin = (clock += 1);
  const end = (clock += 1);
  return {
    kind,
    task: WRITER,
    process: of.task ?? WRITER,
    number: 1,
    begin,
    end,
    file: "12:1",
    ino: 12,
    position: 0,
    length: of.data?.length ?? 0,
    result: of.data?.length ?? 0,
    error: 0,
    mapped: Mapped.no,
    extra: 0,
    source: "",
    sourcePosition: 0,
    data: new Uint8Array(),
    ...of,
  };
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
const path = (text: string): Uint8Array => new TextEncoder().encode(text);
const opened = (name: string, of: Partial<RecordedCall> = {}): RecordedCall =>
  call(Call.open, { data: path(name), ...of });
const write = (position: number, data: Uint8Array, of: Partial<RecordedCall> = {}): RecordedCall =>
  call(Call.pwrite, { position, data, ...of });
const read = (position: number, data: Uint8Array, of: Partial<RecordedCall> = {}): RecordedCall =>
  call(Call.pread, { task: READER, position, data, ...of });

function verdict(setup: RecordedCall[], calls: RecordedCall[]): ByteFinding | undefined {
  const initial = new InitialFiles(setup);
  const names = namesOf(["writer", "reader"], [...setup, ...calls]);
  const history = historyOf(calls, initial.file);
  return checkHistory(history, history.reads, initial, names);
}

test("a read of what was written, or of zeros where nothing was, is right", () => {
  expect(verdict([], [opened("/file"), write(100, bytes(10, 7)), read(98, Uint8Array.of(0, 0, 7, 7))])).toBe(
    undefined,
  );
});

test("the pattern of never written media is stale data, and the report names call, byte and what was right", () => {
  const found = verdict([opened("/file")], [write(0, bytes(4, 7)), read(0, Uint8Array.of(7, 7, STALE, 7))]);
  expect(found?.promise).toBe("no-stale-data");
  expect(found?.message).toBe(
    "reader's pread of /file returned 0xdb at byte 2 where 0x07 was right: the media held that before the file system was made",
  );
});

test("what another file holds is stale data in this one", () => {
  const other = write(0, bytes(4, 0x22), { file: "13:1", ino: 13 });
  const found = verdict([opened("/file")], [other, read(0, bytes(4, 0x22))]);
  expect(found?.promise).toBe("no-stale-data");
  expect(found?.message).toMatch(/writer wrote that to the file of inode 13/);
});

test("what a file of the setup held and lost is stale data later", () => {
  const setup = [opened("/file"), write(0, bytes(8, 0x33)), call(Call.ftruncate, { length: 0 })];
  const found = verdict(setup, [read(0, bytes(8, 0x33))]);
  expect(found?.promise).toBe("no-stale-data");
});

test("what the file itself held before a truncation is stale data, before a write it is a lost write", () => {
  const old = write(0, bytes(4, 5));
  expect(verdict([], [old, call(Call.truncate, { length: 0 }), read(0, bytes(4, 5))])?.promise).toBe(
    "no-stale-data",
  );
  const found = verdict([], [old, write(0, bytes(4, 6)), read(0, bytes(4, 5))]);
  expect(found?.promise).toBe("no-lost-write");
  expect(found?.message).toBe(
    "reader's pread of the file of inode 12 returned 0x05 at byte 0 where 0x06 was right: writer's pwrite had put other bytes there and returned",
  );
});

test("zeros over a completed write are a lost write", () => {
  expect(verdict([], [write(0, bytes(4, 5)), read(0, bytes(4, 0))])?.promise).toBe("no-lost-write");
});

test("a write beside the read may show or not, byte by byte", () => {
  const begin = (clock += 1);
  const beside = read(0, Uint8Array.of(0, 9, 0, 9), { begin, end: begin + 10 });
  const writing = write(0, bytes(4, 9), { begin: begin + 1, end: begin + 2 });
  clock += 20;
  expect(verdict([], [beside, writing])).toBe(undefined);
});

test("opening with O_TRUNC, fallocate's zeroing modes and truncation write zeros", () => {
  const old = write(0, bytes(8, 5));
  const cases: [RecordedCall, boolean][] = [
    [opened("/file", { extra: O.TRUNC }), true],
    [opened("/file", { extra: O.RDWR }), false],
    [call(Call.ftruncate, { length: 0 }), true],
    [call(Call.fallocate, { position: 0, length: 8, extra: Fallocate.zeroRange }), true],
    [call(Call.fallocate, { position: 0, length: 8, extra: Fallocate.punchHole | Fallocate.keepSize }), true],
    [call(Call.fallocate, { position: 0, length: 8 }), false],
  ];
  for (const [clearing, clears] of cases) {
    const seen = (value: number): boolean =>
      verdict([], [old, clearing, read(0, bytes(8, value))]) === undefined;
    expect([seen(0), seen(5)]).toEqual([clears, !clears]);
  }
});

test("a call that failed or was stopped may have had its effect or not", () => {
  for (const how of [
    { error: 28, result: 0 },
    { end: Infinity, result: 0 },
  ]) {
    const unsure = write(0, bytes(4, 9), how);
    for (const value of [0, 9]) expect(verdict([], [unsure, read(0, bytes(4, value))])).toBe(undefined);
    expect(verdict([], [unsure, read(0, bytes(4, 8))])?.promise).toBe("no-lost-write");
  }
});

test("a store that faulted in the middle has stored what came before, and nothing behind it", () => {
  const size = call(Call.ftruncate, { length: 100 });
  const stored = call(Call.store, { data: bytes(8, 9), result: 4, error: 1007, mapped: Mapped.shared });
  expect(verdict([size], [stored, read(0, Uint8Array.of(9, 9, 9, 9, 0, 0))])).toBe(undefined);
  expect(verdict([size], [stored, read(0, Uint8Array.of(9, 9, 9, 0, 0, 0))])?.position).toBe(3);
  expect(verdict([size], [stored, read(0, Uint8Array.of(9, 9, 9, 9, 9, 0))])?.position).toBe(4);
});

test("a store behind the end of the file may show or not when the file grows over it", () => {
  const size = call(Call.ftruncate, { length: 4 });
  const stored = call(Call.store, { data: bytes(8, 9), mapped: Mapped.shared });
  const grown = call(Call.ftruncate, { length: 8 });
  const seen = (...values: number[]): number | undefined =>
    verdict([size], [stored, grown, read(0, Uint8Array.from(values))])?.position;
  expect(seen(9, 9, 9, 9, 9, 0, 9, 0)).toBe(undefined);
  expect(seen(9, 9, 9, 0, 9, 0, 9, 0)).toBe(3);
});

test("private stores do not reach the file, and the process's own loads behind them are left out", () => {
  const stored = call(Call.store, {
    data: bytes(4, 9),
    mapped: Mapped.private,
    task: READER,
    process: READER,
  });
  const load = (process: number): RecordedCall =>
    call(Call.load, { data: bytes(4, 9), mapped: Mapped.private, task: process, process });
  expect(verdict([], [stored, load(READER)])).toBe(undefined);
  expect(verdict([], [stored, load(WRITER)])?.promise).toBe("no-lost-write");
  expect(verdict([], [stored, read(0, bytes(4, 9))])?.promise).toBe("no-lost-write");
});

test("a write from a mapping writes what the mapping's file may have held meanwhile", () => {
  const source = write(50, bytes(4, 3), { file: "13:1", ino: 13 });
  const copy = call(Call.copy, { length: 4, result: 4, source: "13:1", sourcePosition: 50 });
  expect(verdict([], [source, copy, read(0, bytes(4, 3))])).toBe(undefined);
  expect(verdict([], [source, copy, read(0, bytes(4, 0))])?.promise).toBe("no-lost-write");
  expect(verdict([], [source, copy, read(0, bytes(4, STALE))])?.promise).toBe("no-stale-data");
});

test("a read that ends before what the file surely held has lost a write", () => {
  const found = verdict([], [write(0, bytes(100, 1)), read(0, bytes(40, 1), { length: 100 })]);
  expect(found?.promise).toBe("no-lost-write");
  expect(found?.message).toMatch(/ended at byte 40, 60 bytes before what the file surely held/);
});

test("the setup's calls, applied in order, are what the run starts from", () => {
  const setup = [
    opened("/file"),
    write(0, bytes(10, 1)),
    call(Call.ftruncate, { length: 4 }),
    call(Call.ftruncate, { length: 8 }),
    write(6, bytes(2, 2)),
    call(Call.copy, { position: 2, length: 1, result: 1, source: "12:1", sourcePosition: 7 }),
  ];
  expect(verdict(setup, [read(0, Uint8Array.of(1, 1, 2, 1, 0, 0, 2, 2), { length: 20 })])).toBe(undefined);
  expect(new InitialFiles(setup).file("12:1")?.size).toBe(8);
  expect(pathsIn([...setup, opened("/other"), opened("/file")])).toEqual(["/file", "/other"]);
});

test("what the setup stored behind a file's end may show when the file grows, or not, until something is put there", () => {
  const stored = call(Call.store, { position: 2000, data: bytes(10, 9), mapped: Mapped.shared });
  const setup = [opened("/file"), write(0, bytes(100, 1)), stored];
  const grown = (): RecordedCall => write(2100, bytes(1, 3));
  const shown = (value: number): RecordedCall => read(2000, bytes(10, value));
  expect(verdict(setup, [grown(), shown(0)])).toBe(undefined);
  expect(verdict(setup, [grown(), shown(9)])).toBe(undefined);
  expect(verdict(setup, [grown(), shown(8)])?.promise).toBe("no-lost-write");
  const put = [...setup, write(2003, bytes(100, 4))];
  expect(verdict(put, [read(2000, Uint8Array.of(9, 0, 9, 4, 4))])).toBe(undefined);
  expect(verdict(put, [read(2002, bytes(2, 9))])?.message).toContain("byte 2003");
  const cut = [...setup, call(Call.ftruncate, { length: 100 }), call(Call.ftruncate, { length: 3000 })];
  expect(verdict(cut, [shown(0)])).toBe(undefined);
  expect(verdict(cut, [shown(9)])?.promise).toBe("no-stale-data");
});

test("a file in an inode that another file had before is another file", () => {
  const found = verdict([], [write(0, bytes(4, 5)), read(0, bytes(4, 5), { file: "12:2" })]);
  expect(found?.promise).toBe("no-stale-data");
});
