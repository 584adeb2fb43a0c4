// A new file system before a byte of it is written: everything that can be refused has been.

import { ReadOnlyCompat } from "../media/features.ts";
import { featuresFrom, type MkfsError } from "./features.ts";
import { placeFiles, type NewFile } from "./files.ts";
import { geometryOf } from "./geometry.ts";
import { identityFrom, type Identity, type IdentityOptions } from "./identity.ts";
import { layOut, type Layout } from "./layout.ts";

export interface MakeOptions extends IdentityOptions {
  /** Bytes of the media. */
  readonly size: number;
  /** 1024, 2048 or 4096 bytes; default 4096, the only one that a machine mounts. */
  readonly blockSize?: number | undefined;
  /** Bytes of an inode: a power of two from 128 to the block size; default 256. */
  readonly inodeSize?: number | undefined;
  /** Bytes of media for each inode; default by the size, as mke2fs does. */
  readonly inodeRatio?: number | undefined;
  /** How many inodes, instead of a ratio; rounded up to fill the groups' tables. */
  readonly inodes?: number | undefined;
  /** Blocks of a group; default and at most 8 for each byte of a block. */
  readonly blocksPerGroup?: number | undefined;
  /** Groups whose bitmaps and inode tables lie together, a power of two; default 16. */
  readonly flexGroups?: number | undefined;
  /** Features on and off in mke2fs's spelling, on top of its defaults: "^has_journal,uninit_bg". */
  readonly features?: string | undefined;
  /** Percent of the blocks kept for root; default 5. */
  readonly reserved?: number | undefined;
  /** MiB of the journal; default by the size, as mke2fs does. */
  readonly journalSize?: number | undefined;
  /** Backups of the superblock under sparse_super2: 0, 1 or 2, the default. */
  readonly backups?: number | undefined;
  /** Who owns the root directory; default 0 and 0. */
  readonly rootOwner?: readonly [user: number, group: number] | undefined;
}

export interface Plan {
  readonly layout: Layout;
  readonly files: readonly NewFile[];
  readonly identity: Identity;
}

/** A file of that size or more needs the feature large_file. */
const LARGE = 2 ** 31;
const MAX_ID = 2 ** 32 - 1;

/** Decides everything; what is wrong with the options comes back as a sentence. */
export function planFileSystem(options: MakeOptions): Plan | MkfsError {
  const identity = identityFrom(options);
  if ("message" in identity) return identity;
  const { rootOwner = [0, 0] } = options;
  if (rootOwner.some((id) => !(Number.isInteger(id) && id >= 0 && id <= MAX_ID)))
    return {
      message: `the owner of the root directory is a user's and a group's number, not ${rootOwner.join(":")}`,
    };
  const features = featuresFrom(options.features);
  if ("message" in features) return features;
  const { blockSize = 4096, inodeSize = 256, reserved = 5, backups = 2 } = options;
  const geometry = geometryOf({ ...options, blockSize, inodeSize, reserved, backups }, features);
  if ("message" in geometry) return geometry;
  const layout = layOut(geometry);
  const files = placeFiles(layout, rootOwner);
  if (files === undefined)
    return {
      message: `${geometry.blocks} blocks of ${blockSize} bytes have no room for the first files: ask for fewer inodes, or a smaller journal`,
    };
  if (files.every(({ size }) => size < LARGE)) return { layout, files, identity };
  const readOnly = geometry.features.readOnly | ReadOnlyCompat.large_file;
  const large = { ...geometry, features: { ...geometry.features, readOnly } };
  return { layout: { ...layout, geometry: large }, files, identity };
}
