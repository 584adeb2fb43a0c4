import { describe, expect, test } from "vitest";
import { choice, count, duration, flag, many, parse, size, text } from "../../src/cli/arguments.ts";
import { didYouMean } from "../../src/lab/usage.ts";
import { tunablesOption } from "../../src/cli/experiments/shared.ts";
import { Refusal } from "../../src/cli/exit.ts";

const options = {
  design: many(text("DESIGN", "", "d")),
  strategy: choice(["random", "pct", "exhaustive"], ""),
  runs: count("", { min: 1, max: 1000 }),
  size: size("", { min: 2 ** 20, max: 2 ** 31 }),
  time: duration(""),
  long: flag("", "l"),
  set: tunablesOption,
};

function values(...words: string[]) {
  return parse(words, options).values;
}

describe("options", () => {
  test("are read as what they mean", () => {
    expect(values("--runs", "12", "--size=16M", "--time", "2m", "-l", "--strategy", "pct")).toEqual({
      runs: 12,
      size: 16 * 2 ** 20,
      time: 120_000,
      long: true,
      strategy: "pct",
    });
  });

  test("that are repeatable gather their values, also separated by commas", () => {
    expect(values("-d", "a,b", "--design=c").design).toEqual(["a", "b", "c"]);
    const set = { piece: 64, lockdep: 0, kjournald: 1 };
    expect(values("--set", "piece=64,lockdep=0", "--set", "kjournald=1").set).toEqual(set);
  });

  test("leave everything else, and all after --, as positional", () => {
    expect(parse(["one", "-l", "--", "--two"], options).positionals).toEqual(["one", "--two"]);
  });

  test.each([
    [["--size", "1.5G"], { size: 1.5 * 2 ** 30 }],
    [["--size", "2048KiB"], { size: 2 ** 21 }],
    [["--size", "1048576"], { size: 2 ** 20 }],
    [["--time", "500ms"], { time: 500 }],
    [["--time", "60"], { time: 60_000 }],
    [["--time", "0.5h"], { time: 1_800_000 }],
    [["--runs", "1,000"], { runs: 1000 }],
  ])("%j is %j", (words, expected) => {
    expect(values(...words)).toEqual(expected);
  });

  test.each([
    [["--runs", "0"], '--runs must be a whole number from 1 to 1000, not "0"'],
    [["--runs", "1e3"], '--runs must be a whole number from 1 to 1000, not "1e3"'],
    [["--runs=-1"], '--runs must be a whole number from 1 to 1000, not "-1"'],
    [["--runs", "1.5"], '--runs must be a whole number from 1 to 1000, not "1.5"'],
    [["--runs"], "--runs needs a value (N)"],
    [["--runs", "--long"], "--runs needs a value (N)"],
    [["--runs", "1", "--runs", "2"], "--runs was given twice"],
    [["--size", "16X"], '--size must be a size such as 16M from 1M to 2G, not "16X"'],
    [["--size", "4K"], '--size must be a size such as 16M from 1M to 2G, not "4K"'],
    [
      ["--size", "99999999999999999999G"],
      '--size must be a size such as 16M from 1M to 2G, not "99999999999999999999G"',
    ],
    [["--time", "0"], '--time must be a time such as 500ms, 60s or 2m (at most a week), not "0"'],
    [["--time", "soon"], '--time must be a time such as 500ms, 60s or 2m (at most a week), not "soon"'],
    [["--long=yes"], "--long takes no value"],
    [["--design="], "--design needs a value"],
    [
      ["--strategy", "pctt"],
      '--strategy must be one of random, pct, exhaustive, not "pctt"; did you mean "pct"?',
    ],
    [["--desing", "x"], 'unknown option --desing; did you mean "--design"?'],
    [["--constructor"], "unknown option --constructor"],
    [["-x"], "unknown option -x"],
  ])("%j is refused: %s", (words, sentence) => {
    expect(() => values(...words)).toThrow(new Refusal(sentence));
  });
});

test("a near name is offered, a far one is not", () => {
  const names = ["matrix", "explore", "replay", "fsck", "ls"];
  expect(didYouMean("martix", names)).toBe('; did you mean "matrix"?');
  expect(didYouMean("exp", names)).toBe('; did you mean "explore"?');
  expect(didYouMean("FSCK", names)).toBe('; did you mean "fsck"?');
  expect(didYouMean("frobnicate", names)).toBe("");
});
