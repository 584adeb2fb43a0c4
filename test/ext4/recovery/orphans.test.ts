// Orphans at mount: what a crash left without a name, or half truncated, is gone or ended, as e2fsck has it.

import { expect, test } from "vitest";
import { boot } from "../../../src/index.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { treeOf } from "../../golden/tree.ts";
import { check } from "../../../src/ext4/check/check.ts";
import { orphanBlockSum } from "../../../src/ext4/media/orphans.ts";
import { seedOf } from "../../../src/ext4/media/sums.ts";
import { mediaAt } from "../../../src/machine/pmem.ts";
import { debugfs, debugfsWrite, dumpe2fs, e2fsck, e2fsckRepairs, mkfs } from "../../support/e2fsprogs.ts";
import { bareMachine } from "../../support/machine.ts";

const BLOCK = 4096;

/** An image with three open files that have no name, of many extents, of one and of none; /kept keeps its name. */
async function crashed(
  onto: { size: number } | { image: Uint8Array },
): Promise<{ image: Uint8Array; orphans: number[] }> {
  const machine = await boot({ design: "ext4-xip-serialized", ...onto });
  const orphans: number[] = [];
  const sys = machine.sys();
  const kept = sys.open("/kept", "w+");
  for (let block = 0; block < 12; block++)
    sys.pwrite(kept, new Uint8Array(BLOCK).fill(block + 1), block * BLOCK);
  for (const [name, blocks] of [
    ["many", 700],
    ["one", 1],
    ["none", 0],
  ] as const) {
    const fd = sys.open(`/${name}`, "w+");
    orphans.push(sys.fstat(fd).ino);
    for (let block = 0; block < blocks; block++)
      sys.pwrite(fd, new Uint8Array([1]), (blocks - block) * 2 * BLOCK);
    sys.unlink(`/${name}`);
  }
  const image = await machine.image();
  await machine.close();
  return { image, orphans };
}

const { image } = await crashed({ size: 4 * MIB });

async function mounted(bytes: Uint8Array) {
  const machine = await boot({ design: "ext4-xip-serialized", image: bytes });
  const tree = treeOf(machine.sys());
  const after = await machine.image();
  await machine.close();
  return { tree, after };
}

const refusal = (bytes: Uint8Array): Promise<string> =>
  boot({ design: "ext4-xip-serialized", image: bytes }).then(
    () => "mounted",
    (error: Error) => error.message,
  );

const freeBlocks = (bytes: Uint8Array): string =>
  debugfs(bytes, "show_super_stats -h").match(/Free blocks: .*/)?.[0] ?? "";

test("files without a name are freed, with their blocks", async () => {
  expect(e2fsck(image)).toContain("orphan");
  const { tree, after } = await mounted(image);
  expect(tree.map(({ path }) => path)).toEqual(["/", "/kept", "/lost+found"]);
  expect(e2fsck(after)).toBe("");
  const theirs = e2fsckRepairs(image);
  expect(theirs.text.match(/Clearing orphaned inode/g)).toHaveLength(3);
  expect(freeBlocks(after)).toBe(freeBlocks(theirs.image));
});

test("a truncation that was cut goes on to the size that the inode says, in the middle of the list", async () => {
  const first = /First orphan inode: +(\d+)/.exec(debugfs(image, "show_super_stats -h"))?.[1] ?? "";
  const kept = /\d+/.exec(debugfs(image, "stat /kept"))?.[0] ?? "";
  const cut = debugfsWrite(image, [
    `set_super_value last_orphan ${kept}`,
    `set_inode_field /kept dtime ${Number(first)}`,
    `set_inode_field /kept size ${5 * BLOCK + 100}`,
  ]);
  const { tree, after } = await mounted(cut);
  const line = tree.find(({ path }) => path === "/kept");
  expect(line).toMatchObject({ size: 5 * BLOCK + 100, blocks: 6 * 8 });
  expect(e2fsck(after)).toBe("");
  const theirs = e2fsckRepairs(cut);
  expect(theirs.text).toContain(`Truncating orphaned inode ${kept}`);
  expect((await mounted(theirs.image)).tree).toEqual(tree);
  // What lay behind the end in its block must not come back when the file grows.
  const tail = ((line?.extents?.[0]?.[2] ?? 0) + 5) * BLOCK;
  expect(cut[tail + 100]).toBe(6);
  expect(after[tail + 99]).toBe(6);
  expect(after.subarray(tail + 100, tail + BLOCK).every((byte) => byte === 0)).toBe(true);
});

test.each([
  [
    "an inode that is free",
    ["set_super_value last_orphan 40"],
    /orphan list is damaged: inode 40 cannot be on it/,
  ],
  ["a reserved inode", ["set_super_value last_orphan 8"], /orphan list is damaged: inode 8 cannot be on it/],
  [
    "a next inode that cannot be",
    ["set_super_value last_orphan 12", "set_inode_field <12> dtime 99999"],
    /orphan list is damaged: inode 12 cannot be on it/,
  ],
  [
    "a circle of inodes without links",
    ["set_inode_field <13> dtime 13", "set_super_value last_orphan 13"],
    /inode 13 cannot be on it/,
  ],
])("a list with %s is refused by name", async (_, commands, sentence) => {
  expect(await refusal(debugfsWrite(image, commands))).toMatch(sentence);
});

/** What Linux leaves where orphans are in a file of their own; `wrong` may change that block before its checksum. */
async function withOrphanFile(features: string, wrong?: (block: DataView) => void): Promise<Uint8Array> {
  const { image: listed, orphans } = await crashed({ image: mkfs(8 * MIB, ["-O", features]) });
  const unlisted = debugfsWrite(listed, [
    ...orphans.map((inode) => `set_inode_field <${inode}> dtime @0`),
    "set_super_value last_orphan 0",
    "feature orphan_present",
  ]);
  const mem = bareMachine({ image: unlisted });
  const block = Number(debugfs(unlisted, "blocks <12>").trim().split(/\s+/)[0]);
  const at = mediaAt(mem, block * BLOCK);
  const view = new DataView(mem.u8.buffer, at, BLOCK);
  for (const [index, inode] of orphans.entries()) view.setUint32(index * 800, inode, true);
  wrong?.(view);
  const seed = seedOf(mem, mediaAt(mem, 1024 + 0x68));
  if (!features.includes("^metadata_csum"))
    view.setUint32(BLOCK - 4, orphanBlockSum(mem, seed, 12, 0, block, at), true);
  return mem.read(mediaAt(mem, 0), unlisted.length);
}

test.each(["orphan_file", "orphan_file,^metadata_csum,^64bit"])(
  "orphans in a file of their own are freed as those of the list are (%s)",
  async (features) => {
    const crash = await withOrphanFile(features);
    expect(e2fsck(crash)).toContain("Orphan file (inode 12) block 0 is not clean");
    const { tree, after } = await mounted(crash);
    expect(tree.map(({ path }) => path)).toEqual(["/", "/kept", "/lost+found"]);
    expect(e2fsck(after)).toBe("");
    expect(dumpe2fs(after)).not.toContain("orphan_present");
    const theirs = e2fsckRepairs(crash);
    expect(theirs.text.match(/Clearing orphaned inode/g)).toHaveLength(3);
    expect(theirs.text).not.toContain("Failed to initialize orphan file");
    expect(freeBlocks(after)).toBe(freeBlocks(theirs.image));
  },
);

test.each<[string, (block: DataView) => void, RegExp]>([
  ["has no magic number", (block) => block.setUint32(BLOCK - 8, 1), /orphan file, inode 12, is damaged/],
  ["names a free inode", (block) => block.setUint32(8, 900, true), /inode 900 cannot be on it/],
  ["names itself", (block) => block.setUint32(8, 12, true), /inode 12 cannot be on it/],
])("an orphan file that %s is refused by name", async (_, wrong, sentence) => {
  const crash = await withOrphanFile("orphan_file", wrong);
  expect(await refusal(crash)).toMatch(sentence);
  const problems = check(bareMachine({ image: crash })).map(({ place, message }) => `${place}: ${message}`);
  expect(problems.join("\n")).toMatch(/^orphan file: /m);
});

test("an orphan file with a wrong checksum is refused by name", async () => {
  const crash = await withOrphanFile("orphan_file");
  const block = Number(debugfs(crash, "blocks <12>").trim().split(/\s+/)[0]);
  crash[block * BLOCK + 400] = 77;
  expect(await refusal(crash)).toMatch(/checksum of the orphan file's block \d+ is wrong/);
  expect(e2fsck(crash)).toContain("Failed to initialize orphan file");
});
