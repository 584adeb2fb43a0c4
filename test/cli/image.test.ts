// The image commands, with e2fsprogs as the witness.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { piecesOf } from "../../src/cli/image/cat.ts";
import { boot } from "../../src/index.ts";
import { debugfs, debugfsWrite, dumpe2fs, e2fsck, mkfs } from "../support/e2fsprogs.ts";
import { end, run, scratch, start } from "./program.ts";

const directory = scratch();
const path = (name: string): string => join(directory, name);

const words = "some words, one line\n";

beforeAll(() => {
  writeFileSync(path("words"), words);
  writeFileSync(path("large"), Buffer.alloc(3_000_000, "0123456789\n"));
  const linux = debugfsWrite(mkfs(16 * 2 ** 20), [
    "mkdir /sub",
    `write ${path("words")} /sub/words`,
    `write ${path("large")} /large`,
    `write ${path("words")} /.hidden`,
    "symlink /link sub/words",
    "write /dev/null /prepared",
    "fallocate /prepared 0 3",
    "set_inode_field /prepared size 16384",
  ]);
  writeFileSync(path("linux.img"), linux);
  writeFileSync(path("zeros.img"), Buffer.alloc(2 ** 21));
  copyFileSync(path("linux.img"), path("cut.img"));
  truncateSync(path("cut.img"), 9 * 2 ** 20);
  damage("checksum.img", 1024 + 0x3fc, 0xff);
  // s_feature_incompat: a bit that nobody has.
  damage("feature.img", 1024 + 0x63, 0x80);
  writeFileSync(path("empty.img"), "");
  writeFileSync(path("endless.img"), "");
  truncateSync(path("endless.img"), 2 ** 40);
  const [, block = "", offset = ""] = /block (\d+), offset (\w+)/.exec(debugfs(linux, "imap /large")) ?? [];
  // i_size
  damage("inode.img", Number(block) * 4096 + Number(offset) + 4, 1);
});

describe("mkfs", () => {
  test("makes an image that e2fsck finds clean, of the size and label that were asked", async () => {
    const { code, stdout } = await run(directory, "mkfs", "own.img", "--size", "8M", "--label", "scratch");
    expect({ code, stdout }).toEqual({ code: 0, stdout: "own.img: ext4, 8 MiB\n" });
    expect(readFileSync(path("own.img")).length).toBe(8 * 2 ** 20);
    const image = readFileSync(path("own.img"));
    expect(e2fsck(image)).toBe("");
    expect(dumpe2fs(image)).toMatch(/^Filesystem volume name: +scratch$/m);
  });

  test("leaves an existing file alone unless forced", async () => {
    writeFileSync(path("precious"), "precious");
    const refused = await run(directory, "mkfs", "precious");
    expect(refused).toMatchObject({ code: 2, stderr: "unwritten: precious exists; --force replaces it\n" });
    expect(readFileSync(path("precious"), "utf8")).toBe("precious");
    const { stdout } = await run(directory, "mkfs", "precious", "--force", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      image: "precious",
      written: true,
      size: 16_777_216,
      blocks: 4096,
    });
    expect(readFileSync(path("precious")).length).toBe(16 * 2 ** 20);
  });

  test("replaces only regular files, and what a link leads to rather than the link", async () => {
    mkdirSync(path("folder"));
    expect(await run(directory, "mkfs", "folder", "--force")).toMatchObject({
      code: 2,
      stderr: "unwritten: folder is not a regular file\n",
    });
    writeFileSync(path("target"), "");
    symlinkSync("target", path("link.img"));
    expect((await run(directory, "mkfs", "link.img", "--force", "--size", "4M")).code).toBe(0);
    expect(readFileSync(path("target")).length).toBe(4 * 2 ** 20);
  });

  test("leaves nothing behind where it cannot write, or is interrupted", async () => {
    expect(await run(directory, "mkfs", "absent/x.img")).toMatchObject({
      code: 2,
      stderr: "unwritten: absent/x.img: no such file or directory\n",
    });
    const before = readdirSync(directory);
    // Without checksums the bitmaps of all its 32,768 groups are written: that takes seconds.
    const child = start(directory, ["mkfs", "huge.img", "--size", "4T", "-O", "^metadata_csum"]);
    const ended = end(child);
    const begun = (): boolean => readdirSync(directory).some((name) => name.startsWith("huge.img."));
    await vi.waitUntil(begun, { timeout: 20_000, interval: 5 });
    child.kill("SIGINT");
    expect((await ended).code).toBe(130);
    expect(readdirSync(directory)).toEqual(before);
  });
});

describe("mkfs with the options of mke2fs", () => {
  const asked = [
    "--size",
    "8M",
    "-b",
    "1024",
    "-O",
    "^has_journal,uninit_bg",
    "-I",
    "128",
    "-m",
    "1.5",
    "-L",
    "x",
  ];

  test("makes what was asked for, and the same again with the same seed", async () => {
    const first = await run(directory, "mkfs", "1k.img", ...asked, "--seed", "3", "-E", "root_owner=5:6");
    expect(first.stdout).toBe("1k.img: ext4, 8 MiB, blocks of 1024 bytes (a machine mounts only 4096)\n");
    const image = readFileSync(path("1k.img"));
    expect(e2fsck(image)).toBe("");
    expect(dumpe2fs(image)).toMatch(/^Block size: +1024$/m);
    expect(debugfs(image, "stat /")).toMatch(/User: +5 +Group: +6 /);
    const ignored = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";
    const extended = ["-E", `root_owner=5:6,${ignored}`];
    const again = ["mkfs", "again.img", "-q", ...asked, "--seed", "3", ...extended];
    expect(await run(directory, ...again)).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(Buffer.compare(readFileSync(path("again.img")), image)).toBe(0);
    await run(directory, "mkfs", "other.img", ...asked);
    expect(Buffer.compare(readFileSync(path("other.img")), image)).not.toBe(0);
  });

  test("writes only the structures of a large image", async () => {
    const { code, stdout } = await run(directory, "mkfs", "2t.img", "--size", "2T");
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: "2t.img: ext4, 2 TiB (a machine mounts up to 2 GiB)\n",
    });
    expect(statSync(path("2t.img"))).toMatchObject({ size: 2 ** 41 });
    expect(statSync(path("2t.img")).blocks * 512).toBeLessThan(64 * 2 ** 20);
    expect(await run(directory, "ls", "2t.img")).toMatchObject({
      code: 2,
      stderr: "unwritten: 2t.img: an image has 1 MiB to 2 GiB, this one has 2199023255552 bytes\n",
    });
    rmSync(path("2t.img"));
  });

  test("-n says what it would be, and leaves no file", async () => {
    const { code, stdout } = await run(directory, "mkfs", "dry.img", "-n", ...asked);
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^dry\.img would be: ext4, 8 MiB: 8,192 blocks of 1024 bytes, 122 blocks for root,\n/,
    );
    expect(existsSync(path("dry.img"))).toBe(false);
  });

  test.each([
    [["-O", "bigalloc"], "mkfs cannot make a file system with the feature bigalloc"],
    [["-E", "hash_sed=1"], `-E knows no "hash_sed"; did you mean "hash_seed"?`],
    [["-J", "4"], `--journal must be size=MIB, not "4"`],
  ])("%j is refused: %s", async (given, sentence) => {
    expect(await run(directory, "mkfs", "refused.img", ...given)).toMatchObject({
      code: 2,
      stdout: "",
      stderr: `unwritten: ${sentence}\n`,
    });
    expect(existsSync(path("refused.img"))).toBe(false);
  });

  test.each(["cat", "fsck"])("%s says which block size a machine mounts", async (command) => {
    await run(directory, "mkfs", "-F", "small.img", "-b", "2048");
    const { code, stderr } = await run(directory, command, "small.img");
    const why =
      "the image has blocks of 2048 bytes, a machine mounts only 4096: mapped data needs blocks as large as pages";
    expect({ code, stderr }).toEqual({ code: 2, stderr: `unwritten: small.img: ${why}\n` });
  });
});

describe("ls, cat and stat show what Linux' tools wrote", () => {
  test("names, sorted, without dots unless asked", async () => {
    expect((await run(directory, "ls", "linux.img")).stdout).toBe("large\nlink\nlost+found\nprepared\nsub\n");
    expect((await run(directory, "ls", "-a", "linux.img:/")).stdout).toContain(".hidden\n");
    expect((await run(directory, "ls", "linux.img:/sub")).stdout).toBe("words\n");
    expect((await run(directory, "ls", "linux.img:/sub/words")).stdout).toBe("/sub/words\n");
  });

  test("long: mode, links, owner, size, time, where a link leads", async () => {
    const { stdout } = await run(directory, "ls", "-l", "linux.img");
    expect(stdout).toMatch(/^-rw-r--r-- 1 0 0 3000000 \d{4}-\d\d-\d\d \d\d:\d\d:\d\d large$/m);
    expect(stdout).toMatch(/^l[rwx]{9} 1 0 0 +9 \S+ \S+ link -> sub\/words$/m);
    expect(stdout).toMatch(/^d[rwx-]{9} 2 0 0 +4096 \S+ \S+ sub$/m);
  });

  test("names that are no text, and the rest of a directory in which something cannot be read", async () => {
    const machine = await boot({ design: "dax-6.1", image: path("inode.img") });
    const sys = machine.sys();
    sys.symlink("sub/words", Uint8Array.from([0x2f, 0xff, 0x80]));
    writeFileSync(path("odd.img"), await machine.image());
    await machine.close();
    const { code, stdout, stderr } = await run(directory, "ls", "-l", "odd.img");
    expect(stdout).toMatch(/^l[rwx]{9} 1 .* \ufffd\ufffd -> sub\/words$/m);
    expect(stdout).toMatch(/^\?{10} +\? +\? +\? +\? +\? large$/m);
    expect(stdout.split("\n")).toHaveLength(7);
    expect(stderr).toMatch(
      /^unwritten: odd\.img:\/large: bad checksum on the media: the checksum of inode \d+ is wrong\n$/,
    );
    expect(code).toBe(1);
  });

  test("bytes, through links, as they are", async () => {
    expect((await run(directory, "cat", "linux.img:/link")).stdout).toBe(words);
    const large = await run(directory, "cat", "linux.img:/large");
    expect(large.stdout).toBe(readFileSync(path("large"), "utf8"));
    expect(JSON.parse((await run(directory, "cat", "--json", "linux.img:/sub/words")).stdout)).toEqual({
      path: "/sub/words",
      size: words.length,
      base64: Buffer.from(words).toString("base64"),
    });
  });

  test("cat gives all bytes of a file that is larger than one read can be, and refuses it as JSON", async () => {
    const behind = 2 ** 31;
    const machine = await boot({ design: "dax-6.1" });
    const sys = machine.sys();
    const fd = sys.open("/large", "w+");
    sys.pwrite(fd, Buffer.from(words), behind);
    let length = 0;
    let last: Uint8Array = new Uint8Array();
    for (last of piecesOf(sys, fd)) length += last.length;
    expect(length).toBe(behind + words.length);
    expect(Buffer.from(last).toString()).toBe(words);
    writeFileSync(path("holes.img"), await machine.image());
    await machine.close();
    const { code, stderr } = await run(directory, "cat", "--json", "holes.img:/large");
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: "unwritten: holes.img:/large: 2 GiB are too many for a JSON document; cat without --json\n",
    });
  });

  test("extents, written and unwritten", async () => {
    const known = JSON.parse((await run(directory, "stat", "--json", "linux.img:/prepared")).stdout) as {
      extents: { logical: number; length: number; unwritten: boolean }[];
    };
    expect(known).toMatchObject({
      path: "/prepared",
      type: "regular file",
      size: 16384,
      nlink: 1,
      blocks: 32,
    });
    expect(known.extents).toMatchObject([{ logical: 0, length: 16384, unwritten: true }]);
    const { stdout } = await run(directory, "stat", "linux.img:/prepared");
    expect(stdout).toMatch(/^ {2}modified \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m);
    expect(stdout).toMatch(/^\/prepared: regular file, inode \d+$/m);
    expect(stdout).toMatch(/^ {4}0 \+ 16,384 \(16 KiB\) at [\d,]+, unwritten$/m);
  });

  test("a file that is cut off by its reader ends the program quietly", async () => {
    const child = start(directory, ["cat", "linux.img:/large"]);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { stderr, code } = await end(child);
    expect({ stderr, code }).toEqual({ stderr: "", code: 141 });
  });
});

describe("an image that cannot be used is refused with one sentence and exit code 2", () => {
  test.each([
    ["ls", "absent.img", /^unwritten: absent\.img: no such file or directory\n$/],
    ["ls", "linux.img:/absent", /^unwritten: linux\.img:\/absent: no such file or directory\n$/],
    ["cat", "linux.img:/sub", /^unwritten: linux\.img:\/sub: is a directory; ls lists it\n$/],
    ["cat", "linux.img:/large/x", /^unwritten: linux\.img:\/large\/x: not a directory\n$/],
    ["stat", "words", /^unwritten: [^\n]+\n$/],
    ["stat", "zeros.img", /^unwritten: [^\n]+\n$/],
    ["stat", "cut.img", /^unwritten: [^\n]+\n$/],
    ["stat", "checksum.img", /^unwritten: [^\n]*checksum[^\n]*\n$/],
    ["stat", "feature.img", /^unwritten: [^\n]+\n$/],
    ["cat", "empty.img:/x", /^unwritten: empty\.img: an image has 1 MiB to 2 GiB, this one has 0 bytes\n$/],
    [
      "fsck",
      "endless.img",
      /^unwritten: endless\.img: an image has 1 MiB to 2 GiB, this one has 1099511627776/,
    ],
    [
      "cat",
      "inode.img:/large",
      /^unwritten: inode\.img:\/large: bad checksum on the media: the checksum of inode \d+ is wrong\n$/,
    ],
    ["fsck", "absent.img", /^unwritten: absent\.img: no such file or directory\n$/],
    ["fsck", ".", /^unwritten: \.: it is not a regular file\n$/],
  ])("%s %s", async (command, image, sentence) => {
    const { code, stdout, stderr } = await run(directory, command, image);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(sentence);
  });
});

/** A copy of linux.img with some bits of a byte turned over. */
function damage(name: string, at: number, bits: number): void {
  const image = readFileSync(path("linux.img"));
  image[at] = (image[at] ?? 0) ^ bits;
  writeFileSync(path(name), image);
}

describe("fsck", () => {
  test.each(["bigalloc", "mmp"])(
    "says of an image with %s that it does not know that, not that it is damaged or clean",
    async (feature) => {
      writeFileSync(path(`${feature}.img`), mkfs(16 * 2 ** 20, ["-O", feature]));
      expect(await run(directory, "fsck", `${feature}.img`)).toMatchObject({
        code: 2,
        stderr: `unwritten: ${feature}.img: the image has features that are not supported: ${feature}\n`,
      });
    },
  );

  test("finds nothing in a clean image", async () => {
    expect(await run(directory, "fsck", "linux.img")).toMatchObject({
      code: 0,
      stdout: "linux.img: clean\n",
    });
  });

  test("prints the problems of a damaged one, and exits with 1", async () => {
    const damaged = debugfsWrite(readFileSync(path("linux.img")), [
      "set_inode_field /sub/words links_count 7",
    ]);
    writeFileSync(path("damaged.img"), damaged);
    const { code, stdout } = await run(directory, "fsck", "damaged.img");
    expect(code).toBe(1);
    expect(stdout).toMatch(/damaged\.img: \d+ problems?\n$/);
    const { problems } = JSON.parse((await run(directory, "fsck", "--json", "damaged.img")).stdout) as {
      problems: { place: string; message: string }[];
    };
    expect(problems.length).toBeGreaterThan(0);
    expect(problems[0]).toEqual({ place: expect.any(String), message: expect.any(String) });
  });
});
