// The program from outside: what does not need an experiment.
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { end, run, scratch, start } from "./program.ts";

const directory = scratch();
const commands = [
  "matrix",
  "explore",
  "replay",
  "crash",
  "stress",
  "scenarios",
  "designs",
  "mkfs",
  "fsck",
  "ls",
  "cat",
  "stat",
];

describe("help", () => {
  test("of the program names every command, on stdout", async () => {
    const { code, stdout, stderr } = await run(directory, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    for (const name of commands) expect(stdout).toMatch(new RegExp(`^  ${name} +\\w`, "m"));
  });

  test.each(commands)(
    "of %s has its usage, examples and the shape of its JSON, in 120 columns",
    async (name) => {
      const { code, stdout, stderr } = await run(directory, name, "--help");
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout).toContain(`Usage: unwritten ${name} `);
      expect(stdout).toMatch(/^Examples:\n {2}unwritten /m);
      expect(stdout).toMatch(/^With --json:\n {2}[[{]/m);
      expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
    },
  );

  test("is the same by either name", async () => {
    const [by, of] = [await run(directory, "help", "matrix"), await run(directory, "matrix", "--help")];
    expect(by.stdout).toBe(of.stdout);
  });

  test("wins over a mistake on the same line", async () => {
    expect((await run(directory, "explore", "--desing", "x", "-h")).code).toBe(0);
  });
});

test("the version is that of package.json", async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  expect((await run(directory, "--version")).stdout).toBe(`${version}\n`);
});

describe("wrong usage is one sentence on stderr and exit code 2", () => {
  test.each([
    [[], "which command? Try unwritten --help"],
    [["martix"], 'unknown command "martix"; did you mean "matrix"?'],
    [["frobnicate"], 'unknown command "frobnicate"; try unwritten --help'],
    [["help", "martix"], 'unknown command "martix"; did you mean "matrix"?'],
    [["--versoin"], 'unknown option --versoin; did you mean "--version"?'],
    [["explore"], "explore needs SCENARIO; usage: unwritten explore SCENARIO --design DESIGN [options]"],
    [["explore", "x"], "explore needs --design; unwritten designs lists them"],
    [
      ["explore", "x", "y"],
      'unexpected argument "y"; usage: unwritten explore SCENARIO --design DESIGN [options]',
    ],
    [["explore", "x", "--preemptoins", "1"], 'unknown option --preemptoins; did you mean "--preemptions"?'],
    [["replay"], "replay needs a schedule, such as explore prints: v1/DESIGN/SCENARIO/…"],
    [["replay", "v1/a", "v1/b"], "replay takes one schedule"],
    [["replay", "a", "--scenario", "b"], "replay takes one scenario, not a and b"],
    [["stress"], "stress needs --design; unwritten designs lists them"],
    [["stress", "--design", "x", "--op", "wirte=1"], '--op knows no "wirte"; did you mean "write"?'],
    [
      ["stress", "--design", "x", "--op", "write=-1"],
      '--op takes weights such as write=4,read=2, not "write=-1"',
    ],
    [["stress", "--design", "x", "--op", "write=0"], "--op needs a weight above 0"],
    [
      ["stress", "one", "--design", "x", "--tasks", "2"],
      "--tasks and --op are for random calls; a scenario has its own tasks",
    ],
    [["stress", "--design", "x", "--tasks", "17"], '--tasks must be a whole number from 1 to 16, not "17"'],
    [["mkfs"], "mkfs needs IMAGE; usage: unwritten mkfs IMAGE [options]"],
    [["mkfs", "x", "--size", "17T"], '--size must be a size such as 16M from 1M to 16T, not "17T"'],
    [
      ["mkfs", "x", "--size", "1048577"],
      "the size is a multiple of the block size (4096 bytes), not 1048577",
    ],
    [
      ["mkfs", "x", "--label", "a label that is too long"],
      'the label "a label that is too long" is longer than 16 bytes',
    ],
    [["ls", ":/x"], '":/x" names no image; write IMAGE:/path'],
  ])("%j: %s", async (words, sentence) => {
    const { code, stdout, stderr } = await run(directory, ...words);
    expect({ code, stdout, stderr }).toEqual({ code: 2, stdout: "", stderr: `unwritten: ${sentence}\n` });
  });
});

test("a reader that goes away ends the program quietly", async () => {
  const child = start(directory, ["help", "matrix"]);
  child.stdout?.destroy();
  const { stderr } = await end(child);
  expect(stderr).toBe("");
});

test("output that cannot be written is an error in a sentence", async () => {
  const readOnly = openSync(join(directory, "unwritten"), "r");
  const { code, stderr } = await end(start(directory, ["scenarios"], {}, readOnly));
  closeSync(readOnly);
  expect(stderr).toBe("unwritten: the output cannot be written: bad file descriptor\n");
  expect(code).toBe(2);
});

test("through npx the program calls itself by the command that works there", async () => {
  const child = start(directory, ["--help"], { npm_command: "exec" });
  expect((await end(child)).stdout).toContain("  npx unwritten matrix\n");
});
