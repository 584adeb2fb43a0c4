// replay: runs one schedule again.  Only what broke counts as reproduced.

import { count, text } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { complain, print, printJson } from "../terminal/output.ts";
import { counted, grouped } from "../terminal/words.ts";
import { designOption, endOf, replayCommandOf, violationText, watched } from "./shared.ts";

export const replayCommand = command({
  name: "replay",
  summary: "run one schedule again and tell its story",
  takes: "[SCENARIO] SCHEDULE",
  details: [
    "SCHEDULE is the text that explore and matrix print, v1/DESIGN/SCENARIO/…; it names its scenario and design, and",
    "what is a module must be given by its path. The text may be edited: then it is another schedule.",
  ].join("\n"),
  positionals: { min: 0, max: 2 },
  options: {
    schedule: text("SCHEDULE", "the schedule, where it is not an argument"),
    scenario: text("SCENARIO", "a built-in name or a module's path, where it is not an argument", "s"),
    design: designOption,
    times: count("run it so often: it must break the same promise each time (default 1)", {
      min: 1,
      max: 1e6,
    }),
  },
  examples: [
    ["'v1/ext4-xip-inline/write-beside-read/…'", "a schedule as it was printed"],
    ["--times 20 'v1/ext4-xip-inline/write-beside-read/…'", "twenty times out of twenty?"],
    ["--scenario ./mine.js --design ./my-design.js 'v1/my-design/mine/…'", "a schedule of your own modules"],
  ],
  json: [
    "{ schedule, reproduced, runs, broken, warning?,",
    "  violation?: { promise, message, story, schedule, switches, run, replay } }",
    "runs: how often it was run; broken: how often it broke the promise; reproduced: that was each time",
  ].join("\n"),
  exits: [
    "1  a promise broke, as when the schedule was printed",
    "4  the scenario has changed too much for the schedule; or it ran and nothing broke, or not each time",
  ].join("\n"),
  async run({ values, positionals }) {
    const { schedule, scenario, design } = whatToReplay(positionals, values);
    const { replay } = await import("../../lab/replay.ts");
    return watched(true, {}, async (watch) => {
      const again = await replay(scenario, { design, schedule, times: values.times, signal: watch.signal });
      const { reproduced, runs, broken, violation, warning } = again;
      watch.status.end();
      if (warning !== undefined) complain(`warning: ${warning}`);
      const line = replayCommandOf(schedule, scenario ?? "", design ?? "");
      if (values.json) {
        printJson({
          schedule,
          reproduced,
          runs,
          broken,
          warning,
          ...(violation && { violation: { ...violation, replay: line } }),
        });
      } else if (violation) {
        print(violationText(violation, line));
        if (values.times !== undefined) print(`\nBroke it ${grouped(broken)} of ${counted(runs, "time")}.`);
      } else if (runs > 0) {
        print("Nothing broke: the schedule ran to its end, and every promise held.");
      }
      return endOf(watch, reproduced ? Exit.violation : Exit.doesNotFit);
    });
  },
});

interface What {
  readonly schedule: string;
  readonly scenario: string | undefined;
  readonly design: string | undefined;
}

/** Scenario and schedule come as arguments or as options; a schedule is told by its version. */
function whatToReplay(
  positionals: readonly string[],
  values: { schedule?: string | undefined; scenario?: string | undefined; design?: string | undefined },
): What {
  const schedules = positionals.filter(isSchedule);
  const scenarios = positionals.filter((one) => !isSchedule(one));
  if (values.schedule !== undefined) schedules.push(values.schedule);
  if (values.scenario !== undefined) scenarios.push(values.scenario);
  if (schedules.length > 1) throw new Refusal("replay takes one schedule");
  if (scenarios.length > 1) throw new Refusal(`replay takes one scenario, not ${scenarios.join(" and ")}`);
  const [schedule] = schedules;
  if (schedule === undefined)
    throw new Refusal("replay needs a schedule, such as explore prints: v1/DESIGN/SCENARIO/…");
  return { schedule, scenario: scenarios[0], design: values.design };
}

function isSchedule(word: string): boolean {
  return /^v\d+\//.test(word);
}
