// The image under a session: when it is written, what is in it, what happens when something goes wrong.

import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { beforeEach, afterAll, describe, expect, test } from "vitest";
import { parse } from "../../../src/cli/arguments.ts";
import { commands } from "../../../src/cli/io/commands/all.ts";
import { ioOptions } from "../../../src/cli/io/io.ts";
import { runIo } from "../../../src/cli/io/run.ts";
import { isListed } from "../../../src/cli/io/shell.ts";
import { debugfs, debugfsDump, e2fsck } from "../../support/e2fsprogs.ts";
import { run, scratch } from "../program.ts";
import { runHere } from "./ours.ts";
import { mountedByLinux } from "../../support/loop.ts";
import { freshImage, normal, witnessRefusal, type Said } from "./witness.ts";

const home = process.cwd();
const folder = scratch();
process.chdir(folder);
afterAll(() => process.chdir(home));

const refusal = witnessRefusal();
const fresh = freshImage();
const image = (): Uint8Array => new Uint8Array(readFileSync("disk.img"));
const files = readdirSync(".");
beforeEach(() => writeFileSync("disk.img", fresh));
const FILE = "disk.img:/file";

/** Text that grows, and somebody who waits for a part of it. */
class Heard {
  text = "";
  #wanted = "";
  #found: (() => void) | undefined;

  add(more: string): void {
    this.text += more;
    if (this.#found === undefined || !this.text.includes(this.#wanted)) return;
    this.text = this.text.slice(this.text.indexOf(this.#wanted) + this.#wanted.length);
    this.#found();
    this.#found = undefined;
  }

  /** Waits for the words, and forgets what was said up to them. */
  async until(words: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wanted = words;
      this.#found = resolve;
      this.add("");
    });
  }
}

/** A session that reads from a pipe, as a process of its own. */
function piped(...words: string[]) {
  const child = spawn(process.execPath, [join(folder, "unwritten"), "io", ...words], { cwd: folder });
  const heard = new Heard();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => heard.add(text));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, heard, ended };
}

describe("the image", () => {
  test("holds at the end what was done, is clean, and is the file it was", async () => {
    symlinkSync("disk.img", "link.img");
    chmodSync("disk.img", 0o640);
    const words = ["-f", "-c", "pwrite -q -S 0x41 0 6000", "-c", "falloc 64k 64k", "link.img:/file"];
    expect(await runHere(words)).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(e2fsck(image())).toBe("");
    const content = debugfsDump(image(), "/file");
    expect(content.length).toBe(128 * 1024);
    expect(content.subarray(0, 6000).every((byte) => byte === 0x41)).toBe(true);
    expect(content.subarray(6000).every((byte) => byte === 0)).toBe(true);
    expect(debugfs(image(), "stat /file")).toMatch(/Mode: +0600/);
    expect(statSync("disk.img").mode & 0o777).toBe(0o640);
    // The link is one still, and nothing is left beside the image.
    expect(readdirSync(".").toSorted()).toEqual([...files, "disk.img", "link.img"].toSorted());
  });

  test("is not written when nothing was changed", async () => {
    const before = statSync("disk.img");
    const { code } = await runHere(["-r", "-c", "stat", "-c", "fsync", "disk.img:/lost+found"]);
    expect(code).toBe(0);
    expect(statSync("disk.img").mtimeMs).toBe(before.mtimeMs);
    expect(statSync("disk.img").ino).toBe(before.ino);
  });

  test("holds after fsync what was made durable, even if the session is killed then", async () => {
    const { child, heard, ended } = piped("-f", FILE);
    child.stdin.write("pwrite -q -S 0x42 0 8k\nfsync\npwrite -q -S 0x43 0 8k\nprint\n");
    await heard.until("[000]");
    child.kill("SIGKILL");
    await ended;
    expect(debugfsDump(image(), "/file").every((byte) => byte === 0x42)).toBe(true);
    expect(e2fsck(image())).toBe("");
  });

  test("holds all of what was done before Ctrl-C, in the middle of a command, and is clean", async () => {
    const { child, heard, ended } = piped("-f", FILE);
    child.stdin.write("pwrite -q 0 4k\nprint\npwrite -b 1 0 1m\n");
    await heard.until("[000]");
    setTimeout(() => child.kill("SIGINT"), 150);
    expect(await ended).toBe(130);
    expect(heard.text).toContain("interrupted\n");
    expect(debugfsDump(image(), "/file").length).toBeGreaterThanOrEqual(4096);
    expect(e2fsck(image())).toBe("");
  });

  test("is left alone when another program has written it meanwhile", async () => {
    const { child, heard, ended } = piped("-f", FILE);
    child.stdin.write("pwrite -q 0 4k\nprint\n");
    await heard.until("[000]");
    writeFileSync("disk.img", "another program's");
    child.stdin.end("pwrite -q 0 4k\nquit\n");
    expect(await ended).toBe(2);
    expect(heard.text).toMatch(/^unwritten: disk\.img was changed by another program meanwhile/m);
    expect(readFileSync("disk.img", "utf8")).toBe("another program's");
  });

  test("takes what fits", async () => {
    const { code, stderr } = await runHere(["-f", "-c", "pwrite 0 100m", "-c", "falloc 0 100m", FILE]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "pwrite: No space left on device\nfallocate: No space left on device\n",
    });
    expect(e2fsck(image())).toBe("");
  });
});

describe("a script for xfs_io", () => {
  const script = [
    'cat > lines; $IO -f -c "falloc 0 64k" -c "pwrite -S 0x61 5000 100" $FILE || echo failed',
    '$IO -c "pread -v 4990 40" -c "stat" $FILE | grep -v ino',
    "$IO $FILE < lines; echo $?",
    '$IO -c "fpunch 0 x" $FILE; echo $?',
    "$IO -c stat ${FILE}absent; echo $?",
    '$IO -fc "pwrite 0 1k" -c fsync -c quit -c print $FILE',
  ].join("\n");
  const lines = "mmap 0 64k\nmwrite -S 0x62 8k 4\nmread -v 8190 10\nmsync -s\nfoo\nfiemap\n";

  const shell = (io: string, cwd: string): Said => {
    const env = { ...process.env, IO: io, FILE };
    const ended = spawnSync("sh", ["-c", script], { cwd, env, input: lines, encoding: "utf8" });
    return normal({ code: ended.status ?? -1, stdout: ended.stdout, stderr: ended.stderr });
  };

  test(`works with the program's name replaced${refusal === "" ? "" : ` (not compared: ${refusal})`}`, () => {
    const said = shell(`${process.execPath} unwritten io -o extent_max_zeroout_kb=0`, folder);
    expect(said.stdout).toContain("0000137e:  00 00");
    expect(said.stderr).toContain('command "foo" not found\n');
    expect(e2fsck(image())).toBe("");
    if (refusal !== "") return;
    const theirs = mountedByLinux(
      fresh,
      (mounted) => {
        mkdirSync(join(mounted, "disk.img:"));
        return shell("xfs_io", mounted);
      },
      "rw",
    );
    expect(said).toEqual(theirs);
  });
});

describe("what is not xfs_io's", () => {
  test("fzero that fails says so in the exit code", async () => {
    expect(await runHere(["-f", "-c", "fzero 0 0", FILE])).toMatchObject({
      code: 1,
      stderr: "fallocate: Invalid argument\n",
    });
  });

  test("vectors write what was asked, and hold for one command", async () => {
    const words = ["-f", "-c", "pwrite -V 2 0 20k", "-c", "pwrite 0 8k", "-c", "length", FILE];
    const { stdout } = normal(await runHere(words));
    expect(stdout).toBe(
      "wrote 20480/20480 bytes at offset 0\n20 KiB, 3 ops; TIME\nwrote 8192/8192 bytes at offset 0\n8 KiB, 2 ops; TIME\n20480\n",
    );
  });

  test("extents, and a dump that leaves out what repeats", async () => {
    const words = [
      "-f",
      "-c",
      "falloc 0 16k",
      "-c",
      "pwrite -q -S 0x41 8k 20",
      "-c",
      "extents",
      "-c",
      "dump",
      FILE,
    ];
    const { stdout } = await runHere(["-o", "extent_max_zeroout_kb=0", ...words, "-c", "dump 8k 4"]);
    expect(stdout.replaceAll(/at [\d,]+, /g, "at N, ").split("\n")).toEqual([
      "0 + 8,192 (8 KiB) at N, unwritten",
      "8,192 + 4,096 (4 KiB) at N, written",
      "12,288 + 4,096 (4 KiB) at N, unwritten",
      "00000000:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................",
      "*",
      "00002000:  41 41 41 41 41 41 41 41 41 41 41 41 41 41 41 41  AAAAAAAAAAAAAAAA",
      "00002010:  41 41 41 41 00 00 00 00 00 00 00 00 00 00 00 00  AAAA............",
      "00002020:  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................",
      "*",
      "00004000:",
      "00002000:  41 41 41 41  AAAA",
      "",
    ]);
  });

  test("a mount option: how much is zeroed rather than split off", async () => {
    const words = ["-f", "-c", "falloc 0 16k", "-c", "pwrite -q 8k 4k", "-c", "fiemap", FILE];
    const { stdout: exact } = await runHere(["-o", "extent_max_zeroout_kb=0", ...words]);
    expect(exact.split("\n").length).toBe(5);
    writeFileSync("disk.img", fresh);
    const { stdout: whole } = await runHere(["-o", "extent_max_zeroout_kb=32", ...words]);
    expect(whole.split("\n").length).toBe(3);
  });

  test("a design that does not know a call", async () => {
    const words = ["-f", "-c", "fcollapse 0 4k", FILE];
    expect(await runHere(["--design", "ext4-xip-v2", ...words])).toMatchObject({
      code: 1,
      stderr: "fallocate: Operation not supported\n",
    });
  });

  test("a file of another image", async () => {
    expect(await runHere(["-f", "-c", "open other.img:/file", FILE])).toMatchObject({
      code: 1,
      stderr: "other.img:/file: Invalid cross-device link\n",
    });
  });

  test("a command of xfs_io that is not here makes a script fail; one that nobody knows does not, as there", async () => {
    expect(await runHere(["-f", "-c", "mremap -m 8k", "-c", "pwrite -q 0 1", FILE])).toEqual({
      code: 1,
      stdout: "",
      stderr: "mremap: xfs_io knows it, `unwritten io` does not\n",
    });
    expect(await runHere(["-c", "foo", FILE])).toMatchObject({ code: 0 });
  });

  test("help for every command", async () => {
    for (const { name } of commands.filter(isListed)) {
      const { stdout } = await runHere(["-f", "-c", `help ${name}`, FILE]);
      expect(stdout).toMatch(new RegExp(`^${name}( .*)? -- [a-z]`));
    }
  });
});

describe("a person at a terminal", () => {
  test("has a prompt, completion, history, Ctrl-C for a line and Ctrl-D to leave", async () => {
    const [input, output, seen] = [new PassThrough(), new PassThrough(), new Heard()];
    output.setEncoding("utf8").on("data", (text: string) => seen.add(text));
    const say = (line: string): void => seen.add(`${line}\n`);
    const console = { out: say, complain: say, input, output, terminal: true };
    const code = runIo(parse(["-f", FILE], ioOptions), console);
    await seen.until("unwritten> ");
    input.write("trunc\t");
    await seen.until("truncate");
    input.write(" 5\r");
    await seen.until("unwritten> ");
    input.write("length\r");
    await seen.until("\n5\n");
    await seen.until("unwritten> ");
    input.write("truncate 0\u0003");
    await seen.until("^C");
    await seen.until("unwritten> ");
    input.write("length\r");
    await seen.until("\n5\n");
    await seen.until("unwritten> ");
    input.write("\u0003");
    await seen.until("(quit, or Ctrl-D");
    await seen.until("unwritten> ");
    input.write("\u001B[A\r");
    await seen.until("\n5\n");
    await seen.until("unwritten> ");
    input.write("\u0004");
    expect(await code).toBe(0);
    expect(debugfsDump(image(), "/file").length).toBe(5);
  });
});

describe("wrong usage of the program is one sentence and exit code 2", () => {
  test.each([
    [[], "io needs IMAGE:/path"],
    [["disk.img:/a", "other.img:/b"], "all files must be in one image, not in disk.img and other.img"],
    [["absent.img:/a"], "absent.img: no such file or directory"],
    [["--design", "ext5", "disk.img:/a"], 'there is no design "ext5"'],
    [["-o", "piece", "disk.img:/a"], '--option takes NAME=VALUE, not "piece"'],
    [["-o", "peace=64", "disk.img:/a"], 'options has no "peace"'],
    [["-f", "-m", "rw", "disk.img:/a"], '--mode must be a number such as 0644, not "rw"'],
    [["-z", "disk.img:/a"], "unknown option -z"],
  ])("%j", async (words, sentence) => {
    const { code, stderr, stdout } = await run(folder, "io", ...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.startsWith(`unwritten: ${sentence}`)).toBe(true);
    expect(Buffer.compare(image(), fresh)).toBe(0);
  });

  test("and --help has examples, in 120 columns", async () => {
    const { code, stdout } = await run(folder, "io", "--help");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Examples:\n {2}unwritten io /m);
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});
