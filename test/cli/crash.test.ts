// `crash` from outside: what it prints of one cell and of many, its JSON, exit codes, Ctrl-C.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { end, run, scratch, start } from "./program.ts";

const directory = scratch();
const held = ["write-and-sync", "--design", "ext4-xip-serialized"];
const spent = String.raw`1 run, \d+ points \(\d+ with more than 256 ways sampled\), \d+ states, 2 after recovery`;

describe("crash", () => {
  test("says of one cell what its states tell of the calls", async () => {
    const { code, stdout } = await run(directory, "crash", ...held);
    expect(stdout).toMatch(
      new RegExp(
        `^held: write-and-sync under ext4-xip-serialized: ${spent}, [\\d.]+ m?s\\.\n` +
          `Every call is atomic; 1 state after writer's fsync \\(call 3\\)\\.\n$`,
      ),
    );
    expect(code).toBe(0);
  });

  test("prints many cells as a table, and below it how to see again what broke", async () => {
    const many = ["write-and-sync", "second-turn", "--design", "ext4-xip-serialized"];
    const { code, stdout, stderr } = await run(directory, "crash", ...many, "-d", "ext4-xip-inline");
    const [heads, ...rows] = stdout.split("\n").map((line) => line.trim().split(/ {2,}/));
    expect(heads).toEqual(["ext4-xip-serialized", "ext4-xip-inline"]);
    const number = expect.stringMatching(/^\d+ of more: 2$/) as string;
    expect(rows.slice(0, 4)).toEqual([
      ["write-and-sync", "held", "broken: stale"],
      [number, expect.stringMatching(/^\d+\/\d+$/)],
      ["second-turn", "held", "held"],
      [number, number],
    ]);
    expect(stdout.split("\n").slice(-2)).toEqual([
      expect.stringMatching(/ replay 'v1\/ext4-xip-inline\/write-and-sync\/.*' {2}# stale data$/),
      "",
    ]);
    // Elsewhere than on a terminal each cell is told when it is done.
    expect(stderr).toMatch(
      /^second-turn under ext4-xip-inline: held: 1 run, .*; atomic, 1 state after a sync$/m,
    );
    // The proposal is not meant to be sound.
    expect(code).toBe(0);
    const schedule = /replay '(.*)'/.exec(stdout)?.[1] ?? "";
    const again = await run(directory, "replay", schedule);
    expect(again.code).toBe(1);
    expect(again.stdout).toMatch(/^broken: stale data/);
  });

  test("goes on when one of many cells cannot be run, says why, and exits with 1", async () => {
    const library = new URL("../../src/index.js", import.meta.url).href;
    const text = `import { scenario } from ${JSON.stringify(library)};
      export default scenario(import.meta, {
        claim: "None.", setup: (sys) => void sys.open("/missing", "r"), tasks: { one() {} },
      });`;
    writeFileSync(join(directory, "bad-setup.mjs"), text);
    const cells = ["./bad-setup.mjs", "second-turn", "--design", "ext4-xip-serialized", "--max-lines", "2"];
    const { code, stdout } = await run(directory, "crash", ...cells);
    expect(stdout).toMatch(/^\.\/bad-setup\.mjs +failed\n+second-turn +held\n/m);
    expect(stdout).toMatch(
      /^# \.\/bad-setup\.mjs under ext4-xip-serialized could not be run: the setup .* ENOENT/m,
    );
    expect(code).toBe(1);
  });

  test("lists the flushes and fences that calls lack, and those with nothing to do", async () => {
    const { stdout } = await run(directory, "crash", "store-and-sync", "--design", "ext4-xip-inline");
    expect(stdout.split("\n").filter((line) => /^(missing|redundant): /.test(line))).toEqual([
      expect.stringMatching(
        /^missing: storer's store \/file 0\+64 \(call 3\): 64 lines of media block \d+ were only in the cache when the transaction of storer's fsync \/file was sealed$/,
      ),
      "redundant: storer's fsync /file (call 6): a fence with nothing on its way",
      expect.stringMatching(
        /^missing: storer's store \/file 64\+64 \(call 5\): 1 line .* fsync \/file returned$/,
      ),
    ]);
  });

  test("prints JSON of the documented shape", async () => {
    const { code, stdout } = await run(directory, "crash", ...held, "--nested", "--json");
    const { interrupted, cells } = JSON.parse(stdout) as { interrupted: boolean; cells: object[] };
    expect(interrupted).toBe(false);
    expect(cells).toEqual([
      {
        scenario: "write-and-sync",
        design: "ext4-xip-serialized",
        sound: true,
        runs: 1,
        points: expect.any(Number),
        states: expect.any(Number),
        distinct: expect.any(Number),
        recovered: 2,
        sampled: expect.any(Number),
        maxLines: 8,
        broken: 0,
        finished: true,
        complete: false,
        elapsed: expect.any(Number),
        nested: {
          points: expect.any(Number),
          states: expect.any(Number),
          sampled: expect.any(Number),
          maxLines: 4,
        },
        calls: [
          { task: "writer", number: 1, call: "open", atomic: true, states: 0 },
          { task: "writer", number: 2, call: "pwrite", atomic: true, states: 0 },
          { task: "writer", number: 3, call: "fsync", atomic: true, states: 1, after: 1 },
        ],
        flushes: [],
      },
    ]);
    expect(code).toBe(0);
  });

  const long = ["crash", "two-syncs", "--design", "ext4-xip-serialized", "--preemptions", "4"];

  test("prints at Ctrl-C what was found so far, and exits with 130", async () => {
    const child = start(directory, long);
    setTimeout(() => child.kill("SIGINT"), 2500);
    const { code, stdout } = await end(child);
    expect(stdout).toMatch(/^(held|not run): two-syncs under ext4-xip-serialized, interrupted: \d+ runs?, /);
    expect(code).toBe(130);
  });

  test("is inconclusive when the time was over before all schedules were run", async () => {
    const { code, stdout } = await run(directory, ...long, "--timeout", "1s");
    expect(stdout).toMatch(/^(held|not run): two-syncs under ext4-xip-serialized, not finished: \d+ runs?, /);
    expect(code).toBe(5);
  });
});
