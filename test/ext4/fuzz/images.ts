// Images to be damaged: small, and with one of everything that a reader must believe: deep extent trees,
// unwritten extents, hash trees, long names, symbolic links, several groups.  Behind the last block of each file
// system lie bytes that belong to nobody: who reads or writes outside the image meets them.

import { MIB } from "../../../src/machine/limits.ts";
import { cleanImage } from "../../support/machine.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { debugfsWrite, indexed, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";

const BLOCK = 4096;
/** What fills the space behind the file system. */
export const GUARD = 0xa7;
export const GUARD_LENGTH = 16 * BLOCK;

export const design = designs.get("dax-6.1") as Design;

export interface Source {
  readonly name: string;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

/** Files through our own calls: few extents, many, and so many that index nodes have index nodes below them. */
function fill(sys: Sys): void {
  const block = new Uint8Array(BLOCK).fill(0x11);
  const deep = sys.open("/deep", "w+");
  // From the end on: every node is split in its middle, and stays half empty.
  for (let index = 1500; index >= 0; index -= 2) sys.pwrite(deep, block, index * BLOCK);
  sys.close(deep);
  const mixed = sys.open("/mixed", "w+");
  sys.fallocate(mixed, 0, 0, 60 * BLOCK);
  for (let index = 0; index < 60; index += 3) sys.pwrite(mixed, block, index * BLOCK);
  sys.close(mixed);
  sys.close(sys.open(`/${"n".repeat(255)}`, "w+"));
  const small = sys.open("/small", "w+");
  sys.pwrite(small, block.subarray(0, 100), 0);
  sys.close(small);
}

function filled(image: Uint8Array | number): Uint8Array {
  const { mem, sys } = bootKernel(design, image);
  fill(sys());
  return cleanImage(mem);
}

function withNames(image: Uint8Array): Uint8Array {
  const many = Array.from(
    { length: 150 },
    (_, index) => `mknod a_rather_long_name_for_a_pipe_number_${index} p`,
  );
  const named = debugfsWrite(image, [
    "mkdir /many",
    "cd /many",
    ...many,
    "cd /",
    "mkdir /one",
    "mkdir /one/two",
    "symlink /short /small",
    `symlink /long /${"one/../".repeat(20)}small`,
  ]);
  return indexed(named);
}

function guarded(name: string, image: Uint8Array): Source {
  const bytes = new Uint8Array(new SharedArrayBuffer(image.length + GUARD_LENGTH)).fill(GUARD);
  bytes.set(image);
  return { name, bytes };
}

/** Made anew each time, from the same arguments. */
export function makeSources(): Source[] {
  const fixed = [
    "-U",
    "5f8b1a70-0d4a-4bfb-a3a3-3c2d1f0e9b8a",
    "-E",
    "hash_seed=5f8b1a70-0d4a-4bfb-a3a3-3c2d1f0e9b8a",
  ];
  const plain = ["-O", "^metadata_csum,^flex_bg,^has_journal", "-g", "1024", "-I", "128"];
  return [
    guarded("our mkfs", withNames(filled(5 * MIB))),
    guarded("mke2fs", filled(withNames(mkfs(9 * MIB, [...fixed, "-J", "size=4", "-N", "512"])))),
    guarded("mke2fs without checksums", filled(withNames(mkfs(5 * MIB, [...fixed, ...plain])))),
  ];
}
