// Orphans at mount: what a crash left without a name, or half truncated, is gone or ended, as e2fsck has it.

import { expect, test } from "vitest";
import { boot } from "../../../src/index.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { treeOf } from "../../golden/tree.ts";
import { debugfs, debugfsWrite, e2fsck, e2fsckRepairs } from "../../support/e2fsprogs.ts";

const BLOCK = 4096;

/** An image with three open files that have no name, of many extents, of one and of none; /kept keeps its name. */
async function crashed(): Promise<Uint8Array> {
  const machine = await boot({ design: "ext4-xip-serialized", size: 4 * MIB });
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
    for (let block = 0; block < blocks; block++)
      sys.pwrite(fd, new Uint8Array([1]), (blocks - block) * 2 * BLOCK);
    sys.unlink(`/${name}`);
  }
  const image = await machine.image();
  await machine.close();
  return image;
}

const image = await crashed();

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
