// The feature bits of the superblock, with the names e2fsprogs gives them, and what this file system
// does with each: an image with a feature that we would damage or misread is refused by that name.

export const Compat = {
  has_journal: 0x4,
  resize_inode: 0x10,
  dir_index: 0x20,
  sparse_super2: 0x200,
  ext_attr: 0x8,
} as const;

export const Incompat = {
  filetype: 0x2,
  needs_recovery: 0x4,
  extent: 0x40,
  "64bit": 0x80,
  flex_bg: 0x200,
  csum_seed: 0x2000,
} as const;

export const ReadOnlyCompat = {
  sparse_super: 0x1,
  large_file: 0x2,
  huge_file: 0x8,
  uninit_bg: 0x10,
  dir_nlink: 0x20,
  extra_isize: 0x40,
  metadata_csum: 0x400,
  orphan_present: 0x10000, // the orphan file may have entries: while Linux has it mounted
} as const;

/** Names of features that anybody may ignore, and nobody here makes. */
const ignored = ["imagic_inodes", "fast_commit", "stable_inodes", "orphan_file"];

/** Names of incompatible features that exist but are not supported here. */
const foreignIncompat = new Map([
  [0x1, "compression"],
  [0x8, "journal_dev"],
  [0x10, "meta_bg"],
  [0x100, "mmp"],
  [0x400, "ea_inode"],
  [0x1000, "dirdata"],
  [0x4000, "large_dir"],
  [0x8000, "inline_data"],
  [0x10000, "encrypt"],
  [0x20000, "casefold"],
]);

/** Names of features that a writer must know; we write, so they count as incompatible. */
const foreignReadOnly = new Map([
  [0x4, "btree_dir"],
  [0x80, "snapshot"],
  [0x100, "quota"],
  [0x200, "bigalloc"],
  [0x800, "replica"],
  [0x1000, "read-only"],
  [0x2000, "project"],
  [0x4000, "shared_blocks"],
  [0x8000, "verity"],
]);

/** Every feature by the name e2fsprogs gives it, whether supported here or not. */
export const featureNames: ReadonlySet<string> = new Set([
  ...Object.keys({ ...Compat, ...Incompat, ...ReadOnlyCompat }),
  ...ignored,
  ...foreignIncompat.values(),
  ...foreignReadOnly.values(),
]);

const union = (bits: Record<string, number>): number =>
  Object.values(bits).reduce((all, bit) => all | bit, 0);

function unsupported(bits: number, supported: number, names: Map<number, string>, set: string): string[] {
  const found: string[] = [];
  for (let shift = 0; shift < 32; shift++) {
    const bit = (1 << shift) >>> 0;
    if ((bits & ~supported & bit) === 0) continue;
    found.push(names.get(bit) ?? `${set} 0x${bit.toString(16)}`);
  }
  return found;
}

/** The names of the features that keep an image from being mounted; needs_recovery is not among them. */
export function unsupportedFeatures(incompat: number, readOnlyCompat: number): string[] {
  return [
    ...unsupported(incompat, union(Incompat), foreignIncompat, "unknown incompatible feature"),
    ...unsupported(readOnlyCompat, union(ReadOnlyCompat), foreignReadOnly, "unknown read-only feature"),
  ];
}

/** Without `extent` files map their blocks by lists, without `filetype` names are stored in another way. */
export function missingFeatures(incompat: number): string[] {
  return (["extent", "filetype"] as const).filter((name) => (incompat & Incompat[name]) === 0);
}
