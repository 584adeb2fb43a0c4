// How fast runs under control are: tasks of ten atomic operations each, random schedules.

import { Crew } from "../../src/sched/pool.ts";
import { toyMachine } from "../sched/toys.ts";

export interface SchedFigures {
  tasks: number;
  runsPerSecond: number;
  stepsPerSecond: number;
  /** Changes of the task from one step to the next, of one run in the mean. */
  switchesPerRun: number;
}

/** Measures for `seconds`, after a second of warming up. */
export async function benchSched(tasks: number, seconds: number, cores?: number): Promise<SchedFigures> {
  const crew = new Crew(tasks);
  const { mem, at } = toyMachine();
  const module = new URL("../sched/toys.js", import.meta.url).href;
  const job = { mem, module, entry: "timeToys", data: { at, seconds }, ...(cores && { cores }) };
  const { values } = await crew.run<SchedFigures>(job);
  await crew.close();
  return values[0] as SchedFigures;
}
