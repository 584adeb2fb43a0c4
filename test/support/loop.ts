// Linux' own ext4 as a witness: an image mounted through a loop device.  That takes Linux, root and
// a loop device; where one of them is missing, tests say so in their titles.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Why this computer cannot mount an image; "" when it can. */
export function loopRefusal(): string {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "the tests do not run as root";
  return existsSync("/dev/loop-control") && tool("losetup", ["-f"]).code === 0
    ? ""
    : "there is no loop device";
}

function tool(name: string, args: readonly string[]): { code: number; text: string } {
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const ended = spawnSync(name, args, { encoding: "utf8", env });
  return { code: ended.status ?? -1, text: `${ended.stdout ?? ""}${ended.stderr ?? ""}` };
}

/** Mounts a copy of an image, read only unless it says otherwise, for as long as `use` runs with the folder. */
export function mountedByLinux<T>(
  image: Uint8Array,
  use: (folder: string) => T,
  access: "ro" | "rw" = "ro",
): T {
  const place = mkdtempSync(join(tmpdir(), "unwritten-loop-"));
  const [file, folder] = [join(place, "image"), join(place, "mounted")];
  writeFileSync(file, image);
  mkdirSync(folder);
  const mounted = tool("mount", ["-t", "ext4", "-o", `${access},loop`, file, folder]);
  try {
    if (mounted.code !== 0) throw new Error(`mount: ${mounted.text}`);
    return use(folder);
  } finally {
    if (mounted.code === 0) tool("umount", [folder]);
    rmSync(place, { recursive: true });
  }
}

export interface LinuxExtent {
  /** All in blocks. */
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
  readonly unwritten: boolean;
}

/** What Linux' FIEMAP says of a file, as filefrag prints it. */
export function filefrag(path: string): LinuxExtent[] {
  const { code, text } = tool("filefrag", ["-v", path]);
  if (code !== 0) throw new Error(`filefrag: ${text}`);
  const lines = text.matchAll(/^ *\d+: +(\d+)\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):(.*)$/gm);
  return [...lines].map(([, logical, physical, length, flags = ""]) => ({
    logical: Number(logical),
    physical: Number(physical),
    length: Number(length),
    unwritten: flags.includes("unwritten"),
  }));
}
