// stress: tasks run free on real cores, without a scheduler.

import type { WorkloadOp } from "../../lab/workload/workload.ts";
import { MAX_TASKS } from "../../machine/limits.ts";
import { didYouMean } from "../../lab/usage.ts";
import { count, duration, flag, type Option } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { programName } from "../program.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted, elapsed } from "../terminal/words.ts";
import { brokenWord, designOption, endOf, seedOption, tunablesOption, watched } from "./shared.ts";

/** The share of steps before which a task is delayed with --chaos. */
const CHAOS = 0.05;

/** Here and not asked of the lab, so that help need not load it; the type sees to it that none is missing. */
const CALLS = Object.keys({
  write: 1,
  read: 1,
  load: 1,
  store: 1,
  truncate: 1,
  fallocate: 1,
  append: 1,
  fsync: 1,
  create: 1,
  unlink: 1,
  rename: 1,
  mkdir: 1,
  rmdir: 1,
  link: 1,
  symlink: 1,
  readdir: 1,
} satisfies Record<WorkloadOp, 1>);

/** "write=4,read=2" -> weights of calls. */
const weights: Option<Partial<Record<WorkloadOp, number>>> = {
  valueName: "CALL=N,…",
  help: "weights of calls, such as write=4,read=2",
  join: (before, next) => ({ ...before, ...next }),
  read(given) {
    const pairs = given.split(",").map((pair) => {
      const match = /^([a-z]+)(?:=(\d{1,3}))?$/.exec(pair);
      const call = match?.[1];
      if (call === undefined) throw new Refusal(`--op takes weights such as write=4,read=2, not "${pair}"`);
      if (!CALLS.includes(call)) throw new Refusal(`--op knows no "${call}"${didYouMean(call, CALLS)}`);
      return [call, Number(match?.[2] ?? 1)] as const;
    });
    if (pairs.every(([, weight]) => weight === 0)) throw new Refusal("--op needs a weight above 0");
    return Object.fromEntries(pairs);
  },
};

export const stressCommand = command({
  name: "stress",
  summary: "run tasks free on real cores for a time; the same promises are checked",
  takes: "[SCENARIO] --design DESIGN [options]",
  details: [
    "No scheduler: the hardware decides what runs when. With SCENARIO its tasks are repeated; without one, each task",
    "makes random calls on shared files and, with weights for them, on names in one directory: names that one task alone",
    "uses must be as it left them, of names that all use the file system must stay consistent.",
    `Calls with weights: ${CALLS.slice(0, 8).join(", ")},`,
    `${CALLS.slice(8).join(", ")}.`,
  ].join("\n"),
  positionals: { min: 0, max: 1 },
  options: {
    design: designOption,
    time: duration("how long (default 10s)"),
    tasks: count("without SCENARIO: so many tasks (default 4)", { min: 1, max: MAX_TASKS }),
    op: weights,
    chaos: flag("random delays at the steps: more interleavings, slower"),
    seed: seedOption,
    set: tunablesOption,
  },
  examples: [
    ["--design ext4-xip-serialized --time 60s --tasks 4", "mixed calls from four tasks, for a minute"],
    [
      "--design dax-6.1 --op create=3,unlink=2,rename=3,mkdir,rmdir,link,write=2",
      "names that come, move and go, beside writes",
    ],
    ["--design ext4-xip-inline --op write=4,read=2,load=2,store=2 --chaos", "a race of 2013 on real threads"],
    [
      "write-beside-read --design ext4-xip-inline --time 30s --seed 7",
      "the tasks of one scenario, again and again",
    ],
  ],
  json: [
    "{ scenario?, design, rounds, interrupted, elapsed, violation?: { promise, message, story, seed, round } }",
    "rounds: how often all tasks have run; elapsed in milliseconds; story: the calls with their overlap",
  ].join("\n"),
  exits:
    "0  every promise held in every round\n1  a violation: prints the seed, the calls with their overlap, and what the bytes should have been\n5  inconclusive: not one round was finished",
  async run({ values, positionals }) {
    const [scenario] = positionals;
    const { design, json, tasks, op, chaos, seed, set } = values;
    const timeout = values.time ?? 10_000;
    if (design === undefined) throw new Refusal(`stress needs --design; ${programName()} designs lists them`);
    if (scenario !== undefined && (tasks !== undefined || op !== undefined))
      throw new Refusal("--tasks and --op are for random calls; a scenario has its own tasks");
    const { stress } = await import("../../lab/stress.ts");
    return watched(json === true, { timeout }, async (watch) => {
      const result = await stress({
        scenario,
        design,
        timeout,
        tasks,
        ops: op,
        chaos: chaos ? CHAOS : 0,
        seed,
        options: set,
        signal: watch.signal,
        onProgress: watch.progress,
      });
      watch.status.end();
      const interrupted = watch.received() !== undefined;
      const { violation, rounds } = result;
      if (json) {
        printJson({ scenario, design, ...result, interrupted });
      } else {
        const { bold, green, red } = look(process.stdout);
        if (violation) {
          print(`${red(bold(`broken: ${brokenWord(violation.promise)}`))} (${violation.promise})`);
          print(`\n${violation.story.trimEnd()}\n`);
        }
        const kept = rounds === 0 ? "not run" : green(bold("held"));
        const verdict = violation ? `Found in round ${violation.round}` : kept;
        const what = `${scenario ?? "random calls"} under ${design}${interrupted ? ", interrupted" : ""}`;
        print(`${verdict}: ${what}: ${counted(rounds, "round")}, ${elapsed(result.elapsed)}.`);
      }
      const nothing = rounds > 0 ? Exit.nothingFound : Exit.inconclusive;
      return endOf(watch, violation ? Exit.violation : nothing);
    });
  },
});
