// The verdict on a history: the first byte that nothing explains, in words, and which promise it breaks.
//
// A byte is stale when it is what the media held before the file system was made, or what another file
// holds or held, or what this file held before it gave the space up.  Otherwise a write was lost.

import { STALE } from "../../machine/pmem.ts";
import { callName } from "../../syscalls/record.ts";
import type { CallRead, CallWrite, RecordedCall, RunHistory } from "./history.ts";
import type { InitialFiles } from "./initial.ts";
import type { Finding } from "./promises.ts";
import { checkRead, missingBytes } from "./register.ts";

/** Words for numbers: tasks and files. */
export interface Names {
  task(task: number): string;
  file(key: string): string;
}

/** A finding about bytes, with the place in the file for the story. */
export interface ByteFinding extends Finding {
  readonly file: string;
  readonly position: number;
  /** The call that saw it; undefined for what was read after the run. */
  readonly call: RecordedCall | undefined;
  /** Where the byte lies on the media, if that is known. */
  readonly mediaBlock?: number;
}

/** The first read of a history that is not explained.  `by` says who read when no call did. */
export function checkHistory(
  history: RunHistory,
  reads: readonly CallRead[],
  initial: InitialFiles,
  names: Names,
  by = "a read after the run",
): ByteFinding | undefined {
  for (const read of reads) {
    const found = checkOne(history, read, initial, names, by);
    if (found !== undefined) return found;
  }
  return undefined;
}

function checkOne(
  history: RunHistory,
  read: CallRead,
  initial: InitialFiles,
  names: Names,
  by: string,
): ByteFinding | undefined {
  const file = history.files.get(read.file);
  if (file === undefined) return undefined;
  const { call } = read;
  const reader =
    call === undefined ? by : `${names.task(call.task)}'s ${callName(call.kind)} of ${names.file(read.file)}`;
  const wrong = checkRead(file, read);
  if (wrong !== undefined) {
    const { position, value, expected } = wrong;
    const origin = originOf(history, read, position, value, initial, names);
    const should = expected.length === 0 ? "" : ` where ${oneOf(expected)} was right`;
    return {
      promise: origin === undefined ? "no-lost-write" : "no-stale-data",
      message: `${reader} returned ${hex(value)} at byte ${position}${should}: ${origin ?? lost(file.writes, read, position, names)}`,
      file: read.file,
      position,
      call,
    };
  }
  const missing = missingBytes(file, read);
  if (missing === 0) return undefined;
  const position = read.position + read.bytes.length;
  return {
    promise: "no-lost-write",
    message: `${reader} ended at byte ${position}, ${missing} bytes before what the file surely held`,
    file: read.file,
    position,
    call,
  };
}

/** Where a byte came from that the file should not have had, if it is not the file's own lost state. */
function originOf(
  history: RunHistory,
  read: CallRead,
  position: number,
  value: number,
  initial: InitialFiles,
  names: Names,
): string | undefined {
  if (value === 0) return undefined;
  const own = history.files.get(read.file)?.writes ?? [];
  const before = (write: CallWrite): boolean => write.begin < read.end;
  const held = (write: CallWrite): boolean =>
    write.value instanceof Uint8Array && write.value.includes(value);
  const earlier = own.find(
    (write) =>
      before(write) && write.value instanceof Uint8Array && write.value[position - write.position] === value,
  );
  const cleared = own.some((write) => before(write) && write.value === "zeros" && covers(write, position));
  const atFirst = initial.file(read.file)?.byteAt(position) === value;
  if (cleared && (earlier !== undefined || atFirst)) return "the file held that before it gave the space up";
  if (earlier !== undefined || atFirst) return undefined;
  for (const [key, file] of history.files) {
    const writer = file.writes.find((write) => before(write) && held(write));
    if (writer === undefined) continue;
    return `${names.task(writer.call.task)} wrote that to ${key === read.file ? "another part of the file" : names.file(key)}`;
  }
  if (initial.wrote(value)) return "that was written elsewhere before the run";
  return value === STALE ? "the media held that before the file system was made" : undefined;
}

/** The write that should have been seen. */
function lost(writes: readonly CallWrite[], read: CallRead, position: number, names: Names): string {
  const last = writes
    .filter((write) => !write.maybe && write.end < read.begin && covers(write, position))
    .toSorted((a, b) => b.begin - a.begin)[0];
  if (last === undefined) return "no write explains it";
  return `${names.task(last.call.task)}'s ${callName(last.call.kind)} had put ${
    last.value === "zeros" ? "zeros" : "other bytes"
  } there and returned`;
}

const covers = (write: CallWrite, position: number): boolean =>
  write.position <= position && position < write.position + write.length;

const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

function oneOf(values: readonly number[]): string {
  const words = values.slice(0, 4).map(hex);
  if (values.length > 4) return `one of ${words.join(", ")} … (${values.length} values)`;
  return words.length < 3 ? words.join(" or ") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
