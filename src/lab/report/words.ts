// Notes and calls in words, as the story tells them.

import { errnoName } from "../../machine/errors.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { Note, type TraceLine } from "../../machine/trace.ts";
import { Call, callName } from "../../syscalls/record.ts";
import type { RecordedCall } from "../oracles/history.ts";

const STATES = ["a hole", "unwritten", "written"];

/** "pwrite /file 4096+512": what the program asked for. */
export function callWords(call: RecordedCall, file: string): string {
  const name = callName(call.kind);
  const range = `${call.position}+${call.length}`;
  switch (call.kind) {
    case Call.open:
    case Call.stat:
    case Call.lstat:
    case Call.unlink:
    case Call.readdir:
    case Call.readlink:
    case Call.mkdir:
    case Call.rmdir:
    case Call.chmod:
    case Call.chown:
    case Call.lchown:
    case Call.utimens:
    case Call.statfs:
      return `${name} ${Buffer.from(call.data).toString()}`;
    case Call.rename:
    case Call.link:
    case Call.symlink:
      return `${name} ${Buffer.from(call.data).toString().replace("\0", " to ")}`;
    case Call.pread:
    case Call.pwrite:
    case Call.read:
    case Call.write:
    case Call.load:
    case Call.store:
    case Call.flush:
    case Call.fallocate:
      return `${name} ${file} ${range}`;
    case Call.copy:
      return `pwrite ${file} ${range} from a mapping`;
    case Call.truncate:
    case Call.ftruncate:
      return `${name} ${file} to ${call.length}`;
    default:
      return call.ino === 0 ? name : `${name} ${file}`;
  }
}

/** What the call gave back, when that tells something. */
export function returnWords(call: RecordedCall): string | undefined {
  if (call.error !== 0) return errnoName(call.error);
  switch (call.kind) {
    case Call.pread:
    case Call.read:
    case Call.load:
      return `returns ${bytesInWords(call.data)}`;
    case Call.pwrite:
    case Call.write:
    case Call.copy:
      return call.result === call.length ? "returns" : `returns ${call.result}`;
    case Call.store:
    case Call.flush:
    case Call.drain:
    case Call.truncate:
    case Call.ftruncate:
    case Call.fallocate:
    case Call.fsync:
    case Call.fdatasync:
    case Call.sync:
    case Call.msync:
    case Call.unlink:
    case Call.mkdir:
    case Call.rmdir:
    case Call.rename:
    case Call.link:
    case Call.symlink:
      return "returns";
    default:
      return undefined;
  }
}

/** "512 x 0xaa, 3584 x 0x00": runs of equal bytes, the first few. */
export function bytesInWords(bytes: Uint8Array): string {
  if (bytes.length === 0) return "no bytes";
  const runs: string[] = [];
  for (let from = 0; from < bytes.length;) {
    const value = bytes[from] as number;
    let end = from + 1;
    while (end < bytes.length && bytes[end] === value) end++;
    if (runs.length === 4) return `${runs.join(", ")} …`;
    runs.push(`${end - from === 1 ? "" : `${end - from} x `}0x${value.toString(16).padStart(2, "0")}`);
    from = end;
  }
  return runs.join(", ");
}

const block = (number: number, count: number): string =>
  count === 1 ? `block ${number}` : `blocks ${number} to ${number + count - 1}`;

const part = (offset: number, length: number): string =>
  offset === 0 && length === PAGE_SIZE ? "" : `, bytes ${offset} to ${offset + length - 1}`;

/** One note of a task between two steps; of calls and returns `callWords` and `returnWords` tell more. */
export function noteWords({ note, a, b, c }: TraceLine): string {
  switch (note) {
    case Note.call:
      return "a call";
    case Note.return:
      return "returns";
    case Note.lookUp:
      return `look up block ${b}: ${STATES[c] ?? c}`;
    case Note.allocate:
      return `allocate block ${b}: media block ${c}`;
    case Note.split:
      return `split at ${block(b, c)}`;
    case Note.convert:
      return `convert ${block(b, c)}: unwritten -> written`;
    case Note.merge:
      return `merge ${block(b, c)}`;
    case Note.free:
      return `free block ${b}: media block ${c}`;
    case Note.zero:
      return `zero media block ${a}${part(b, c)}`;
    case Note.copyIn:
      return `copy into media block ${a}${part(b, c)}`;
    case Note.copyOut:
      return `copy out of media block ${a}${part(b, c)}`;
    case Note.fault:
      return `${c === 1 ? "write" : "read"} fault, page ${b}`;
    case Note.mapPage:
      return `map page ${b}: ${c === 0 ? "the zero page" : `media block ${c}`}`;
    case Note.unmapPage:
      return `unmap page ${b} everywhere`;
    case Note.setSize:
      return `size = ${b}`;
    case Note.sigbus:
      return "SIGBUS";
    case Note.copyPage:
      return `copy page ${b} for itself`;
    case Note.commit:
      return `commit ${a} blocks`;
    case Note.unconvert:
      return `convert ${block(b, c)}: written -> unwritten`;
    case Note.shift:
      return `shift extents from block ${b} on: ${Math.abs(c | 0)} blocks to the ${(c | 0) < 0 ? "left" : "right"}`;
  }
}
