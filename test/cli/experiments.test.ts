// The experiment commands from outside: exit codes, shapes of JSON, replay in a fresh process, Ctrl-C.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { designs as builtIn } from "../../src/index.ts";
import { end, run, scratch, start, withoutStatus } from "./program.ts";

const directory = scratch();
const library = new URL("../../src/index.js", import.meta.url).href;

function module(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return `./${name}`;
}

/** One task writes, another looks; nothing can break but what `check` says. */
function scenarioModule(name: string, { reader = "return 1;", check = "" } = {}): string {
  return module(
    name,
    `import { scenario } from ${JSON.stringify(library)};
     export default scenario(import.meta, {
       claim: "What the check says.",
       setup(sys) { sys.close(sys.open("/file", "w+")); },
       tasks: {
         writer(sys) { sys.pwrite(sys.open("/file", "r+"), new Uint8Array(64).fill(7), 0); },
         reader(sys) { ${reader} },
       },
       check(sys, seen) { ${check} },
     });`,
  );
}

function storyIn(output: string): string {
  return output.slice(0, output.indexOf("Replay:"));
}

function foundIn(json: string): { schedule: string; run: number } {
  return (JSON.parse(json) as { violation: { schedule: string; run: number } }).violation;
}

const search = ["--strategy", "random", "--workers", "1"];

describe("explore", () => {
  test("prints the story of what broke and a command that breaks it again in a fresh process", async () => {
    const words = ["explore", "write-beside-read", "--design", "ext4-xip-inline", "--preemptions", "1"];
    const { code, stdout, stderr } = await run(directory, ...words);
    expect({ code, stderr: withoutStatus(stderr) }).toEqual({ code: 1, stderr: "" });
    expect(stdout).toMatch(/^broken: lost write \(no-lost-write\)$/m);
    const schedule = /^ {2}unwritten replay '(v1\/ext4-xip-inline\/write-beside-read\/[^']+)'$/m.exec(
      stdout,
    )?.[1];
    expect(schedule).toBeDefined();
    const again = await run(directory, "replay", schedule ?? "");
    expect(again).toMatchObject({ code: 1, stderr: "" });
    expect(storyIn(again.stdout)).toBe(storyIn(stdout));
  });

  test("says of a sound design that every schedule held, and exits with 0", async () => {
    const { code, stdout } = await run(
      directory,
      ..."explore write-beside-read --design ext4-xip-serialized --preemptions 1".split(" "),
    );
    expect(stdout).toMatch(/^held: write-beside-read under ext4-xip-serialized, complete: [\d,]+ runs, /);
    expect(code).toBe(0);
  });

  test("is inconclusive, exit code 5, when an exhaustive search ends early", async () => {
    const { code, stdout } = await run(
      directory,
      ..."explore two-writers --design ext4-xip-serialized --runs 3".split(" "),
    );
    expect(stdout).toMatch(/, not complete: 3 runs, /);
    expect(code).toBe(5);
  });

  test("prints one JSON document of the documented shape", async () => {
    const words = "explore write-beside-read --design ext4-xip-inline --preemptions 1 --json".split(" ");
    const { code, stdout } = await run(directory, ...words);
    expect(code).toBe(1);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(result).toMatchObject({
      scenario: "write-beside-read",
      design: "ext4-xip-inline",
      strategy: "exhaustive",
      runs: expect.any(Number),
      distinct: expect.any(Number),
      complete: false,
      broken: expect.any(Number),
      interrupted: false,
      elapsed: expect.any(Number),
      violation: {
        promise: "no-lost-write",
        message: expect.any(String),
        story: expect.any(String),
        schedule: expect.stringMatching(/^v1\//),
        switches: 1,
        run: expect.any(Number),
        replay: expect.stringMatching(/^unwritten replay 'v1\//),
      },
    });
  });

  test("random: the same seed finds the same in as many runs", async () => {
    const words = [
      ..."explore write-beside-read --design ext4-xip-inline --seed 5 --json".split(" "),
      ...search,
    ];
    const [first, second] = [await run(directory, ...words), await run(directory, ...words)];
    expect(foundIn(first.stdout).schedule).toBe(foundIn(second.stdout).schedule);
    expect(foundIn(first.stdout).run).toBe(foundIn(second.stdout).run);
  });

  test("takes scenarios from modules; their violations are replayed by the path", async () => {
    const mine = scenarioModule("mine.mjs", { check: "return `the reader saw ${seen.reader}`;" });
    const { code, stdout } = await run(
      directory,
      "explore",
      mine,
      "--design",
      "ext4-xip-serialized",
      ...search,
    );
    expect(code).toBe(1);
    expect(stdout).toContain("The reader saw 1.");
    const schedule = /replay --scenario \.\/mine\.mjs '([^']+)'$/m.exec(stdout)?.[1] ?? "";
    expect((await run(directory, "replay", "--scenario", mine, schedule)).code).toBe(1);
    expect(await run(directory, "replay", schedule)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('there is no scenario "mine"'),
    });
  });

  test("reports a task that throws by its name, and ends", async () => {
    const throwing = scenarioModule("throwing.mjs", { reader: 'throw new Error("on purpose");' });
    const { code, stdout } = await run(
      directory,
      "explore",
      throwing,
      "--design",
      "ext4-xip-serialized",
      ...search,
    );
    expect(code).toBe(1);
    expect(stdout).toMatch(/reader.*on purpose/);
  });

  test("reports a worker that dies by its task's name, and ends without hanging", async () => {
    const dying = scenarioModule("dying.mjs", { reader: "process.exit(9);" });
    const { code, stderr } = await run(
      directory,
      "explore",
      dying,
      "--design",
      "ext4-xip-serialized",
      ...search,
    );
    expect(withoutStatus(stderr)).toMatch(/^unwritten: [^\n]*reader[^\n]*\n$/);
    expect(code).toBe(5);
  });
});

describe("wrong input is refused with one sentence and exit code 2", () => {
  const design = ["--design", "ext4-xip-serialized"];
  test.each([
    ["an unknown scenario", ["explore", "nonsense", ...design], 'there is no scenario "nonsense"'],
    ["an unknown design", ["explore", "two-writers", "--design", "ext5"], 'there is no design "ext5"'],
    ["an unknown design in a matrix", ["matrix", "--design", "ext5"], 'there is no design "ext5"'],
    ["a module that is not there", ["explore", "./absent.mjs", ...design], "absent.mjs does not load"],
    [
      "a module that is no scenario",
      ["explore", module("empty.mjs", "export {};"), ...design],
      "is no scenario",
    ],
    [
      "a module that does not parse",
      ["explore", module("broken.mjs", "export {"), ...design],
      "broken.mjs does not load",
    ],
    [
      "a scenario of another copy of the package",
      [
        "explore",
        module(
          "other.mjs",
          `import { scenario } from ${JSON.stringify(new URL("lab/scenario.js?other", library))};
           export default scenario(import.meta, { claim: "Nothing.", tasks: { one() {} } });`,
        ),
        ...design,
      ],
      "the scenario in ./other.mjs was made by another copy of unwritten (",
    ],
    [
      "a scenario without tasks",
      [
        "explore",
        module(
          "idle.mjs",
          `import { scenario } from ${JSON.stringify(library)};
           export default scenario(import.meta, { claim: "Nothing.", tasks: {} });`,
        ),
        ...design,
      ],
      "has no tasks",
    ],
  ])("%s", async (_, words, part) => {
    const { code, stdout, stderr } = await run(directory, ...words);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(withoutStatus(stderr)).toMatch(/^unwritten: [^\n]+\n$/);
    expect(stderr).toContain(part);
  });
});

describe("a schedule is refused", () => {
  test.each([
    ["of another version", 2, "v9/ext4-xip-inline/two-writers/-/00000000/end", /version v9/],
    ["cut short", 2, "v1/ext4-xip-inline/two-writers/-/00000000/first*3", /cut short/],
    ["with a task that is not there", 4, "v1/ext4-xip-inline/two-writers/-/00000000/nobody*3,end", /nobody/],
  ])("%s: exit code %i", async (_, status, schedule, sentence) => {
    const { code, stdout, stderr } = await run(directory, "replay", schedule);
    expect({ code, stdout }).toEqual({ code: status, stdout: "" });
    expect(stderr).toMatch(sentence);
  });

  test("of another scenario: exit code 2", async () => {
    const schedule = "v1/ext4-xip-inline/two-writers/-/00000000/end";
    const { code, stderr } = await run(directory, "replay", "two-readers", schedule);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^unwritten: the schedule is of scenario two-writers, not of two-readers\n$/);
  });
});

describe("a schedule that does not reproduce is exit code 4", () => {
  test("when nothing broke", async () => {
    const { code, stdout } = await run(
      directory,
      "replay",
      "v1/ext4-xip-serialized/two-writers/-/00000000/end",
    );
    expect({ code, stdout }).toEqual({
      code: 4,
      stdout: "Nothing broke: the schedule ran to its end, and every promise held.\n",
    });
  });
});

describe("matrix", () => {
  const cell = ["--scenario", "preallocated-write", "--preemptions", "0"];

  test("shows what the posted patch breaks as a result, not as a failure", async () => {
    const { code, stdout } = await run(directory, "matrix", ...cell);
    expect(code).toBe(0);
    const lines = stdout.split("\n");
    const heads = lines.filter((line) => /^ +\S+-/.test(line)).flatMap((line) => line.trim().split(/ +/));
    expect(heads).toEqual([...builtIn.keys()]);
    const cells = lines
      .filter((line) => line.startsWith("preallocated-write "))
      .flatMap((line) => line.split(/ {2,}/).slice(1));
    expect(cells).toEqual(heads.map((name) => (name === "ext4-xip-v2" ? "broken: stale" : "held")));
    expect(stdout).toMatch(
      /^unwritten replay 'v1\/ext4-xip-v2\/preallocated-write\/[^']+' {2}# stale data$/m,
    );
    expect(
      Math.max(
        ...stdout
          .split("\n")
          .filter((line) => !line.includes("replay"))
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(100);
  });

  test("prints its cells as JSON", async () => {
    const { code, stdout } = await run(
      directory,
      "matrix",
      ...cell,
      "--design",
      "ext4-xip-v2,ext2-xip",
      "--json",
    );
    expect(code).toBe(0);
    const { cells } = JSON.parse(stdout) as { cells: unknown[] };
    expect(cells).toMatchObject([
      {
        scenario: "preallocated-write",
        design: "ext4-xip-v2",
        sound: false,
        verdict: "broken",
        replay: expect.any(String),
      },
      { scenario: "preallocated-write", design: "ext2-xip", sound: false, verdict: "held", complete: true },
    ]);
  });

  test("fails when a design that is meant to be sound breaks", async () => {
    const wrong = scenarioModule("wrong.mjs", { check: 'return "it is wrong";' });
    const { code } = await run(directory, "matrix", "--scenario", wrong, "--preemptions", "0");
    expect(code).toBe(1);
  });
});

describe("stress", () => {
  test("without one round says that it was not run, and is inconclusive", async () => {
    const words = "stress two-writers --design ext4-xip-serialized --time 1ms".split(" ");
    const { code, stdout } = await run(directory, ...words);
    expect(stdout).toMatch(/^not run: two-writers under ext4-xip-serialized: 0 rounds, /);
    expect(code).toBe(5);
  });

  test("runs a scenario's tasks free for a time, and says how often they ran", async () => {
    const words = ["stress", "two-writers", "--design", "ext4-xip-serialized", "--time", "2s", "--json"];
    const { code, stdout } = await run(directory, ...words);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { rounds: number };
    expect(result).toMatchObject({
      scenario: "two-writers",
      design: "ext4-xip-serialized",
      interrupted: false,
    });
    expect(result.rounds).toBeGreaterThan(0);
  });

  test("exits with 1 and prints the calls when the tasks of a scenario break its claim", async () => {
    const free = scenarioModule("free.mjs", { check: 'return "it is wrong";' });
    const { code, stdout } = await run(directory, "stress", free, "--design", "ext4-xip-serialized");
    expect(code).toBe(1);
    expect(stdout).toMatch(/^broken: claim \(claim\)$/m);
    expect(stdout).toMatch(/^Found in round 1: \.\/free\.mjs under ext4-xip-serialized: 1 round, /m);
  });
});

// Both wait until there is something to interrupt: beside each other.
describe.concurrent("Ctrl-C", () => {
  const endless = [
    "explore",
    "two-writers",
    "--design",
    "ext4-xip-serialized",
    "--strategy",
    "random",
    "--timeout",
    "10m",
  ];

  test("prints what was found so far, exits with 130, and leaves no process behind", async () => {
    const child = start(directory, endless);
    setTimeout(() => child.kill("SIGINT"), 2500);
    const { code, stdout } = await end(child);
    expect(code).toBe(130);
    expect(stdout).toMatch(
      /^(held|not run): two-writers under ext4-xip-serialized, interrupted: [\d,]+ runs?, /,
    );
    expect(childrenOf(child.pid)).toEqual([]);
  });

  test("a second time kills at once", async () => {
    const child = start(directory, endless);
    setTimeout(() => {
      child.kill("SIGINT");
      child.kill("SIGTERM");
    }, 2500);
    const { code } = await end(child);
    expect([130, 143]).toContain(code);
  });
});

function childrenOf(pid: number | undefined): string[] {
  const text = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  const rows = text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ +/));
  return rows.flatMap(([child = "", parent]) => (parent === String(pid) ? [child] : []));
}

test("a search by pct that finds nothing says with which chance it would have", async () => {
  const asked = [
    "two-readers",
    "-d",
    "ext4-xip-serialized",
    "--strategy",
    "pct",
    "--runs",
    "20",
    "--depth",
    "1",
  ];
  const { stdout, code } = await run(directory, "explore", ...asked);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^Each run meets a bug of depth 1, if there is one, with a chance of at least 1 in 2\.$/m,
  );
});

test("the compiled program is executable by its own first line", () => {
  const main = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
  expect(execFileSync("head", ["-1", main], { encoding: "utf8" })).toBe("#!/usr/bin/env node\n");
});
