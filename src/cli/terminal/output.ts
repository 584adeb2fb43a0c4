// Writing to stdout and stderr.  A reader that went away (`| head`) ends the program quietly, a disk that is full with
// a sentence.

import { once } from "node:events";
import { Exit } from "../exit.ts";
import { reason } from "../image/reason.ts";

/** To be called once, before anything is written. */
export function endWhenUnwritable(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", unwritable);
}

function unwritable(error: NodeJS.ErrnoException): void {
  // Nobody reads any more: no message can help, and searching on would be for nobody.
  if (error.code === "EPIPE") process.exit(Exit.brokenPipe);
  complain(`the output cannot be written: ${reason(error.message)}`);
  process.exit(Exit.usage);
}

/** A line, or lines, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** A line on stderr as it stands. */
export function printError(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function complain(sentence: string): void {
  process.stderr.write(`unwritten: ${sentence}\n`);
}

/** Raw bytes on stdout, in pieces, no faster than they are read. */
export async function printBytes(bytes: Uint8Array): Promise<void> {
  const piece = 1 << 20;
  for (let at = 0; at < bytes.length; at += piece) {
    if (!process.stdout.write(bytes.subarray(at, at + piece))) await once(process.stdout, "drain");
  }
}

/** Ends the process when what was written has left it.  Threads that still run end with it. */
export function leave(code: number): void {
  process.stdout.write("", (error) => {
    if (error) unwritable(error);
    process.stderr.write("", () => process.exit(code));
  });
}
