// mkfs: makes an ext4 image, with the options of mke2fs.
//
// Whatever happens, nothing half-made is left, and an image that is replaced is replaced at once.  Only the blocks
// of the new file system are written, into a file with holes, so that an image of many GiB takes neither memory nor
// disk of that size.

import { randomUUID } from "node:crypto";
import { lstat, realpath, type FileHandle } from "node:fs/promises";
import type { ImagePlan, MkfsOptions } from "../../lab/mkfs.ts";
import { DEFAULT_MEDIA, GIB, MAX_MEDIA, MIN_MEDIA } from "../../machine/limits.ts";
import { count, flag, many, size, text, type Values } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { interruptible } from "../interrupt.ts";
import { print, printJson } from "../terminal/output.ts";
import { bytes, counted } from "../terminal/words.ts";
import { extended, journalSize, number, uuidFrom } from "./mkfs-options.ts";
import { asRefusal } from "./reason.ts";
import { replaceFile, writeAt } from "./replace.ts";

const MAX_IMAGE = 16_384 * GIB;
const ANY = { min: 0, max: Number.MAX_SAFE_INTEGER };

const options = {
  size: size("how large, in whole blocks (default 16M)", { min: MIN_MEDIA, max: MAX_IMAGE }),
  "block-size": number("BYTES", "1024, 2048 or 4096 (default 4096, the only one that a machine mounts)", "b"),
  "inode-size": number("BYTES", "of an inode: a power of two from 128 (default 256)", "I"),
  "inode-ratio": number("BYTES", "of media for each inode (default by the size)", "i"),
  inodes: count("how many inodes, instead of a ratio", ANY, "N"),
  features: many(text("LIST", "features on and off (^), on top of mke2fs's defaults; none clears them", "O")),
  label: text("LABEL", "the name of the volume: at most 16 bytes", "L"),
  uuid: text("UUID", "its identity: a UUID, random (the default) or clear", "U"),
  reserved: number("PERCENT", "of the blocks kept for root (default 5)", "m"),
  "blocks-per-group": count("of a group (default 8 for each byte of a block)", ANY, "g"),
  "flex-groups": count("groups whose bitmaps and tables lie together (default 16)", ANY, "G"),
  journal: text("size=MIB", "the journal's size (default by the image's)", "J"),
  extended: many(
    text(
      "LIST",
      "hash_seed=UUID, root_owner[=UID:GID], num_backup_sb=0|1|2; discard and the like are ignored",
      "E",
    ),
  ),
  seed: count("make ids from this number, and the time 8 December 2013: always the same bytes", {
    min: 0,
    max: 2 ** 32 - 1,
  }),
  time: count("seconds since 1970 that it was made at (default now)", { min: 0, max: 2 ** 31 - 1 }),
  "dry-run": flag("say what would be made, and write nothing", "n"),
  force: flag("replace an existing file", "F"),
  quiet: flag("say nothing", "q"),
};

export const mkfsCommand = command({
  name: "mkfs",
  summary: "make an ext4 image, with the options and the defaults of mke2fs -b 4096",
  takes: "IMAGE [options]",
  details: [
    "A machine mounts images with blocks of 4096 bytes and up to 2 GiB; others are for other programs. Features",
    "that can be made: has_journal, ext_attr, resize_inode, dir_index, sparse_super2, filetype, extent, 64bit,",
    "flex_bg, metadata_csum_seed, sparse_super, large_file, huge_file, uninit_bg, dir_nlink, extra_isize,",
    "metadata_csum. Any other is refused by its name.",
  ].join("\n"),
  positionals: { min: 1, max: 1 },
  options,
  examples: [
    ["disk.img", "16 MiB"],
    ["disk.img --size 1G -L scratch --force", "1 GiB with a label, over what was there"],
    ["disk.img --size 64M --seed 1", "the same bytes every time"],
    ["disk.img --size 256M -O ^has_journal,^resize_inode -I 128 -N 4096 -m 0", "fewer structures"],
    ["huge.img --size 2T", "a file with holes: some MiB on disk"],
    ["disk.img --size 8G -b 1024 -n", "what that would be"],
  ],
  json: [
    "{ image, written, size, blockSize, blocks, reservedBlocks, inodes, inodeSize, groups,",
    "  blocksPerGroup, inodesPerGroup, journalBlocks, features: [name, …], uuid }; size in bytes",
  ].join("\n"),
  async run({ values, positionals }) {
    const [image = ""] = positionals;
    const { json, quiet } = values;
    const { planImage } = await import("../../lab/mkfs.ts");
    const dry = values["dry-run"] === true;
    const final = dry ? image : await finalName(image, values.force === true);
    const plan = planImage(optionsFrom(values));

    return interruptible(async ({ signal, received }) => {
      if (!dry) await make(plan, final, image, signal);
      const code = received();
      if (code !== undefined) return code;
      const known = whatIsMade(plan);
      if (json) printJson({ image, written: !dry, ...known });
      else if (dry) print(`${image} would be: ${describe(plan)}`);
      else if (quiet !== true) print(`${image}: ext4, ${bytes(plan.size)}${warning(plan)}`);
      return Exit.nothingFound;
    });
  },
});

function optionsFrom(values: Values<typeof options>): MkfsOptions {
  const fixed = values.seed !== undefined;
  const asked = extended(values.extended ?? []);
  return {
    size: values.size ?? DEFAULT_MEDIA,
    blockSize: values["block-size"],
    inodeSize: values["inode-size"],
    inodeRatio: values["inode-ratio"],
    inodes: values.inodes,
    features: values.features?.join(","),
    label: values.label,
    uuid: uuidFrom(values.uuid) ?? (fixed ? undefined : randomUUID()),
    hashSeed: asked.hashSeed ?? (fixed ? undefined : randomUUID()),
    reserved: values.reserved,
    blocksPerGroup: values["blocks-per-group"],
    flexGroups: values["flex-groups"],
    journalSize: values.journal === undefined ? undefined : journalSize(values.journal),
    backups: asked.backups,
    rootOwner: asked.rootOwner,
    seed: values.seed,
    time: values.time ?? (fixed ? undefined : Math.floor(Date.now() / 1000)),
  };
}

async function make(plan: ImagePlan, final: string, image: string, signal: AbortSignal): Promise<void> {
  try {
    await replaceFile(final, (file) => writeSparse(file, plan, signal));
  } catch (error) {
    if (error !== signal.reason) throw asRefusal(error, image);
  }
}

/** Leaves holes where there are only zeros.  Throws the signal's reason when it is aborted. */
async function writeSparse(file: FileHandle, plan: ImagePlan, signal: AbortSignal): Promise<void> {
  const { writeImage } = await import("../../lab/mkfs.ts");
  await file.truncate(plan.size);
  await writeImage(plan, async (content, position) => {
    signal.throwIfAborted();
    await writeAt(file, content, position);
  });
}

function whatIsMade({ layout, identity, size: length, features }: ImagePlan) {
  const { geometry } = layout;
  const inodes = geometry.inodesPerGroup * geometry.groups;
  const hex = Buffer.from(identity.uuid).toString("hex");
  return {
    size: length,
    blockSize: geometry.blockSize,
    blocks: geometry.blocks,
    reservedBlocks: geometry.rootBlocks,
    inodes,
    inodeSize: geometry.inodeSize,
    groups: geometry.groups,
    blocksPerGroup: geometry.blocksPerGroup,
    inodesPerGroup: geometry.inodesPerGroup,
    journalBlocks: geometry.journalBlocks,
    features,
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
  };
}

function describe({ layout, size: length, features }: ImagePlan): string {
  const { geometry } = layout;
  const { blockSize, blocks, groups, journalBlocks } = geometry;
  const journal = journalBlocks === 0 ? "no journal" : `a journal of ${counted(journalBlocks, "block")}`;
  return [
    `ext4, ${bytes(length)}: ${counted(blocks, "block")} of ${blockSize} bytes, ${counted(geometry.rootBlocks, "block")} for root,`,
    `  ${counted(geometry.inodesPerGroup * groups, "inode")} of ${geometry.inodeSize} bytes, ${counted(groups, "group")}, ${journal},`,
    `  ${features.join(" ")}`,
  ].join("\n");
}

/** What a machine will say of it, before it does. */
function warning({ layout, size: length }: ImagePlan): string {
  const { blockSize } = layout.geometry;
  if (blockSize !== 4096) return `, blocks of ${blockSize} bytes (a machine mounts only 4096)`;
  return length > MAX_MEDIA ? ` (a machine mounts up to ${bytes(MAX_MEDIA)})` : "";
}

/** Where the image goes; a symbolic link stays one.  Only a regular file is ever replaced, and only by force. */
async function finalName(image: string, force: boolean): Promise<string> {
  try {
    await lstat(image);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return image;
    throw asRefusal(error, image);
  }
  try {
    const final = await realpath(image);
    if (!(await lstat(final)).isFile()) throw new Refusal(`${image} is not a regular file`);
    if (!force) throw new Refusal(`${image} exists; --force replaces it`);
    return final;
  } catch (error) {
    throw asRefusal(error, image);
  }
}
