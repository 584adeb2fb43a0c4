// Linux' own ext4 as a witness: an image mounted through a loop device.  That takes Linux, root and
// a loop device; where one of them is missing, tests say so in their titles.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { MIB } from "../../src/machine/limits.ts";
import { mkfs, scratchFolder } from "./e2fsprogs.ts";

/** Why this computer cannot mount an image; "" when it can. */
export function loopRefusal(): string {
  if (process.platform !== "linux") return "this is not Linux";
  if (process.getuid?.() !== 0) return "the tests do not run as root";
  if (!existsSync("/dev/loop-control") || tool("losetup", ["-f"]).code !== 0)
    return "there is no loop device";
  try {
    return mountedByLinux(mkfs(MIB), () => "");
  } catch (error) {
    return `nothing can be mounted: ${(error as Error).message.trim()}`;
  }
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
  const place = scratchFolder();
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
  return filefrags([path])[0] as LinuxExtent[];
}

/** The same of many, one after the other. */
export function filefrags(paths: readonly string[]): LinuxExtent[][] {
  if (paths.length === 0) return [];
  const { code, text } = tool("filefrag", ["-v", ...paths]);
  if (code !== 0) throw new Error(`filefrag: ${text}`);
  const parts = text.split(/^File size of .*\n/m).slice(1);
  if (parts.length !== paths.length) throw new Error(`filefrag tells of ${parts.length} files: ${text}`);
  return parts.map(extentsIn);
}

function extentsIn(text: string): LinuxExtent[] {
  const lines = text.matchAll(/^ *\d+: +(\d+)\.\. +\d+: +(\d+)\.\. +\d+: +(\d+):(.*)$/gm);
  return [...lines].map(([, logical, physical, length, flags = ""]) => ({
    logical: Number(logical),
    physical: Number(physical),
    length: Number(length),
    unwritten: flags.includes("unwritten"),
  }));
}
