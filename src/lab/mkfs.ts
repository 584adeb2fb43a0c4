// mkfs of the public API: the bytes of a new ext4 image, or its blocks one after another for a large one.

import { featureList } from "../ext4/mkfs/features.ts";
import { fileSystem } from "../ext4/mkfs/mkfs.ts";
import { planFileSystem, type MakeOptions, type Plan } from "../ext4/mkfs/plan.ts";
import { DEFAULT_MEDIA, GIB, MAX_MEDIA } from "../machine/limits.ts";
import { knownKeys, shown, UsageError } from "./usage.ts";

/** What to make.  The same options make the same bytes. */
export interface MkfsOptions extends Omit<MakeOptions, "size"> {
  /** Bytes of the image, whole blocks; default 16 MiB. */
  readonly size?: number | undefined;
}

/** Takes bytes that belong at an offset of the image; they are the taker's to keep. */
export type ImageWriter = (bytes: Uint8Array, position: number) => void | Promise<void>;

const types: Record<keyof MkfsOptions, "number" | "string" | "object"> = {
  size: "number",
  blockSize: "number",
  inodeSize: "number",
  inodeRatio: "number",
  inodes: "number",
  blocksPerGroup: "number",
  flexGroups: "number",
  features: "string",
  reserved: "number",
  journalSize: "number",
  backups: "number",
  rootOwner: "object",
  label: "string",
  uuid: "string",
  hashSeed: "string",
  seed: "number",
  time: "number",
};

export interface ImagePlan extends Plan {
  readonly size: number;
  /** The names of the features that it will have. */
  readonly features: readonly string[];
}

/** What would be made; throws `UsageError` with one sentence for what cannot be. */
export function planImage(options: MkfsOptions): ImagePlan {
  knownKeys("mkfs", options, Object.keys(types));
  for (const [name, type] of Object.entries(types)) {
    const value = options[name as keyof MkfsOptions];
    if (value !== undefined && (typeof value !== type || (type === "object" && !Array.isArray(value))))
      throw new UsageError(
        `mkfs takes ${type === "object" ? "[user, group]" : `a ${type}`} as ${name}, not ${shown(value)}`,
      );
  }
  const { size = DEFAULT_MEDIA, blockSize = 4096 } = options;
  if (size % blockSize !== 0)
    throw new UsageError(`the size is a multiple of the block size (${blockSize} bytes), not ${size}`);
  const plan = planFileSystem({ ...options, size });
  if ("message" in plan) throw new UsageError(plan.message);
  return { ...plan, size, features: featureList(plan.layout.geometry.features) };
}

/** Gives everything that is not zero to `write`, which is waited for. */
export async function writeImage(plan: ImagePlan, write: ImageWriter): Promise<undefined> {
  for (const { at, bytes } of fileSystem(plan)) {
    // A slice is a copy, and not of shared memory.
    if (bytes !== undefined) await write(bytes.slice(), at);
  }
}

/** Makes an ext4 image as `mke2fs` would with such options: its bytes. */
export async function mkfs(options?: MkfsOptions): Promise<Uint8Array>;
/**
 * The same for an image of any size: only what is not zero is given to `write`, piece by piece, in no particular
 * order.  The rest of the image's `size` is zeros, as in a new file that was truncated to it.
 */
export async function mkfs(options: MkfsOptions, write: ImageWriter): Promise<undefined>;
export async function mkfs(options: MkfsOptions = {}, write?: ImageWriter): Promise<Uint8Array | undefined> {
  const plan = planImage(options);
  if (write !== undefined) return writeImage(plan, write);
  if (plan.size > MAX_MEDIA)
    throw new UsageError(
      `mkfs gives the bytes of at most ${MAX_MEDIA / GIB} GiB at once; pass a function that writes`,
    );
  const image = new Uint8Array(plan.size);
  for (const { at, bytes } of fileSystem(plan)) if (bytes !== undefined) image.set(bytes, at);
  return image;
}
