// The tools of e2fsprogs as witnesses.  They are required: a missing one fails the test that wanted it.

import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

interface Output {
  readonly code: number;
  readonly text: string; // both streams, without the line that names the version
}

function run(tool: string, args: readonly string[]): Output {
  const search = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;
  const result = spawnSync(tool, args, {
    encoding: "utf8",
    env: { ...process.env, PATH: search },
    maxBuffer: 2 ** 28,
  });
  if (result.error !== undefined) {
    throw new Error(`${tool} cannot be run (${result.error.message}): these tests need e2fsprogs`);
  }
  const text = `${result.stdout}${result.stderr}`.replaceAll(
    /^(debugfs|e2fsck|dumpe2fs|mke2fs) \d.*\n/gm,
    "",
  );
  return { code: result.status ?? -1, text };
}

/** A new folder for images, in memory where the system has such a place: the tools sync what they write. */
export function scratchFolder(): string {
  return mkdtempSync(path.join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "unwritten-"));
}

function withFile<T>(image: Uint8Array, use: (file: string) => T): T {
  const folder = scratchFolder();
  const file = path.join(folder, "image");
  writeFileSync(file, image);
  const result = use(file);
  rmSync(folder, { recursive: true });
  return result;
}

/** A file of `size` bytes, holes at first, that mkfs.ext4 makes a file system of with these arguments. */
export function mkfsFile(file: string, size: number, args: readonly string[]): void {
  const handle = openSync(file, "w");
  ftruncateSync(handle, size);
  closeSync(handle);
  const { code, text } = run("mkfs.ext4", ["-q", "-F", ...args, file]);
  if (code !== 0) throw new Error(`mkfs.ext4 ${args.join(" ")}: ${text}`);
}

/** An image of `size` bytes made by mkfs.ext4 with 4 KiB blocks and these arguments on top. */
export function mkfs(size: number, args: readonly string[] = []): Uint8Array {
  const folder = scratchFolder();
  const file = path.join(folder, "image");
  mkfsFile(file, size, ["-b", "4096", ...args]);
  const image = new Uint8Array(readFileSync(file));
  rmSync(folder, { recursive: true });
  return image;
}

/** What `e2fsck -fn` finds wrong with an image: "" when it is spotless. */
export function e2fsck(image: Uint8Array): string {
  return withFile(image, e2fsckFile);
}

export function e2fsckFile(file: string): string {
  const { code, text } = run("e2fsck", ["-fn", file]);
  const findings = text
    .split("\n")
    // Linux leaves trees so when files lose extents; e2fsck offers to optimize them, and ends with 0.
    .filter((line) => !/extent tree \(at level \d\) could be shorter/.test(line))
    .filter((line) => !/^Pass \d|^$|\d+\/\d+ files \(|^\/\S+: \d+\/\d+/.test(line))
    .join("\n");
  return code === 0 || findings !== "" ? findings : `e2fsck ended with ${code}`;
}

/** The image after `e2fsck -fy`, which replays the journal first; what it says and its exit code (1: it changed something). */
export function e2fsckRepairs(image: Uint8Array): { image: Uint8Array; text: string; code: number } {
  return withFile(image, (file) => {
    const output = run("e2fsck", ["-fy", file]);
    return { image: new Uint8Array(readFileSync(file)), ...output };
  });
}

/** The image after `e2fsck -fy`, and what that had to mend other than replaying the journal. */
export function e2fsckRecover(image: Uint8Array): { image: Uint8Array; findings: string } {
  return withFile(image, (file) => {
    const { code, text } = run("e2fsck", ["-fy", file]);
    const expected =
      /^Pass \d|^$|recovering journal$|FILE SYSTEM WAS MODIFIED|\d+\/\d+ files \(|^Clearing orphaned inode|^Setting free (blocks|inodes) count/;
    const findings = text.split("\n").filter((line) => !expected.test(line));
    if (code > 1) findings.push(`e2fsck ended with ${code}`);
    return { image: new Uint8Array(readFileSync(file)), findings: findings.join("\n") };
  });
}

/** What a debugfs command prints about an image. */
export function debugfs(image: Uint8Array, command: string): string {
  return withFile(image, (file) => run("debugfs", ["-R", command, file]).text);
}

/** The image after debugfs commands that write. */
export function debugfsWrite(image: Uint8Array, commands: readonly string[]): Uint8Array {
  return withFile(image, (file) => {
    const script = `${file}.commands`;
    writeFileSync(script, commands.join("\n"));
    run("debugfs", ["-w", "-f", script, file]);
    return new Uint8Array(readFileSync(file));
  });
}

/** The image with its directories indexed, as e2fsck -D makes them. */
export function indexed(image: Uint8Array): Uint8Array {
  return withFile(image, (file) => {
    run("e2fsck", ["-fyD", file]);
    return new Uint8Array(readFileSync(file));
  });
}

export function dumpe2fs(image: Uint8Array): string {
  return withFile(image, (file) => run("dumpe2fs", [file]).text);
}

/** The lines of dumpe2fs about the whole file system, less what must differ: ids, names, times, places, checksums. */
export function superBlockFacts(file: string): string[] {
  return run("dumpe2fs", ["-h", file])
    .text.split("\n")
    .filter(
      (line) =>
        !/UUID|volume name|Hash Seed|created|write time|checked|writes:|hecksum:|Checksum seed|^$/.test(line),
    );
}

/** A file's bytes as debugfs finds them; holes and unwritten blocks are zeros. */
export function debugfsDump(image: Uint8Array, name: string): Uint8Array {
  return withFile(image, (file) => {
    const { text } = run("debugfs", ["-R", `dump ${name} ${file}.dump`, file]);
    if (text !== "") throw new Error(`debugfs dump ${name}: ${text}`);
    return new Uint8Array(readFileSync(`${file}.dump`));
  });
}
