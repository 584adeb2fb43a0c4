// Extended attributes that debugfs made: they are kept, and the block that holds them goes with its last inode.

import { expect, test } from "vitest";
import { AttributeHeader } from "../../../src/ext4/media/attributes.ts";
import { attributeSum } from "../../../src/ext4/media/sums.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { mediaAt } from "../../../src/machine/pmem.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { debugfs, debugfsWrite, e2fsck, mkfs } from "../../support/e2fsprogs.ts";
import { bootKernel, codeOf } from "../../support/kernel.ts";
import { bareMachine, cleanImage, imageOf, mountedMachine } from "../../support/machine.ts";

const design = designs.get("dax-6.1") as Design;

interface Made {
  image: Uint8Array;
  /** The block of /one's attributes, which /two shares. */
  block: number;
  /** Free blocks before there were files. */
  free: number;
}

function make(args: readonly string[]): Made {
  const { mem, sys } = bootKernel(design, mkfs(8 * MIB, args));
  const { bfree: free } = sys().statfs("/");
  for (const name of ["/one", "/two", "/three"]) sys().close(sys().open(name, "w"));
  const long = "attribute".repeat(50);
  const alone = debugfsWrite(cleanImage(mem), [
    `ea_set /one user.long ${long}`,
    "ea_set /three user.short x",
  ]);
  const block = Number(/File ACL: (\d+)/.exec(debugfs(alone, "stat /one"))?.[1]);
  const shared = debugfsWrite(alone, [`sif /two file_acl ${block}`, "sif /two blocks 8"]);
  return { image: withUsers(shared, block, 2), block, free };
}

/** The image with another count of inodes in a block of attributes. */
function withUsers(image: Uint8Array, block: number, count: number): Uint8Array {
  const { sb } = mountedMachine({ image });
  const patched = bareMachine({ image });
  const header = AttributeHeader.of(patched, mediaAt(patched, block * 4096));
  header.h_refcount = count;
  const sums = (image[1024 + 0x65] as number) & 4; // metadata_csum
  if (sums !== 0) header.h_checksum = attributeSum(patched, sb.csumSeed, block, header.at);
  return imageOf(patched);
}

test.each([[[]], [["-O", "^metadata_csum"]], [["-I", "128"]]])(
  "a block of attributes that two inodes share goes with the second, on an image made with %j",
  (args) => {
    const { image, block, free } = make(args);
    expect(e2fsck(image)).toBe("");
    const { mem, sys } = bootKernel(design, image);
    sys().unlink("/one");
    const half = cleanImage(mem);
    expect(e2fsck(half)).toBe("");
    expect(debugfs(half, "stat /two")).toContain("user.long");
    expect(debugfs(half, `testb ${block}`)).toContain("marked in use");
    sys().unlink("/two");
    sys().unlink("/three");
    const left = cleanImage(mem);
    expect(e2fsck(left)).toBe("");
    expect(debugfs(left, `testb ${block}`)).toContain("not in use");
    expect(sys().statfs("/").bfree).toBe(free);
  },
);

test("a link whose target lies in its inode may have a block of attributes", () => {
  const { mem, sys } = bootKernel(design, mkfs(8 * MIB));
  const { bfree: free } = sys().statfs("/");
  sys().symlink("target", "/link");
  const image = debugfsWrite(cleanImage(mem), [`ea_set /link trusted.long ${"attribute".repeat(50)}`]);
  expect(debugfs(image, "stat /link")).toMatch(/File ACL: [1-9]/);
  const after = bootKernel(design, image);
  expect(after.sys().readlink("/link")).toBe("target");
  after.sys().unlink("/link");
  expect(e2fsck(cleanImage(after.mem))).toBe("");
  expect(after.sys().statfs("/").bfree).toBe(free);
});

/** Why a file cannot be taken away. */
const reasonOf = (damaged: Uint8Array): string => {
  const { mem, sys } = bootKernel(design, damaged);
  let message = "none";
  try {
    sys().unlink("/one");
  } catch (error) {
    ({ message } = error as Error);
  }
  sys().sync();
  expect(superBlock(mem).damaged).toBe(1);
  expect(codeOf(() => sys().readdir("/"))).toBe("none");
  return message;
};

test("a damaged block of attributes, or one that cannot be, is named and stays", () => {
  const { image, block } = make([]);
  const changed = (offset: number): Uint8Array => {
    const copy = image.slice();
    copy[block * 4096 + offset]! ^= 1;
    return copy;
  };
  expect(reasonOf(changed(0))).toMatch(/EUCLEAN.*the extended attributes of inode \d+ are damaged/);
  expect(reasonOf(changed(4))).toMatch(/EFSBADCRC.*checksum of the extended attributes in block \d+/);
  const own = debugfsWrite(image, ["sif /one file_acl 1"]);
  expect(reasonOf(own)).toMatch(/EUCLEAN.*they are said to be in block 1/);
});
