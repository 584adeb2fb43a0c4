// Which path a file was called by: the oracles know files by inode, people by name.

import { Call } from "../../syscalls/record.ts";
import type { Names } from "./explain.ts";
import type { RecordedCall } from "./history.ts";

const decoder = new TextDecoder();

const takesPath = ({ kind }: RecordedCall): boolean =>
  kind === Call.open || kind === Call.truncate || kind === Call.stat;

/** Calls that are given an old path and a new one, with a NUL between them. */
const takesTwo = ({ kind }: RecordedCall): boolean =>
  kind === Call.rename || kind === Call.link || kind === Call.symlink;

/** The paths that a call has named, of which there may be files now. */
function pathsOf(call: RecordedCall): string[] {
  if (takesPath(call)) return [decoder.decode(call.data)];
  if (!takesTwo(call)) return [];
  const [old, path] = decoder.decode(call.data).split("\0") as [string, string];
  return call.kind === Call.symlink ? [path] : [old, path];
}

/** The paths that calls have named, each once. */
export function pathsIn(calls: readonly RecordedCall[]): string[] {
  return [...new Set(calls.flatMap(pathsOf))];
}

/** Names for tasks by their number, and for files by the path they were last opened by. */
export function namesOf(tasks: readonly string[], calls: readonly RecordedCall[]): Names {
  const paths = new Map<string, string>();
  for (const call of calls) {
    if (takesPath(call) && call.error === 0) paths.set(call.file, decoder.decode(call.data));
  }
  return {
    task: (task) => tasks[task] ?? "the host",
    file: (key) => paths.get(key) ?? `the file of inode ${key.split(":")[0]}`,
  };
}
