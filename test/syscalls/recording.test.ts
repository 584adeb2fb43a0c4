// What the calls of a Sys leave in the records: the oracles explain bytes with nothing else.

import { beforeEach, describe, expect, it } from "vitest";
import { Errno } from "../../src/machine/errors.ts";
import {
  Call,
  callName,
  type CallRecord,
  Mapped,
  recordData,
  recordsOf,
  setRecording,
} from "../../src/syscalls/record.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { bootKernel, codeOf, type Kernel } from "../support/kernel.ts";

const PAGE = 4096;
const design = [...designs.values()].find(({ sound }) => sound);
if (design === undefined) throw new Error("no design is meant to be sound");

let kernel: Kernel;
let sys: Sys;
let fd: number;
let ino: number;
beforeEach(() => {
  kernel = bootKernel(design);
  sys = kernel.sys(2);
  fd = sys.open("/file", "w+");
  ino = sys.fstat(fd).ino;
  sys.write(fd, new Uint8Array(3 * PAGE).fill(1));
  setRecording(kernel.mem, true);
});

function last(): CallRecord {
  return recordsOf(kernel.mem).at(-1) as CallRecord;
}

const text = (record: CallRecord): string => new TextDecoder().decode(Uint8Array.from(recordData(record)));

describe("records of calls", () => {
  it("have file, place, length and bytes of a pwrite and a pread", () => {
    sys.pwrite(fd, new Uint8Array([5, 6]), 100);
    const write = last();
    const { kind, position, length, result, process, error } = write;
    expect([kind, write.ino, position, length, result, process, error]).toEqual([
      Call.pwrite,
      ino,
      100,
      2,
      2,
      2,
      0,
    ]);
    expect([...recordData(write)]).toEqual([5, 6]);
    sys.pread(fd, 10, 3 * PAGE - 1);
    const read = last();
    expect([read.kind, read.ino, read.position, read.length, read.result]).toEqual([
      Call.pread,
      ino,
      3 * PAGE - 1,
      10,
      1,
    ]);
    expect([...recordData(read)]).toEqual([1]);
    expect(read.begin).toBeGreaterThan(write.end);
  });

  it("have the place at which read and write were, and where an append went", () => {
    sys.lseek(fd, 50, 0);
    sys.read(fd, 10);
    expect([last().kind, last().position]).toEqual([Call.read, 50]);
    sys.write(fd, new Uint8Array([9]));
    expect([last().kind, last().position]).toEqual([Call.write, 60]);
    const log = sys.open("/file", "a");
    sys.pwrite(log, new Uint8Array([3]), 0);
    expect([last().kind, last().position]).toEqual([Call.pwrite, 3 * PAGE]);
  });

  it("have path and result of an open, and its error", () => {
    const other = sys.open("/other", "w");
    expect([last().kind, last().result, text(last())]).toEqual([Call.open, other, "/other"]);
    codeOf(() => sys.open("/none", "r"));
    expect([last().error, text(last())]).toEqual([Errno.ENOENT, "/none"]);
  });

  it("have the place in the file of a load and a store", () => {
    const at = sys.mmap(2 * PAGE, "rw", "shared", fd, PAGE);
    expect([last().kind, last().result, last().position]).toEqual([Call.mmap, at, PAGE]);
    sys.store(at + 7, new Uint8Array([8, 9]));
    const store = last();
    expect([store.kind, store.ino, store.position, store.result, store.mapped, store.extra]).toEqual([
      Call.store,
      ino,
      PAGE + 7,
      2,
      Mapped.shared,
      at + 7,
    ]);
    expect([...recordData(store)]).toEqual([8, 9]);
    sys.load(at + 6, 4);
    expect([last().position, last().length, last().result]).toEqual([PAGE + 6, 4, 4]);
    expect([...recordData(last())]).toEqual([1, 8, 9, 1]);
  });

  it("tell private mappings from shared ones", () => {
    const at = sys.mmap(PAGE, "rw", "private", fd, 0);
    sys.store(at, new Uint8Array([8]));
    expect(last().mapped).toBe(Mapped.private);
  });

  it("are one for each mapping that an access crosses", () => {
    const at = sys.mmap(PAGE, "rw", "shared", fd, 2 * PAGE);
    const next = sys.mmap(PAGE, "rw", "shared", fd, 0);
    expect(next).toBe(at + PAGE);
    sys.load(at + PAGE - 2, 5);
    const [first, second] = recordsOf(kernel.mem).slice(-2) as [CallRecord, CallRecord];
    expect([first.position, first.length]).toEqual([3 * PAGE - 2, 2]);
    expect([second.position, second.length]).toEqual([0, 3]);
  });

  it("have the bytes before the signal of a load or store that was stopped", () => {
    const at = sys.mmap(4 * PAGE, "rw", "shared", fd, 0);
    codeOf(() => sys.store(at + 3 * PAGE - 3, new Uint8Array(5).fill(4)));
    expect([last().error, last().result, last().dataLength]).toEqual([Errno.SIGBUS, 3, 5]);
    codeOf(() => sys.load(at + 3 * PAGE - 2, 5));
    expect([last().error, last().result]).toEqual([Errno.SIGBUS, 2]);
    expect([...recordData(last())]).toEqual([4, 4]);
    codeOf(() => sys.load(16, 1));
    expect([last().error, last().result, last().ino]).toEqual([Errno.SIGSEGV, 0, 0]);
  });

  it("have the source of a write from a mapping", () => {
    const at = sys.mmap(PAGE, "r", "shared", fd, PAGE);
    const other = sys.open("/other", "w");
    sys.pwrite(other, { address: at + 10, length: 100 }, 5);
    const { kind, position, sourceIno, sourcePosition, result, dataLength, extra } = last();
    expect([kind, position, sourceIno, sourcePosition, result, dataLength, extra]).toEqual([
      Call.copy,
      5,
      ino,
      PAGE + 10,
      100,
      0,
      at + 10,
    ]);
  });

  it("are made of every call", () => {
    const at = sys.mmap(PAGE, "rw", "shared", fd, 0);
    sys.load(at, 1);
    sys.store(at, new Uint8Array(1));
    sys.msync(at, PAGE);
    sys.flush(at, PAGE);
    sys.drain();
    sys.munmap(at, PAGE);
    sys.pread(fd, 1, 0);
    sys.pwrite(fd, new Uint8Array(1), 0);
    sys.read(fd, 1);
    sys.write(fd, new Uint8Array(1));
    sys.lseek(fd, 0, 0);
    codeOf(() => sys.fallocate(fd, 0, 0, 1));
    sys.ftruncate(fd, 5);
    sys.truncate("/file", 5);
    sys.fstat(fd);
    sys.stat("/file");
    sys.lstat("/file");
    sys.fsync(fd);
    sys.fdatasync(fd);
    sys.sync();
    sys.fiemap(fd);
    sys.readdir("/");
    sys.mkdir("/directory");
    sys.rmdir("/directory");
    sys.link("/file", "/other");
    sys.rename("/other", "/moved");
    sys.symlink("anywhere", "/symlink");
    sys.readlink("/symlink");
    sys.chmod("/file", 0o600);
    sys.fchmod(fd, 0o644);
    sys.chown("/file", 1, 1);
    sys.lchown("/file", 2, 2);
    sys.fchown(fd, 0, 0);
    sys.utimens("/file", 1, 2);
    sys.futimens(fd, "now", "omit");
    sys.statfs("/");
    sys.unlink("/file");
    sys.close(fd);
    sys.open("/new", "w");
    const kinds = new Set(recordsOf(kernel.mem).map(({ kind }) => callName(kind)));
    const known = Object.keys(Call).filter((name) => name !== "copy");
    expect([...kinds].toSorted()).toEqual(known.toSorted());
    const renamed = recordsOf(kernel.mem).find(({ kind }) => kind === Call.rename) as CallRecord;
    expect(new TextDecoder().decode(recordData(renamed))).toBe("/other\0/moved");
    expect(recordsOf(kernel.mem).filter(({ end }) => end === 0)).toEqual([]);
  });
});
