import { afterEach, describe, expect, test, vi } from "vitest";
import { look, type Output } from "../../src/cli/terminal/look.ts";
import { watched } from "../../src/cli/experiments/shared.ts";
import { startStatus } from "../../src/cli/terminal/status.ts";
import { table } from "../../src/cli/terminal/table.ts";
import { bytes, counted, elapsed } from "../../src/cli/terminal/words.ts";
import { withoutStatus } from "./program.ts";

/** A stream that remembers what was written to it. */
function fakeStream(terminal: { columns: number } | undefined): Output & { written: string } {
  const stream = {
    written: "",
    isTTY: terminal !== undefined,
    columns: terminal?.columns,
    write(piece: string) {
      stream.written += piece;
      return true;
    },
  };
  return stream as unknown as Output & { written: string };
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("a table", () => {
  const rows = ["one", "two"].map((title) => ({
    title,
    cells: ["a", "b", "c"].map((name) => ({ lines: [`${title} ${name}`, "held in all"] })),
  }));

  test("stands in aligned columns, with a line for each line of the cells", () => {
    expect(table("", ["first", "second", "third"], rows, 100)).toEqual([
      "          first        second       third",
      "one       one a        one b        one c",
      "          held in all  held in all  held in all",
      "two       two a        two b        two c",
      "          held in all  held in all  held in all",
    ]);
  });

  test("that is too wide is printed as several, none of them wider than asked", () => {
    const lines = table("", ["first", "second", "third"], rows, 40);
    expect(lines.map((line) => line.length).every((length) => length <= 40)).toBe(true);
    expect(lines.join("\n")).toContain("first        second\n");
    expect(lines.filter((line) => line.startsWith("one"))).toEqual([
      "one       one a        one b",
      "one       one c",
    ]);
  });

  test("cuts a title that would push the cells out", () => {
    const long = [{ title: "a-title-without-an-end", cells: [{ lines: ["held"] }] }];
    expect(table("", ["design"], long, 20)).toEqual(["              design", "a-title-wit~  held"]);
  });

  test("pads before it paints, so that colours do not shift columns", () => {
    const painted = [
      { title: "x", cells: [{ lines: ["red"], paint: (text: string) => `<${text}>` }, { lines: ["next"] }] },
    ];
    expect(table("", ["design", "other"], painted, 80)[1]).toBe("x         <red>     next");
  });
});

describe("the status", () => {
  test("rewrites one line on a terminal, never wider than it, and clears it at the end", () => {
    vi.useFakeTimers();
    const stream = fakeStream({ columns: 20 });
    const status = startStatus(() => "a long status that does not fit", false, stream);
    vi.advanceTimersByTime(250);
    status.note("a cell is done");
    expect(stream.written).toBe("\r\x1b[Ka long status that ".repeat(2));
    status.end();
    expect(stream.written.endsWith("\r\x1b[K")).toBe(true);
    expect(stream.written).not.toContain("\n");
    const after = stream.written;
    vi.advanceTimersByTime(1000);
    expect(stream.written).toBe(after);
  });

  test("is a plain line now and then elsewhere, without control characters", () => {
    vi.useFakeTimers();
    const stream = fakeStream(undefined);
    const status = startStatus(() => "10 runs", false, stream);
    vi.advanceTimersByTime(11_000);
    status.note("a cell is done");
    status.end();
    expect(stream.written).toBe("10 runs\n10 runs\na cell is done\n");
  });

  test("is silent elsewhere when stdout is for a program", () => {
    vi.useFakeTimers();
    const stream = fakeStream(undefined);
    const status = startStatus(() => "10 runs", true, stream);
    vi.advanceTimersByTime(11_000);
    status.note("a cell is done");
    status.end();
    expect(stream.written).toBe("");
  });
});

test.each([
  { what: "runs", limits: { runs: 4000, timeout: 600_000 } },
  { what: "states", limits: {} },
])(
  "of a search the status says how far it is, and the tests of the program know it",
  async ({ what, limits }) => {
    vi.useFakeTimers();
    vi.stubEnv("TERM", "dumb");
    const written: string[] = [];
    const stderr = vi
      .spyOn(process.stderr, "write")
      .mockImplementation((text) => written.push(String(text)) > 0);
    await watched(
      false,
      limits,
      async (watch) => {
        watch.progress({ runs: 1234, distinct: 5, violations: 1 });
        await vi.advanceTimersByTimeAsync(5500);
        watch.doing = "two-readers under dax-6.1";
        await vi.advanceTimersByTimeAsync(5000);
      },
      what,
    );
    stderr.mockRestore();
    expect(written).toHaveLength(2);
    expect(written[0]).toMatch(new RegExp(`^1,234 ${what}, \\d+ ${what}/s, 5 distinct, 1 violation`));
    expect(written[1]).toMatch(/^two-readers under dax-6\.1: 1,234 /);
    expect(withoutStatus(`${written.join("")}unwritten: something else\n`)).toBe(
      "unwritten: something else\n",
    );
  },
);

describe("how text looks", () => {
  test("on a terminal: colours and marks, unless NO_COLOR or the locale say no", () => {
    vi.stubEnv("TERM", "xterm");
    vi.stubEnv("NO_COLOR", "");
    vi.stubEnv("LC_ALL", "en_US.UTF-8");
    const terminal = fakeStream({ columns: 80 });
    expect(look(terminal).red("x")).toBe("\x1b[31mx\x1b[39m");
    expect(look(terminal).unicode).toBe(true);
    vi.stubEnv("NO_COLOR", "1");
    expect(look(terminal).red("x")).toBe("x");
    vi.stubEnv("LC_ALL", "C");
    expect(look(terminal).unicode).toBe(false);
  });

  test("elsewhere: neither, 100 columns", () => {
    vi.stubEnv("LC_ALL", "en_US.UTF-8");
    const { live, width, unicode, bold } = look(fakeStream(undefined));
    expect({ live, width, unicode, text: bold("x") }).toEqual({
      live: false,
      width: 100,
      unicode: false,
      text: "x",
    });
  });

  test("numbers are grouped and have units", () => {
    expect([counted(1, "run"), counted(1234567, "run")]).toEqual(["1 run", "1,234,567 runs"]);
    expect([elapsed(850), elapsed(12_345), elapsed(125_000)]).toEqual(["850 ms", "12.3 s", "2 min 5 s"]);
    expect([bytes(12), bytes(1536), bytes(16 * 2 ** 20)]).toEqual(["12 bytes", "1.5 KiB", "16 MiB"]);
  });
});
