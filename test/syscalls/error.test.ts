// A SysError and node:fs's error for the same failure are told apart by nothing but their class.

import { readdirSync, readFileSync, openSync, closeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Errno } from "../../src/machine/errors.ts";
import { SysError } from "../../src/syscalls/error.ts";
import { Sys } from "../../src/syscalls/sys.ts";

interface NodeError {
  code: string;
  errno: number;
  syscall: string;
  path?: string;
  message: string;
}

function failureOf(call: () => unknown): NodeError {
  try {
    call();
  } catch (error) {
    return error as NodeError;
  }
  throw new Error("the call did not fail");
}

const missing = join(tmpdir(), "there", "is", "no", "such", "file");
const failures: Record<string, () => unknown> = {
  ENOENT: () => openSync(missing, "r"),
  ENOTDIR: () => openSync("/dev/null/x", "r"),
  EISDIR: () => openSync(tmpdir(), "w"),
  EEXIST: () => openSync("/dev/null", "wx"),
  EBADF: () => closeSync(987_654),
  "EISDIR without a path": () => readFileSync(tmpdir()),
  "ENOENT of another call": () => readdirSync(missing),
  ENAMETOOLONG: () => openSync(`/${"x".repeat(300)}`, "r"),
};

describe("SysError", () => {
  it.each(Object.keys(failures))("says what node:fs says: %s", (name) => {
    const theirs = failureOf(failures[name] as () => unknown);
    const ours = new SysError(theirs.errno, theirs.syscall, { path: theirs.path });
    const { code, errno, syscall, path, message } = ours;
    expect({ code, errno, syscall, path, message }).toEqual({
      code: theirs.code,
      errno: theirs.errno,
      syscall: theirs.syscall,
      path: theirs.path,
      message: theirs.message,
    });
  });

  it("names the address of a signal", () => {
    const error = new SysError(-Errno.SIGBUS, "load", { address: 0x2000 });
    expect(error.code).toBe("SIGBUS");
    expect(error.address).toBe(0x2000);
    expect(error.message).toContain("load at 0x2000");
  });

  it("is an Error with the stack of whoever made the call", () => {
    const error = new SysError(-Errno.ENOENT, "open", { path: "/x" });
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toBe("SysError: ENOENT: no such file or directory, open '/x'");
    expect(error.stack).toContain("error.test");
  });

  it.each(Object.keys(Errno))("has a sentence for %s", (name) => {
    const error = new SysError(-Errno[name as keyof typeof Errno], "call");
    expect(error.code).toBe(name);
    expect(error.message).not.toContain("unknown error");
  });
});

describe("the description of a call", () => {
  /** Its own errors are only those that any call may throw. */
  const WITHOUT = new Set(["sync", "drain"]);
  const files = ["sys", "names/calls"].map(
    (file) => new URL(`../../../src/syscalls/${file}.ts`, import.meta.url),
  );
  const texts = files.map((file) => readFileSync(file, "utf8")).join("\n");
  const described = [...texts.matchAll(/\/\*\*((?:(?!\*\/)[^])*)\*\/\n {2}([a-z]\w*)\(/g)];
  const descriptions = new Map(described.map(([, words = "", name = ""]) => [name, words]));
  const methods = [Sys.prototype, Object.getPrototypeOf(Sys.prototype) as object]
    .flatMap((prototype) => Object.getOwnPropertyNames(prototype))
    .filter((name) => name !== "constructor");

  it.each(methods.filter((name) => !WITHOUT.has(name)))("%s says which errors it can throw", (name) => {
    expect(descriptions.get(name)).toMatch(/\bE[A-Z]{3,}\b|\bSIGBUS\b|(?:Fails|Throws) as `\w+` does/);
  });
});
