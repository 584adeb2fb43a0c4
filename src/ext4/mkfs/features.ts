// The features of a new file system: mke2fs's defaults, changed by a list in mke2fs's own spelling.

import { Compat, featureNames, Incompat, ReadOnlyCompat } from "../media/features.ts";

/** Why a file system cannot be made, in one sentence. */
export interface MkfsError {
  readonly message: string;
}

export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly readOnly: number;
}

type Set = keyof Features;

/** What can be made, by the names that mke2fs takes. */
const makeable = new Map<string, readonly [Set, number]>([
  ["has_journal", ["compat", Compat.has_journal]],
  ["ext_attr", ["compat", Compat.ext_attr]],
  ["resize_inode", ["compat", Compat.resize_inode]],
  ["dir_index", ["compat", Compat.dir_index]],
  ["sparse_super2", ["compat", Compat.sparse_super2]],
  ["filetype", ["incompat", Incompat.filetype]],
  ["extent", ["incompat", Incompat.extent]],
  ["64bit", ["incompat", Incompat["64bit"]]],
  ["flex_bg", ["incompat", Incompat.flex_bg]],
  ["metadata_csum_seed", ["incompat", Incompat.csum_seed]],
  ["sparse_super", ["readOnly", ReadOnlyCompat.sparse_super]],
  ["large_file", ["readOnly", ReadOnlyCompat.large_file]],
  ["huge_file", ["readOnly", ReadOnlyCompat.huge_file]],
  ["uninit_bg", ["readOnly", ReadOnlyCompat.uninit_bg]],
  ["dir_nlink", ["readOnly", ReadOnlyCompat.dir_nlink]],
  ["extra_isize", ["readOnly", ReadOnlyCompat.extra_isize]],
  ["metadata_csum", ["readOnly", ReadOnlyCompat.metadata_csum]],
]);

/** Other spellings that mke2fs takes. */
const aliases = new Map([
  ["extents", "extent"],
  ["uninit_groups", "uninit_bg"],
  ["gdt_csum", "uninit_bg"],
  ["resize_ino", "resize_inode"],
  ["csum_seed", "metadata_csum_seed"],
]);

const DEFAULTS = [
  "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg",
  "sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum",
].join(",");

/** The defaults changed by a list such as "^has_journal,uninit_bg" ("none" clears everything before it). */
export function featuresFrom(list = ""): Features | MkfsError {
  const features = { compat: 0, incompat: 0, readOnly: 0 };
  for (const word of `${DEFAULTS},${list}`.split(",").filter((each) => each !== "")) {
    if (word === "none") {
      Object.assign(features, { compat: 0, incompat: 0, readOnly: 0 });
      continue;
    }
    const off = word.startsWith("^");
    const given = off ? word.slice(1) : word;
    const found = makeable.get(aliases.get(given) ?? given);
    if (found === undefined && !featureNames.has(given)) {
      return { message: `"${given}" is no feature of ext4` };
    }
    if (found === undefined) {
      if (off) continue; // it is off anyway
      return { message: `mkfs cannot make a file system with the feature ${given}` };
    }
    const [set, bit] = found;
    features[set] = off ? features[set] & ~bit : features[set] | bit;
  }
  return contradiction(features) ?? settled(features);
}

const has = (set: number, bit: number): boolean => (set & bit) !== 0;

/** What mke2fs refuses as well. */
function contradiction({ compat, incompat, readOnly }: Features): MkfsError | undefined {
  if (has(incompat, Incompat["64bit"]) && !has(incompat, Incompat.extent)) {
    return { message: "the feature 64bit needs extent: a block list has 32 bits; ^64bit turns it off" };
  }
  if (has(incompat, Incompat.csum_seed) && !has(readOnly, ReadOnlyCompat.metadata_csum)) {
    return { message: "the feature metadata_csum_seed needs metadata_csum" };
  }
  if (has(compat, Compat.resize_inode) && !has(readOnly, ReadOnlyCompat.sparse_super)) {
    return { message: "the feature resize_inode needs sparse_super; ^resize_inode turns it off" };
  }
  return undefined;
}

/** metadata_csum does all that uninit_bg does, so only one of them is set. */
function settled(features: Features): Features {
  if ((features.readOnly & ReadOnlyCompat.metadata_csum) === 0) return features;
  return { ...features, readOnly: features.readOnly & ~ReadOnlyCompat.uninit_bg };
}

/** The names of the features that are set. */
export function featureList(features: Features): string[] {
  return [...makeable].flatMap(([name, [set, bit]]) => (has(features[set], bit) ? [name] : []));
}
