// Images as they lay in persistent memory when a machine with Linux 6.1 was killed, and what Linux made of them.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const folder = new URL("../../../test/golden/crash/", import.meta.url);

/** The image of a crash: its journal needs recovery. */
export function crashImage(number: number): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(new URL(`${number}.img.gz`, folder))));
}

export interface CrashLine {
  path: string;
  ino: number;
  /** Octal. */
  mode: string;
  nlink: number;
  size: number;
  /** Of 512 bytes. */
  blocks: number;
  /** Of a file's content. */
  crc?: string;
  /** [logical block, blocks, physical block, unwritten 0 or 1] */
  extents?: [number, number, number, number][];
}

/** What Linux showed of a copy after it had recovered it. */
export function expectedTree(number: number): CrashLine[] {
  const lines = readFileSync(new URL(`${number}.expected.jsonl`, folder), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as CrashLine);
}

/** By path, the last size and CRC with which fsync had returned before the crash. */
export function fsynced(number: number): Map<string, { size: number; crc: string }> {
  const found = new Map<string, { size: number; crc: string }>();
  for (const line of readFileSync(new URL(`${number}.fsynced.txt`, folder), "utf8")
    .trim()
    .split("\n")) {
    const [, , path = "", size = "", crc = ""] = line.split(" ");
    found.set(`/${path}`, { size: Number(size), crc });
  }
  return found;
}
