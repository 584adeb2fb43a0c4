// crash: lets the power fail everywhere in the runs of scenarios, and looks at what comes up again.

import { availableParallelism } from "node:os";
import { choice, count, flag, many, text } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal, type ExitCode } from "../exit.ts";
import type { CallVerdict } from "../../lab/crash/calls.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted } from "../terminal/words.ts";
import { cellLine, crashLegend, crashTable, nothingFound, spent, type CrashCell } from "./crash-cells.ts";
import {
  brokenWord,
  endOf,
  replayCommandOf,
  searchOptions,
  violationText,
  watched,
  type Watch,
} from "./shared.ts";

export const crashCommand = command({
  name: "crash",
  summary: "let the power fail at every point of a scenario's runs, recover, and look",
  takes: "[SCENARIO …] [--design DESIGN …] [options]",
  details: [
    "A store is volatile until its line was flushed and a fence came after. At every point the lines that are under way",
    "may have arrived or not: each state that this can leave is recovered and mounted, checked, and every file is",
    "compared with what the calls explain and what fsync has promised. Where more than 2 to the --max-lines ways are open,",
    "some are chosen: whole stores kept and lost, then lines torn apart; the report says at how many points. With --nested",
    "the power fails again at every point of recovery, up to 16 ways or chosen ones at each; the same must come up.",
    "Without a SCENARIO: all that are built in for power failures; without a DESIGN: all designs. Of more than one",
    "cell the verdicts are a table, with the commands below it that replay what broke.",
    "With one of each the first violation is told as a story, with the command that replays it, and it is said what the",
    "states tell of the calls: a call is atomic when it brings at most one state that could not have come up before it;",
    "after an fsync, the fewer states can come up, the less is left to chance. Then come the flushes and fences that calls",
    "lack (lines that are not durable when an fsync that covers them returns, or zeros and copies when a transaction is",
    "sealed), and those that find nothing to do.",
    "A cell ends with the first run in which something broke; that run's states are all tried.",
  ].join("\n"),
  positionals: { min: 0, max: 100 },
  options: {
    design: many(text("DESIGN", "a built-in design or the path of a module; repeatable", "d")),
    domain: choice(
      ["adr", "eadr", "none"],
      "adr (default): flushed lines survive; eadr: all stores; none: adr, but caches may evict",
    ),
    "max-lines": count("try every way where at most so many lines are open, else chosen ones (default 8)", {
      min: 0,
      max: 16,
    }),
    preemptions: {
      ...searchOptions.preemptions,
      help: "crash in every schedule with at most so many preemptions (default 0)",
    },
    schedule: text(
      "SCHEDULE",
      "crash in this schedule, as explore prints it; of one scenario and one design",
    ),
    runs: { ...searchOptions.runs, help: "stop a cell after so many schedules" },
    timeout: { ...searchOptions.timeout, help: "stop a cell after this time" },
    nested: flag("let the power fail again, at every point of recovery"),
    workers: count("share the work among so many machines (default: as many as there are cores)", {
      min: 1,
      max: 64,
    }),
    set: searchOptions.set,
  },
  examples: [
    ["", "every scenario for power failures under every design"],
    ["write-and-sync --design ext4-xip-inline", "one cell: a story, and how to see it again"],
    ["--design ext4-xip-serialized --preemptions 1", "crash and concurrency together"],
    ["write-and-sync --design dax-6.1 --nested", "a second failure while the first is being recovered from"],
  ],
  json: [
    "{ interrupted, cells: [{ scenario, design, sound, runs, points, sampled, maxLines, states, distinct, recovered,",
    "  broken, finished, complete, elapsed, nested?: { points, sampled, maxLines, states },",
    "  calls: [{ task, number, call, atomic, states, after? }, …],",
    "  flushes: [{ kind, what, task, number, call, count, blocks, message }, …],",
    "  violation?: { promise, message, story, schedule, switches, run, replay }, error? }, …] }",
    "points: of failure; sampled: those of more than 2 to the maxLines ways, of which some were chosen; states: ways",
    "the media were left; distinct: different media; recovered: different file systems afterwards; broken: states",
    "that broke a promise; finished: all schedules were run, or one broke; complete: nothing broke, and every way was",
    "tried; nested: with --nested, the same of second failures, during recovery; calls: number counts the task's",
    "calls from 1, states are those that the call brought, after (of a sync) those that could come up when it had",
    "returned; flushes: kind is missing (lines that were not durable when they had to be) or redundant, what is flush",
    "or fence, count of lines, or of fences that are redundant; error: why the cell could not be run",
  ].join("\n"),
  exits: [
    `${Exit.nothingFound}  no design that is meant to be sound broke`,
    `${Exit.violation}  one did, or a cell could not be run; or, asked for one scenario and one design, that one did`,
    `${Exit.inconclusive}  inconclusive: a cell was stopped before it was through`,
  ].join("\n"),
  async run({ values, positionals }) {
    const { crashWith } = await import("../../lab/crash.ts");
    const { Crews } = await import("../../lab/host/crews.ts");
    const { crashScenarios } = await import("../../lab/scenarios/crash/index.ts");
    const { loadDesign, loadScenario } = await import("../../lab/load.ts");
    const { ProgressSum } = await import("../../lab/host/jobs.ts");
    const { designs } = await import("../../xip/designs/index.ts");
    const { UsageError } = await import("../../lab/usage.ts");
    const rows = positionals.length > 0 ? positionals : [...crashScenarios.keys()];
    const columns = values.design ?? [...designs.keys()];
    if (new Set(rows).size < rows.length) throw new Refusal("a scenario is named twice");
    // Whatever cannot be loaded is refused before anything runs.
    for (const row of rows) await loadScenario(row);
    const sound = new Map<string, boolean>();
    for (const column of columns) sound.set(column, (await loadDesign(column)).design.sound);
    const { json, workers, "max-lines": maxLines, set: options, ...search } = values;
    const pairs = rows.flatMap((row) => columns.map((column) => [row, column] as const));
    const only = pairs.length === 1;
    if (search.schedule !== undefined && !only)
      throw new Refusal("a schedule is of one SCENARIO and one --design");
    return watched(
      json === true,
      {},
      async (watch) => {
        const crews = new Crews();
        const { signal } = watch;
        const one = async (
          scenario: string,
          design: string,
          progress: Watch["progress"],
        ): Promise<CrashCell> => {
          // Several cells at a time, or one on several machines: both fill the cores.
          const shared = { ...search, options, maxLines, signal, workers: workers ?? (only ? undefined : 1) };
          const what = { scenario, design, sound: sound.get(design) === true };
          try {
            const found = await crashWith(crews, scenario, { ...shared, design, onProgress: progress });
            return { ...what, ...found };
          } catch (error) {
            // What one of many cells cannot do is no reason to lose the others.
            if (only || error instanceof UsageError) throw error;
            return { ...what, ...nothingFound, error: (error as Error).message };
          }
        };
        const progress = new ProgressSum(watch.progress);
        const work = pairs.map(
          ([scenario, design]) =>
            async () =>
              one(scenario, design, progress.part()),
        );
        const cells = await inOrder(work, watch, (cell) => {
          if (!only) watch.status.note(cellLine(cell));
        }).finally(async () => crews.close());
        watch.status.end();
        if (json) printJson({ interrupted: watch.received() !== undefined, cells: cells.map(withReplay) });
        else if (only) for (const cell of cells) tell(cell, watch.received() !== undefined);
        else tabulate(cells, watch.received() !== undefined);
        return endOf(watch, verdictOf(cells, only));
      },
      "states",
    );
  },
});

/** Cells, as many at once as there are cores, given to `done` in their order; none is begun after Ctrl-C. */
async function inOrder(
  work: readonly (() => Promise<CrashCell>)[],
  watch: Watch,
  done: (cell: CrashCell) => void,
): Promise<CrashCell[]> {
  const cells: CrashCell[] = [];
  let next = 0;
  let given = 0;
  watch.doing = `0 of ${work.length} cells`;
  const worker = async (): Promise<void> => {
    while (next < work.length && !watch.signal.aborted) {
      const index = next++;
      cells[index] = await (work[index] as () => Promise<CrashCell>)();
      for (; cells[given] !== undefined; given++) done(cells[given] as CrashCell);
      watch.doing = `${given} of ${work.length} cells`;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return cells;
}

const replayOf = ({ scenario, design, violation }: CrashCell): string =>
  violation === undefined ? "" : replayCommandOf(violation.schedule, scenario, design);

function withReplay(cell: CrashCell): object {
  const { violation } = cell;
  return violation === undefined ? cell : { ...cell, violation: { ...violation, replay: replayOf(cell) } };
}

const place = ({ task, call, number }: CallVerdict): string => `${task}'s ${call} (call ${number})`;

/** What the states say of the calls, in a line. */
function callWords(calls: readonly CallVerdict[]): string {
  const torn = calls.filter(({ atomic }) => !atomic);
  const words = torn.map((one) => `${place(one)} brings ${counted(one.states, "state")}`);
  const atomic = torn.length === 0 ? "Every call is atomic" : `Not atomic: ${words.join(", ")}`;
  const after = calls
    .filter((one) => one.after !== undefined)
    .map((one) => `${counted(one.after ?? 0, "state")} after ${place(one)}`);
  return `${[atomic, ...after].join("; ")}.`;
}

const MAX_FLUSHES = 10;

function tabulate(cells: readonly CrashCell[], interrupted: boolean): void {
  for (const line of crashTable(cells, look(process.stdout))) print(line);
  print("");
  for (const line of crashLegend) print(line);
  if (interrupted) print("Interrupted.");
  const lines = cells.flatMap((cell) => {
    const { scenario, design, error, violation } = cell;
    if (error !== undefined) return [`# ${scenario} under ${design} could not be run: ${error}`];
    return violation === undefined ? [] : [`${replayOf(cell)}  # ${brokenWord(violation.promise)}`];
  });
  if (lines.length > 0) print("");
  for (const line of lines) print(line);
}

/** The only cell, in full. */
function tell(cell: CrashCell, interrupted: boolean): void {
  const { violation, scenario, design, calls, flushes, finished } = cell;
  const early = finished ? "" : interrupted ? ", interrupted" : ", not finished";
  if (violation !== undefined) print(`${violationText(violation, replayOf(cell))}\n\nFound: ${spent(cell)}.`);
  else
    print(`${cell.states === 0 ? "not run" : "held"}: ${scenario} under ${design}${early}: ${spent(cell)}.`);
  if (calls.length > 0) print(callWords(calls));
  for (const { kind, message } of flushes.slice(0, MAX_FLUSHES)) print(`${kind}: ${message}`);
  if (flushes.length > MAX_FLUSHES) print(`… ${flushes.length - MAX_FLUSHES} more`);
}

function verdictOf(cells: readonly CrashCell[], only: boolean): ExitCode {
  if (cells.some(({ error }) => error !== undefined)) return Exit.violation;
  if (cells.some(({ violation, sound }) => violation !== undefined && (sound || only))) return Exit.violation;
  return cells.every(({ finished }) => finished) ? Exit.nothingFound : Exit.inconclusive;
}
