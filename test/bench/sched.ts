// How fast runs under control are: tasks of ten atomic operations each, random schedules.

import { Crew } from "../../src/sched/pool.ts";
import { toyMachine } from "../sched/toys.ts";
import { median, print, round } from "./figures.ts";

interface SchedFigures {
  tasks: number;
  runsPerSecond: number;
  stepsPerSecond: number;
  /** Changes of the task from one step to the next, of one run in the mean. */
  switchesPerRun: number;
}

const ROUNDS = 5;

export async function benchToys(): Promise<void> {
  console.log("Tasks of ten atomic operations under control, random schedules");
  for (const tasks of [1, 2, 3, 4]) {
    const rounds: SchedFigures[] = [];
    for (let turn = 0; turn < ROUNDS; turn++) rounds.push(await timeToys(tasks, 1));
    const of = (pick: (figures: SchedFigures) => number): number => median(rounds.map(pick));
    const runs = `${round(of(({ runsPerSecond }) => runsPerSecond))} runs/s`;
    const name = tasks === 1 ? "one task" : `${tasks} tasks`;
    const switches = of(({ switchesPerRun }) => switchesPerRun).toFixed(1);
    print(`${name}, ${switches} hand-overs a run`, runs, tasks === 2 ? "65,000" : "");
  }
}

/** Measures for `seconds`, after a second of warming up. */
async function timeToys(tasks: number, seconds: number, cores?: number): Promise<SchedFigures> {
  const crew = new Crew(tasks);
  const { mem, at } = toyMachine();
  const module = new URL("../sched/toys.js", import.meta.url).href;
  const job = { mem, module, entry: "timeToys", data: { at, seconds }, ...(cores && { cores }) };
  const { values } = await crew.run<SchedFigures>(job);
  await crew.close();
  return values[0] as SchedFigures;
}
