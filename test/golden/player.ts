// Plays a recorded call, and says what can be seen of the file behind it in the words of the recordings.

import { crc32 } from "node:zlib";
import { Errno } from "../../src/machine/errors.ts";
import { SysError } from "../../src/syscalls/error.ts";
import type { Sys } from "../../src/syscalls/sys.ts";
import type { Trace, TraceCall, TraceExtent } from "./traces.ts";

const crc = (bytes: Uint8Array): string => crc32(bytes).toString(16).padStart(8, "0");

/** A call and the state behind it.  In the pictures, neighbouring extents that go on in all they show are one. */
export interface Seen {
  ret: number;
  errno: number;
  size: number;
  crc: string;
  crcLoaded: string | undefined;
  /** The blocks that the file has. */
  blocks: string;
  /** The same, written and unwritten ones apart. */
  kinds: string;
  /** The same, and where they lie on the media. */
  places: string;
}

/** A call and the state behind it as the kernel had them. */
export function recorded({ ret, errno, size, crc: content, crcLoaded, extents }: TraceCall): Seen {
  return { ret, errno, size, crc: content, crcLoaded, ...pictures(extents) };
}

function pictures(extents: readonly TraceExtent[]): Pick<Seen, "blocks" | "kinds" | "places"> {
  const kinds = extents.map(([start, count, , unwritten]): TraceExtent => [start, count, start, unwritten]);
  const blocks = kinds.map(([start, count]): TraceExtent => [start, count, start, 0]);
  return { blocks: picture(blocks), kinds: picture(kinds), places: picture(extents) };
}

function picture(extents: readonly TraceExtent[]): string {
  const merged: TraceExtent[] = [];
  for (const [start, count, media, unwritten] of extents) {
    const last = merged.at(-1);
    const goesOn =
      last !== undefined &&
      last[0] + last[1] === start &&
      last[2] + last[1] === media &&
      last[3] === unwritten;
    if (goesOn) last[1] += count;
    else merged.push([start, count, media, unwritten]);
  }
  return merged
    .map(([start, count, media, unwritten]) => {
      const place = media === start ? "" : `@${media}`;
      return `${start}+${count}${unwritten === 1 ? "u" : ""}${place}`;
    })
    .join(" ");
}

export class Player {
  readonly sys: Sys;
  readonly fd: number;
  readonly trace: Trace;
  readonly #mapped: number;
  readonly #mappedLength: number;

  constructor(sys: Sys, trace: Trace) {
    this.sys = sys;
    this.trace = trace;
    this.fd = sys.open("/file", "w+");
    const { mapping, maxBlocks } = trace.header;
    this.#mappedLength = maxBlocks * 4096 + 65536;
    this.#mapped = mapping === "persistent" ? sys.mmap(this.#mappedLength, "rw", "shared", this.fd, 0) : 0;
  }

  /** Gives the file up. */
  end(): void {
    if (this.#mapped !== 0) this.sys.munmap(this.#mapped, this.#mappedLength);
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
      .map(({ logical, length, physical, unwritten }): TraceExtent => [
        logical / 4096,
        length / 4096,
        physical / 4096,
        unwritten ? 1 : 0,
      ]);
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
