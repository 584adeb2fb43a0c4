// Runs `unwritten io` in this process: what it says, and the image it leaves.

import { readFileSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { Readable } from "node:stream";
import { parse } from "../../../src/cli/arguments.ts";
import { ioOptions } from "../../../src/cli/io/io.ts";
import { runIo } from "../../../src/cli/io/run.ts";
import { type Case } from "./cases.ts";
import { inputOf, normal, type Said } from "./witness.ts";

/** A run with these words on `disk.img` of the current folder. */
export async function runHere(words: readonly string[], input = ""): Promise<Said> {
  const said = { stdout: "", stderr: "" };
  const code = await runIo(parse(words, ioOptions), {
    out: (line) => (said.stdout += `${line}\n`),
    complain: (line) => (said.stderr += `${line}\n`),
    input: Readable.from([input]),
    output: new PassThrough(),
    terminal: false,
  });
  return { code, ...said };
}

/** Our answers to a case, on a fresh image; and the image. */
export async function askOurs(one: Case, image: Uint8Array): Promise<{ answers: Said[]; image: Uint8Array }> {
  writeFileSync("disk.img", image);
  const answers: Said[] = [];
  for (const [at, words] of one.runs.entries()) {
    // Linux converts what is written through the page cache to the block: no zeroing out of what is beside it.
    answers.push(normal(await runHere(["-o", "extent_max_zeroout_kb=0", ...words], inputOf(one, at))));
  }
  return { answers, image: readFileSync("disk.img") };
}
