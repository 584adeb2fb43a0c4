// fsck --replay on a file: what it does, and what is left when it is stopped.

import { readFileSync, writeFileSync } from "node:fs";
import files, { type FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { recoverFile } from "../../src/cli/image/recover.ts";
import { boot } from "../../src/index.ts";
import { createMemory, header } from "../../src/machine/layout.ts";
import { MIB } from "../../src/machine/limits.ts";
import { mount } from "../../src/ext4/mount/mount.ts";
import { crashImage, expectedTree } from "../golden/crash.ts";
import { treeOf } from "../golden/tree.ts";
import { makeBase, withJournal } from "../ext4/recovery/build.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { bareMachine } from "../support/machine.ts";
import { run, scratch } from "./program.ts";

/** What the file saw: writes, and "sync" between those that may be mixed. */
type Operation = "sync" | { readonly at: number; readonly bytes: Uint8Array };
const seen: Operation[] = [];

/** Until the end of the test every file that is opened is this one. */
function watchFile(): void {
  seen.splice(0);
  const file: Pick<FileHandle, "sync" | "close"> & { write: unknown } = {
    write: (bytes: Uint8Array, from: number, length: number, at: number) =>
      Promise.resolve(void seen.push({ at, bytes: bytes.slice(from, from + length) })),
    sync: () => Promise.resolve(void seen.push("sync")),
    close: () => Promise.resolve(),
  };
  const open = vi.spyOn(files, "open").mockResolvedValue(file as FileHandle);
  syncBuiltinESMExports();
  onTestFinished(() => {
    open.mockRestore();
    syncBuiltinESMExports();
  });
}

const directory = scratch();
const path = (name: string): string => join(directory, name);

test("fsck says that the journal needs recovery, and recovers it when it is told to", async () => {
  writeFileSync(path("crash.img"), crashImage(2));
  const { code, stdout } = await run(directory, "fsck", "crash.img");
  expect(stdout).toMatch(/^journal: it needs recovery.*\ncrash\.img: 1 problem\n$/);
  expect(code).toBe(1);
  expect((await run(directory, "cat", "crash.img:/d0/f0")).stdout).toHaveLength(110_812);
  expect(Buffer.compare(readFileSync(path("crash.img")), crashImage(2))).toBe(0);

  const ended = await run(directory, "fsck", "--replay", "crash.img");
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toMatch(/^crash\.img: replayed \d+ transactions, \d+ blocks\ncrash\.img: clean\n$/);
  const after = readFileSync(path("crash.img"));
  expect(e2fsck(after)).toBe("");
  const machine = await boot({ design: "dax-6.1", image: after });
  expect(treeOf(machine.sys())).toEqual(expectedTree(2).toSorted((a, b) => (a.path < b.path ? -1 : 1)));
  await machine.close();
  expect((await run(directory, "fsck", "--replay", "crash.img")).stdout).toBe(
    "crash.img: nothing to replay\ncrash.img: clean\n",
  );
  expect(Buffer.compare(readFileSync(path("crash.img")), after)).toBe(0);
});

test("io writes back what it has recovered though it only read, but not with -r", async () => {
  writeFileSync(path("read.img"), crashImage(2));
  const read = ["-c", "pread 0 1", "read.img:/d0/f0"];
  expect((await run(directory, "io", "-r", ...read)).stdout).toMatch(/^read 1\/1 bytes/);
  expect(Buffer.compare(readFileSync(path("read.img")), crashImage(2))).toBe(0);
  expect((await run(directory, "io", ...read)).stdout).toMatch(/^read 1\/1 bytes/);
  const after = readFileSync(path("read.img"));
  expect(Buffer.compare(after, crashImage(2))).not.toBe(0);
  expect(e2fsck(after)).toBe("");
  // There is nothing more to recover.
  expect((await run(directory, "io", ...read)).stdout).toMatch(/^read 1\/1 bytes/);
  expect(Buffer.compare(readFileSync(path("read.img")), after)).toBe(0);
});

/** Every image that a failure may leave: all writes up to a sync, and some of those up to the next. */
function cuts(image: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  const base = image.slice();
  for (let from = 0; from < seen.length;) {
    const sync = seen.indexOf("sync", from);
    const group = seen.slice(from, sync).filter((one) => one !== "sync");
    const put = (to: Uint8Array, { at, bytes }: Exclude<Operation, "sync">): void => to.set(bytes, at);
    for (let turn = 0; turn < Math.min(6, 2 ** group.length); turn++) {
      const cut = base.slice();
      for (const [index, one] of group.entries()) if (((turn * 5) >> (index % 5)) & 1) put(cut, one);
      found.push(cut);
    }
    for (const one of group) put(base, one);
    from = sync + 1;
  }
  return [...found, base];
}

async function replayed(image: Uint8Array): Promise<void> {
  watchFile();
  const mem = createMemory(image.length);
  mem.write(header(mem).media.start, image);
  expect(await recoverFile("image", image.slice(), mem)).toBeTypeOf("object");
  expect(seen.at(-1)).toBe("sync");
}

describe("a failure of fsck --replay at any point", () => {
  test("of the journal leaves an image that the next one recovers", async () => {
    const base = makeBase();
    const [a, b] = base.free as [number, number];
    const { image } = withJournal(base, {
      incompat: 0x13,
      transactions: [
        {
          blocks: [
            [a, 1],
            [b, 2],
          ],
        },
        { blocks: [[a, 3]] },
      ],
    });
    await replayed(image);
    const images = cuts(image);
    expect(images.length).toBeGreaterThan(8);
    for (const cut of images) {
      const mem = bareMachine({ image: cut });
      expect("message" in mount(mem)).toBe(false);
      expect([a, b].map((block) => mem.u8[header(mem).media.start + block * 4096])).toEqual([3, 2]);
    }
  });

  test("of the orphans leaves an image that says so, or one as good as before", async () => {
    const machine = await boot({ design: "ext4-xip-serialized", size: 4 * MIB });
    const sys = machine.sys();
    const fd = sys.open("/file", "w+");
    sys.pwrite(fd, new Uint8Array(8192), 0);
    sys.unlink("/file");
    const image = await machine.image();
    await machine.close();
    await replayed(image);
    const images = cuts(image);
    const outcomes = images.map((cut) => {
      const mounted = mount(bareMachine({ image: cut }));
      return "message" in mounted ? mounted.message : "mounted";
    });
    expect(outcomes[0]).toBe("mounted");
    expect(outcomes.at(-1)).toBe("mounted");
    expect(new Set(outcomes)).toEqual(
      new Set(["mounted", "the image was not unmounted cleanly: run e2fsck on it first"]),
    );
    expect(e2fsck(images.at(-1) as Uint8Array)).toBe("");
  });
});
