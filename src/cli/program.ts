// What the program is called, so that a printed command can be pasted as it stands.

import { readFileSync } from "node:fs";
import { basename, relative } from "node:path";

/** "unwritten" when called by that name, "npx unwritten" through npx, otherwise the node command that was typed. */
export function programName(): string {
  const called = process.argv[1] ?? "";
  if (basename(called) === "unwritten")
    return process.env["npm_command"] === "exec" ? "npx unwritten" : "unwritten";
  const path = relative(process.cwd(), called);
  return `node ${quote(path.startsWith("..") ? called : path)}`;
}

/** The version in package.json. */
export function programVersion(): string {
  const text = readFileSync(new URL("../../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** One word of a POSIX shell. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
