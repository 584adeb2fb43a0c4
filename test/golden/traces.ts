// Recordings of a real kernel (Linux 6.1.176, ext4 -o dax=always): calls on one file, each with its result
// and the file's state right after it.  traces.jsonl.gz holds them one after another; a line with `trace`
// begins one.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

interface TraceHeader {
  trace: number;
  blockSize: number;
  maxBlocks: number;
  /** "per-op": each store or load maps the pages it touches; "persistent": one mapping throughout. */
  mapping: "per-op" | "persistent";
}

/** [logical block, blocks, physical block, unwritten 0 or 1] */
export type TraceExtent = [start: number, count: number, media: number, unwritten: number];

export interface TraceCall {
  op: "pwrite" | "fallocate" | "truncate" | "mstore" | "mload";
  off?: number;
  len: number;
  byte?: number;
  mode?: number;
  crcLoaded?: string;
  ret: number;
  errno: number;
  size: number;
  blocks: number;
  crc: string;
  extents: TraceExtent[];
}

export interface Trace {
  header: TraceHeader;
  calls: TraceCall[];
}

export function readTraces(): Trace[] {
  // From dist/test/golden/ to where the sources are.
  const packed = readFileSync(new URL("../../../test/golden/traces.jsonl.gz", import.meta.url));
  const traces: Trace[] = [];
  for (const line of gunzipSync(packed).toString().split("\n")) {
    if (line === "") continue;
    const value = JSON.parse(line) as TraceHeader | TraceCall;
    if ("trace" in value) traces.push({ header: value, calls: [] });
    else traces.at(-1)?.calls.push(value);
  }
  return traces;
}
