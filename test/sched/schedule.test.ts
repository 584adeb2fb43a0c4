import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  namedTurns,
  parseSchedule,
  printSchedule,
  ScheduleError,
  turnsOf,
  type Schedule,
} from "../../src/sched/schedule.ts";

const example: Schedule = {
  design: "ext4-xip-inline",
  scenario: "write-beside-read",
  options: { piece: "64" },
  scheme: "5f0c91aa",
  turns: [
    { task: "writer", steps: 12 },
    { task: "reader", steps: 3 },
  ],
};
const text = "v1/ext4-xip-inline/write-beside-read/piece=64/5f0c91aa/writer*12,reader*3,end";

test("a schedule is printed in the form that is documented", () => {
  expect(printSchedule(example)).toBe(text);
  expect(printSchedule({ ...example, options: {}, turns: [] })).toBe(
    "v1/ext4-xip-inline/write-beside-read/-/5f0c91aa/end",
  );
});

test("any schedule comes back from its text, whatever its names are, and the text has no spaces", () => {
  const name = fc.string({ minLength: 1, unit: "grapheme" });
  const turn = fc.record({ task: name, steps: fc.integer({ min: 1, max: 2 ** 40 }) });
  const schedules = fc.record({
    design: name,
    scenario: name,
    options: fc
      .uniqueArray(fc.tuple(name, fc.string()), { selector: ([key]) => key })
      .map((pairs) => Object.fromEntries(pairs.filter(([key]) => key !== "__proto__"))),
    scheme: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((hash) => hash.toString(16).padStart(8, "0")),
    turns: fc.uniqueArray(turn, { selector: ({ task }) => task }),
  });
  fc.assert(
    fc.property(schedules, (schedule) => {
      const printed = printSchedule(schedule);
      expect(printed).not.toMatch(/\s/);
      expect(parseSchedule(printed)).toEqual(schedule);
    }),
  );
});

test("neighbouring turns of one task are printed as one", () => {
  const turns = [1, 2, 3].map((steps) => ({ task: "writer", steps }));
  expect(printSchedule({ ...example, turns })).toMatch(/\/writer\*6,end$/);
});

test.each([
  ["", /starts with its version/],
  ["writer*12,reader*3,end", /starts with its version/],
  [text.replace("v1", "v2"), /of version v2; this program reads v1/],
  [text.slice(0, 40), /cut short: it has 4 of its 6 parts/],
  [text.slice(0, -1), /cut short: its turns end with ",end"/],
  [text.slice(0, -4), /cut short: its turns end with ",end"/],
  [text.replace("/write", "/a/write"), /7 parts instead of 6/],
  [text.replace("5f0c91aa", "5f0c"), /"5f0c", is not eight hexadecimal digits/],
  [text.replace("piece=64", "piece"), /name=value, not "piece"/],
  [text.replace("reader*3", "reader"), /a turn is task\*steps, not "reader"/],
  [text.replace("reader*3", "reader*0"), /"reader\*0" has no count of steps/],
  [text.replace("reader*3", "reader*1.5"), /no count of steps/],
  [text.replace("reader*3", "*3"), /a turn is task\*steps/],
  [text.replace("reader", "%zz"), /not percent-encoded/],
  [text.replace("/ext4-xip-inline/", "//"), /names no design/],
])("%j is refused with the reason", (wrong, reason) => {
  expect(() => parseSchedule(wrong)).toThrow(ScheduleError);
  expect(() => parseSchedule(wrong)).toThrow(reason);
});

test("every proper beginning of a schedule is refused: a cut is never taken for a shorter schedule", () => {
  for (let length = 0; length < text.length; length++) {
    expect(() => parseSchedule(text.slice(0, length))).toThrow(ScheduleError);
  }
});

test("a task that the scenario has not is refused by name", () => {
  expect(turnsOf(example, ["reader", "writer"])).toEqual([
    { task: 1, steps: 12 },
    { task: 0, steps: 3 },
  ]);
  expect(() => turnsOf(example, ["writer", "loader"])).toThrow(
    'the schedule has a task "reader"; the scenario has writer, loader',
  );
});

test("turns are named and numbered the same both ways", () => {
  const tasks = ["writer", "reader"];
  expect(namedTurns(turnsOf(example, tasks), tasks)).toEqual(example.turns);
});
