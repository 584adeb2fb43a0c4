// Errors of files as sentences for the user: those of the host's files and those of files in an image look alike.

import { Refusal } from "../exit.ts";

/** An error of node:fs on a file of the host, as one sentence. */
export function asRefusal(error: unknown, path: string): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof Refusal || typeof code !== "string" || typeof message !== "string") return error;
  return new Refusal(`${path}: ${reason(message)}`);
}

/** "ENOENT: no such file or directory, open '/x'" -> "no such file or directory". */
export function reason(message: string): string {
  return /^[A-Z0-9_]+: ([^,]*)/.exec(message)?.[1] ?? message;
}
