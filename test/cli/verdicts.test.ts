import { describe, expect, test } from "vitest";
import { brokenLines, matrixExit, verdictTable, type Verdict } from "../../src/cli/experiments/verdicts.ts";
import { replayCommandOf } from "../../src/cli/experiments/shared.ts";
import { Exit } from "../../src/cli/exit.ts";
import { look } from "../../src/cli/terminal/look.ts";

const plain = look(process.stdin as unknown as NodeJS.WriteStream);

function cell(changes: Partial<Verdict> = {}): Verdict {
  return {
    scenario: "two-writers",
    design: "ext4-xip-inline",
    sound: false,
    verdict: "held",
    runs: 2000,
    schedules: 1234,
    distinct: 3,
    complete: true,
    broken: 0,
    elapsed: 100,
    ...changes,
  };
}

const schedule = "v1/ext4-xip-inline/two-writers/-/1f2e3d4c/a*12,b*9,end";
const violation = {
  promise: "no-lost-write" as const,
  message: "a byte is lost",
  story: "…",
  schedule,
  switches: 1,
  run: 17,
};
const replay = `unwritten replay '${schedule}'`;
const broken = { verdict: "broken", broken: 12, runs: 1017, violation, replay } as const;
const failed = { verdict: "error", error: "the worker died", runs: 0 } as const;

describe("the exit code of a matrix", () => {
  test.each([
    ["everything held in all schedules", [cell({ sound: true }), cell()], Exit.nothingFound],
    ["only a historical design broke", [cell({ sound: true }), cell(broken)], Exit.nothingFound],
    ["a sound design broke", [cell(), cell({ sound: true, ...broken })], Exit.violation],
    ["a cell could not be run", [cell(), cell(failed)], Exit.violation],
    [
      "a sound design held, but not in all schedules",
      [cell(), cell({ sound: true, complete: false })],
      Exit.inconclusive,
    ],
    ["nothing was run", [], Exit.inconclusive],
  ])("when %s is what it should be", (_, cells, code) => {
    expect(matrixExit(cells)).toBe(code);
  });
});

describe("the table", () => {
  const cells = [
    cell(broken),
    cell({ design: "ext4-xip-serialized", sound: true }),
    cell({ scenario: "two-readers", complete: false }),
    cell({ scenario: "two-readers", design: "ext4-xip-serialized", ...failed }),
  ];

  test("says of each cell what held or broke, in words where there are no marks", () => {
    expect(verdictTable(cells, plain)).toEqual([
      "             ext4-xip-inline  ext4-xip-serialized",
      "two-writers  broken: lost     held",
      "             12/1,017 (1)     all 1,234",
      "two-readers  held             failed",
      "             1,234 of more",
    ]);
  });

  test("never says held of a cell in which nothing was run", () => {
    expect(verdictTable([cell({ runs: 0, schedules: 0, complete: false })], plain)[1]).toBe(
      "two-writers  not run",
    );
  });

  test("has marks where they can be shown", () => {
    const [, first] = verdictTable(cells, { ...plain, unicode: true });
    expect(first).toBe("two-writers  ✗ lost write     ✓ held");
  });

  test("is followed by one line for each cell that broke: the command that replays it", () => {
    expect(brokenLines(cells)).toEqual([
      `${replay}  # lost write`,
      "# two-readers under ext4-xip-serialized could not be run: the worker died",
    ]);
  });
});

describe("the command that replays", () => {
  test("is only the schedule where scenario and design are built in", () => {
    expect(replayCommandOf(schedule, "two-writers", "ext4-xip-inline")).toMatch(
      / replay 'v1\/ext4-xip-inline\/two-writers\/-\/1f2e3d4c\/a\*12,b\*9,end'$/,
    );
  });

  test("names modules by the paths that were given", () => {
    expect(replayCommandOf(schedule, "./my scenario.js", "../d.mjs")).toContain(
      " replay --scenario './my scenario.js' --design ../d.mjs 'v1/",
    );
  });
});
