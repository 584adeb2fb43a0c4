// Images as the image commands name them: IMAGE, or IMAGE:/path of a file in it.  They are only read here:
// a machine boots from a copy of the bytes.

import { Refusal } from "../exit.ts";
import { asRefusal, reason } from "./reason.ts";
import type { Machine } from "../../lab/machine.ts";
import type { Sys } from "../../syscalls/sys.ts";

export interface Place {
  readonly image: string;
  readonly path: string;
}

/** "disk.img:/a/b" -> the image and the path; without a path the root directory is meant. */
export function placeOf(given: string): Place {
  const colon = given.indexOf(":/");
  if (colon === 0) throw new Refusal(`"${given}" names no image; write IMAGE:/path`);
  return colon < 0
    ? { image: given, path: "/" }
    : { image: given.slice(0, colon), path: given.slice(colon + 1) };
}

/** The bytes of an image, or a sentence why there are none. */
export async function readImage(image: string): Promise<Uint8Array> {
  const { readImageFile } = await import("../../lab/host/image.ts");
  const { UsageError } = await import("../../lab/usage.ts");
  try {
    return await readImageFile(image);
  } catch (error) {
    if (error instanceof UsageError) throw new Refusal(`${image}: ${error.message}`);
    throw asRefusal(error, image);
  }
}

export interface Mounting {
  readonly design: string;
  readonly options?: Readonly<Record<string, string>>;
}

/** A machine with the image in it; the file is only read. */
export async function bootImage(
  image: string,
  bytes: Uint8Array,
  { design, options = {} }: Mounting,
): Promise<Machine> {
  const { loadDesign } = await import("../../lab/load.ts");
  const { boot } = await import("../../lab/machine.ts");
  const { optionsFromText } = await import("../../lab/options.ts");
  const { UsageError } = await import("../../lab/usage.ts");
  // What is wrong with these is not the image's fault.
  const asked = { design: (await loadDesign(design)).design, options: optionsFromText(options) };
  try {
    return await boot({ ...asked, image: bytes });
  } catch (error) {
    throw error instanceof UsageError ? new Refusal(`${image}: ${error.message}`) : error;
  }
}

/** What an error of a system call says, without the call; undefined for other errors. */
export function whyOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined;
  const { message, reason: why } = error as Error & { reason?: string };
  return why === undefined ? reason(message) : `${reason(message)}: ${why}`;
}

/** Mounts an image and runs `work` with its system calls.  An error of a call names the file in the image. */
export async function withImage<T>(place: Place, work: (sys: Sys) => T | Promise<T>): Promise<T> {
  const bytes = await readImage(place.image);
  const machine = await bootImage(place.image, bytes, { design: "ext4-xip-serialized" });
  try {
    return await work(machine.sys());
  } catch (error) {
    const why = whyOf(error);
    throw why === undefined ? error : new Refusal(`${place.image}:${place.path}: ${why}`);
  } finally {
    await machine.close();
  }
}
