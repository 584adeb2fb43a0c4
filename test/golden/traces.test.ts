// What dax-6.1 says of a file is what Linux 6.1 said, after every single call: result, error, size, content,
// loaded bytes, and which blocks the file has.
//
// Not asserted: which of these blocks are unwritten.  The kernel gives blocks to a written neighbour if
// they are one run on the media, and zeroes small unwritten extents out if not; which it is depends on
// where its allocator put them, and ours puts them elsewhere.  The last test prints in how many calls even
// that is the same.

import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { Errno } from "../../src/machine/errors.ts";
import { SysError } from "../../src/syscalls/error.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
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

/** Calls whose extents are those of the recording in kind, too; see the last test. */
let alike = 0;
let played = 0;

test.each(traces.map((trace) => [trace.header.trace, trace] as const))(
  "trace %i goes as in Linux 6.1",
  (_, trace) => {
    const { mem, sys } = bootKernel(design, 64 * 1024 * 1024);
    const player = new Player(sys(), trace);
    trace.calls.forEach((call, index) => {
      const { kinds, ...seen } = player.play(call);
      const { kinds: right, ...expected } = recorded(call);
      const context = `call ${index + 1}: ${JSON.stringify({ ...call, extents: undefined })}`;
      expect(seen, context).toEqual(expected);
      played += 1;
      if (kinds === right) alike += 1;
    });
    player.sys.fsync(player.fd);
    expect(e2fsck(cleanImage(mem))).toBe("");
  },
);

test("every recorded call has been played", () => {
  const all = traces.reduce((sum, trace) => sum + trace.calls.length, 0);
  console.log(
    `golden traces: ${played} of ${all} calls match; extents written and unwritten alike in ${alike}`,
  );
  expect(played).toBe(all);
});
