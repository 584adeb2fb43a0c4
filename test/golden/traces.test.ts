// What dax-6.1 says of a file is what Linux 6.1 said, after every single call: result, error, size, content,
// loaded bytes, and which blocks the file has.
//
// Which of these blocks are unwritten depends on where they lie: the kernel gives blocks to a written
// neighbour if they are one run on the media, and zeroes small unwritten extents out if not.  So the last test
// plays all traces as they were recorded, one after another on one file system of mke2fs; there that is the
// same, too, but for three calls.  What is left open is which processor each call ran on: the kernel has a run
// for small files for each, and which blocks are free later depends on it.

import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { Errno } from "../../src/machine/errors.ts";
import { SysError } from "../../src/syscalls/error.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { bootKernel } from "../support/kernel.ts";
import { cleanImage } from "../support/machine.ts";
import { readTraces, type Trace, type TraceCall } from "./traces.ts";

const design = designs.get("dax-6.1") as Design;
const traces = readTraces();

const crc = (bytes: Uint8Array): string => crc32(bytes).toString(16).padStart(8, "0");

/** First block, blocks, unwritten 0 or 1. */
type Run = [number, number, number];

function pictures(extents: Run[]): { blocks: string; kinds: string } {
  return { blocks: picture(extents.map(([start, count]) => [start, count, 0])), kinds: picture(extents) };
}

/** Neighbouring blocks of one kind merged, wherever they lie. */
function picture(extents: Run[]): string {
  const merged: Run[] = [];
  for (const [start, count, unwritten] of extents) {
    const last = merged.at(-1);
    if (last !== undefined && last[0] + last[1] === start && last[2] === unwritten) last[1] += count;
    else merged.push([start, count, unwritten]);
  }
  return merged.map(([start, count, unwritten]) => `${start}+${count}${unwritten ? "u" : ""}`).join(" ");
}

/** A call and the state behind it. */
interface Seen {
  ret: number;
  errno: number;
  size: number;
  crc: string;
  crcLoaded: string | undefined;
  /** The blocks that the file has. */
  blocks: string;
  /** The same, written and unwritten ones apart. */
  kinds: string;
}

function recorded({ ret, errno, size, crc: content, crcLoaded, extents }: TraceCall): Seen {
  const logical = extents.map(([start, count, , unwritten]): Run => [start, count, unwritten]);
  return { ret, errno, size, crc: content, crcLoaded, ...pictures(logical) };
}

class Player {
  readonly sys: Sys;
  readonly fd: number;
  readonly trace: Trace;
  readonly #mapped: number;

  constructor(sys: Sys, trace: Trace) {
    this.sys = sys;
    this.trace = trace;
    this.fd = sys.open("/file", "w+");
    const { mapping, maxBlocks } = trace.header;
    const length = maxBlocks * 4096 + 65536;
    this.#mapped = mapping === "persistent" ? sys.mmap(length, "rw", "shared", this.fd, 0) : 0;
  }

  /** Gives the file up. */
  end(): void {
    const { maxBlocks } = this.trace.header;
    if (this.#mapped !== 0) this.sys.munmap(this.#mapped, maxBlocks * 4096 + 65536);
    this.sys.close(this.fd);
    this.sys.unlink("/file");
  }

  play(call: TraceCall): Seen {
    const loaded: { crc?: string } = {};
    let ret = 0;
    let errno = 0;
    try {
      ret = this.#call(call, loaded);
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      ret = -1;
      errno = Errno[error.code as keyof typeof Errno];
    }
    const { sys, fd } = this;
    const { size } = sys.fstat(fd);
    const extents = sys
      .fiemap(fd)
      .map(({ logical, length, unwritten }) => [logical / 4096, length / 4096, unwritten ? 1 : 0] as Run);
    return {
      ret,
      errno,
      size,
      crc: crc(sys.pread(fd, size, 0)),
      crcLoaded: call.op === "mload" ? (loaded.crc ?? "00000000") : undefined,
      ...pictures(extents),
    };
  }

  #call(call: TraceCall, loaded: { crc?: string }): number {
    const { sys, fd } = this;
    const { op, off = 0, len, byte = 0, mode = 0 } = call;
    switch (op) {
      case "pwrite":
        return sys.pwrite(fd, new Uint8Array(len).fill(byte), off);
      case "fallocate":
        sys.fallocate(fd, mode, off, len);
        return 0;
      case "truncate":
        sys.ftruncate(fd, len);
        return 0;
      default:
        this.#access(op, off, len, byte, loaded);
        return 0;
    }
  }

  #access(op: "mstore" | "mload", off: number, len: number, byte: number, loaded: { crc?: string }): void {
    const { sys, fd } = this;
    const start = off - (off % 4096);
    const length = Math.ceil((off + len - start) / 4096) * 4096;
    const at =
      this.#mapped === 0 ? sys.mmap(length, "rw", "shared", fd, start) + (off - start) : this.#mapped + off;
    try {
      if (op === "mstore") sys.store(at, new Uint8Array(len).fill(byte));
      else loaded.crc = crc(sys.load(at, len));
    } finally {
      if (this.#mapped === 0) sys.munmap(at - (off - start), length);
    }
  }
}

let played = 0;

test.each(traces.map((trace) => [trace.header.trace, trace] as const))(
  "trace %i goes as in Linux 6.1",
  (_number, trace) => {
    const { mem, sys } = bootKernel(design, 64 * 1024 * 1024);
    const player = new Player(sys(), trace);
    trace.calls.forEach((call, index) => {
      const { kinds: _, ...seen } = player.play(call);
      const { kinds: __, ...expected } = recorded(call);
      const context = `call ${index + 1}: ${JSON.stringify({ ...call, extents: undefined })}`;
      expect(seen, context).toEqual(expected);
      played += 1;
    });
    player.sys.fsync(player.fd);
    expect(e2fsck(cleanImage(mem))).toBe("");
  },
);

test("every recorded call has been played", () => {
  const all = traces.reduce((sum, trace) => sum + trace.calls.length, 0);
  expect(played).toBe(all);
});

test("in the order and on the file system of the recording, the same blocks are unwritten", () => {
  const { mem, sys } = bootKernel(design, mkfs(256 * 1024 * 1024));
  const differences: string[] = [];
  let all = 0;
  for (const trace of traces) {
    const player = new Player(sys(), trace);
    trace.calls.forEach((call, index) => {
      all += 1;
      const { kinds } = player.play(call);
      const { kinds: right } = recorded(call);
      if (kinds === right) return;
      const what = JSON.stringify({ ...call, extents: undefined });
      differences.push(
        `trace ${trace.header.trace} call ${index + 1} ${what}\n  Linux: ${right}\n  here:  ${kinds}`,
      );
    });
    player.end();
  }
  const first = differences[0] ?? "none";
  console.log(
    `golden traces: extents written and unwritten alike in ${all - differences.length} of ${all} calls`,
  );
  expect(differences.length, `the first of ${differences.length} differences: ${first}`).toBeLessThanOrEqual(
    3,
  );
  expect(sys().sync()).toBeUndefined();
  expect(e2fsck(cleanImage(mem))).toBe("");
});
