// Runs the compiled program as a user does: in a process of its own, through a link called `unwritten`.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory that is removed after the tests of this file. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "unwritten-cli-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  symlinkSync(main, join(directory, "unwritten"));
  return directory;
}

export function start(
  directory: string,
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  stdout: "pipe" | number = "pipe",
): ChildProcess {
  const env = { ...process.env };
  // npm's own variables would make the program call itself "npx unwritten".
  for (const name of Object.keys(env)) if (name.startsWith("npm_")) delete env[name];
  return spawn(process.execPath, [join(directory, "unwritten"), ...words], {
    cwd: directory,
    env: { ...env, ...environment },
    stdio: ["ignore", stdout, "pipe"],
  });
}

export async function end(child: ChildProcess): Promise<Ended> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

const STATUS =
  /^(?:[^\n]+: )?[\d,]+ (\w+), [\d,]+ \1\/s, [\d,]+ distinct, [\d,]+ violations?(?:, (?:about|at most) [^\n,]+ left)?\n/gm;

/**
 * What a long command says on stderr beside how far it is: elsewhere than on a terminal it tells that every five seconds,
 * and on a computer that is busy with other work every search is a long one.
 */
export function withoutStatus(stderr: string): string {
  return stderr.replaceAll(STATUS, "");
}

export async function run(directory: string, ...words: string[]): Promise<Ended> {
  return end(start(directory, words));
}
