// Which path a file was called by: the oracles know files by inode, people by name.

import { Call } from "../../syscalls/record.ts";
import type { Names } from "./explain.ts";
import type { RecordedCall } from "./history.ts";

const decoder = new TextDecoder();

const takesPath = ({ kind }: RecordedCall): boolean =>
  kind === Call.open || kind === Call.truncate || kind === Call.stat;

/** The paths that calls have named, each once. */
export function pathsIn(calls: readonly RecordedCall[]): string[] {
  return [...new Set(calls.filter(takesPath).map(({ data }) => decoder.decode(data)))];
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
