// boot(): machines on the caller's own thread, images in and out, and what is refused.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import { boot, designs, SysError, UsageError, type BootOptions, type Design } from "../../src/index.ts";
import { e2fsck, mkfs } from "../support/e2fsprogs.ts";

const MIB = 2 ** 20;
const design = "ext4-xip-serialized";
const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

async function refusal(options: unknown): Promise<string> {
  const error: unknown = await boot(options as BootOptions).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UsageError);
  return (error as Error).message;
}

test("what a program writes is read back, mapped, and told by fiemap", async () => {
  const machine = await boot({ design });
  const sys = machine.sys();
  const fd = sys.open("/file", "w+");
  sys.fallocate(fd, 0, 0, 16_384);
  expect(sys.pwrite(fd, bytes(512, 0xaa), 4096)).toBe(512);
  const at = sys.mmap(16_384, "rw", "shared", fd, 0);
  sys.store(at + 4096, Uint8Array.of(1));
  expect([...sys.load(at + 4095, 4)]).toEqual([0, 1, 0xaa, 0xaa]);
  expect([...sys.pread(fd, 3, 4096)]).toEqual([1, 0xaa, 0xaa]);
  expect(sys.fiemap(fd).reduce((sum, { length }) => sum + length, 0)).toBe(16_384);
  expect(() => sys.open("/missing", "r")).toThrow(SysError);
  await machine.close();
});

test("an image that the machine gives out is clean, and boots again with the same bytes, under every design", async () => {
  const machine = await boot({ design, size: 8 * MIB });
  const sys = machine.sys();
  const fd = sys.open("/file", "w");
  sys.pwrite(fd, bytes(5000, 0x5a), 3000);
  const image = await machine.image();
  expect(image).toHaveLength(8 * MIB);
  expect(e2fsck(image)).toBe("");
  for (const other of designs.keys()) {
    const again = await boot({ design: other, image });
    const read = again.sys().pread(again.sys().open("/file", "r"), 9000, 0);
    expect(Buffer.compare(read, Buffer.concat([bytes(3000, 0), bytes(5000, 0x5a)]))).toBe(0);
    await again.close();
  }
  await machine.close();
});

test("an image of the real mkfs boots from its path, and the file itself is never written", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "unwritten-"));
  const file = path.join(folder, "disk.img");
  const image = mkfs(16 * MIB);
  writeFileSync(file, image);
  const machine = await boot({ design, image: file });
  const sys = machine.sys();
  sys.pwrite(sys.open("/new", "w"), bytes(10, 1), 0);
  expect(e2fsck(await machine.image())).toBe("");
  await machine.close();
  const again = await boot({ design, image: file });
  expect(again.sys().readdir("/")).not.toContain("new");
  rmSync(folder, { recursive: true });
  expect(await refusal({ design, image: file })).toMatch(/^the image cannot be read: ENOENT/);
});

test("a design can be an object of one's own", async () => {
  const calls: number[] = [];
  const inner = designs.get(design) as Design;
  const own: Design = {
    ...inner,
    name: "counting",
    write(inode, from, place, length) {
      calls.push(length);
      return inner.write(inode, from, place, length);
    },
  };
  const machine = await boot({ design: own });
  const sys = machine.sys();
  sys.pwrite(sys.open("/file", "w"), bytes(7, 1), 0);
  expect(calls).toEqual([7]);
  expect(machine.design).toBe("counting");
  await machine.close();
});

test("after close there is nothing to call, and closing again does nothing", async () => {
  const machine = await boot({ design, size: 1 * MIB });
  const sys = machine.sys();
  const fd = sys.open("/file", "w+");
  const at = sys.mmap(4096, "rw", "shared", fd);
  sys.pwrite(fd, bytes(7, 1), 0);
  const [image] = await Promise.all([machine.image(), machine.close()]);
  expect(e2fsck(image)).toBe("");
  expect(() => machine.sys()).toThrow("the machine is closed");
  await expect(machine.image()).rejects.toThrow("the machine is closed");
  const calls = [
    () => sys.open("/file"),
    () => sys.pread(fd, 1, 0),
    () => sys.readdir("/"),
    () => sys.load(at, 1),
    () => sys.flush(at, 1),
    () => sys.munmap(at, 4096),
    () => sys.sync(),
  ];
  for (const call of calls) expect(call, String(call)).toThrow("the machine is closed");
  await machine.close();
});

test("an image larger than the memory there is is refused before it is read", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "unwritten-machine-"));
  const file = path.join(folder, "holes.img");
  writeFileSync(file, "");
  truncateSync(file, 2 ** 31);
  const available = vi.spyOn(process, "availableMemory").mockReturnValue(2 ** 30);
  const resident = process.memoryUsage.rss();
  const found = await refusal({ design, image: file });
  available.mockRestore();
  rmSync(folder, { recursive: true });
  // Once read, it would be no ext4 image.
  expect(found).toMatch(
    /holes\.img: a machine of that size needs \d+ MiB of memory; .* has 1024 MiB to give$/,
  );
  expect(process.memoryUsage.rss() - resident).toBeLessThan(256 * MIB);
});

test("what boot does not know or cannot mount is refused with one sentence", async () => {
  const image = mkfs(4 * MIB);
  const damaged = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const copy = Uint8Array.from(image);
    change(copy);
    return copy;
  };
  expect(await refusal(undefined)).toMatch(/^boot takes \{ design/);
  expect(await refusal({})).toMatch(/^there is no design given; there are ext2-xip.*, and modules' paths$/);
  expect(await refusal({ design: "ext5" })).toMatch(/^there is no design "ext5"; there are ext2-xip/);
  expect(await refusal({ design: "dax-6.1.0" })).toBe(
    'there is no design "dax-6.1.0"; did you mean "dax-6.1"?',
  );
  expect(await refusal({ design: {} })).toMatch(/has a name of/);
  expect(await refusal({ design, sise: 1 })).toMatch(
    /^boot has no "sise"; it has design, image, size and options/,
  );
  expect(await refusal({ design, image, size: 4 * MIB })).toMatch(/not both/);
  expect(await refusal({ design, size: 4 * MIB + 1 })).toMatch(/^size is a multiple of 4096/);
  expect(await refusal({ design, size: 3 * 2 ** 30 })).toMatch(/^size is a whole number/);
  expect(await refusal({ design, options: { commit: 5 } })).toMatch(/^options has no "commit"/);
  expect(await refusal({ design, image: 5 })).toMatch(/^image is a path or a Uint8Array/);
  expect(await refusal({ design, image: new Uint8Array(100) })).toMatch(/^an image has 1 MiB to 2 GiB/);
  expect(await refusal({ design, image: new Uint8Array(MIB) })).toMatch(/no ext4 image/);
  expect(await refusal({ design, image: image.subarray(0, 2 * MIB) })).toMatch(/truncated/);
  expect(
    await refusal({
      design,
      image: damaged((all) => (all[1024 + 0x3fc] = (all[1024 + 0x3fc] as number) ^ 1)),
    }),
  ).toMatch(/checksum/);
  expect(await refusal({ design, image: damaged((all) => (all[1024 + 0x61] = 0x80)) })).toMatch(
    /not supported/,
  );
});
