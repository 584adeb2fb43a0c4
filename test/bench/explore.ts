// Exploring under control: how many runs a second, and where the time of a run goes.

import { explore } from "../../src/lab/explore.ts";
import { bootMemory } from "../../src/lab/host/memory.ts";
import { allocateResults } from "../../src/lab/run/results.ts";
import { loadScenario } from "../../src/lab/load.ts";
import { taskNames } from "../../src/lab/scenario.ts";
import { DEFAULT_MEDIA, MIB } from "../../src/machine/limits.ts";
import { Crew } from "../../src/sched/pool.ts";
import type { ExploreFigures, ExploreOrder } from "./explore-lead.ts";
import { print, round } from "./figures.ts";

const DESIGN = "ext4-xip-serialized";
/**
 * Each thread compiles the kernel for itself, on cores that two spinning threads keep busy: measured, the first three
 * to five seconds run at a tenth of the speed, interpreted.
 */
const WARM_MS = 6000;
const MS = 600;
const ROUNDS = 7;

const inBench = (name: string): string => new URL(`./scenarios/${name}.js`, import.meta.url).href;

export async function benchExplore(): Promise<void> {
  await timeScenario("write-beside-read", "15,000/s");
  await timeScenario(inBench("write-beside-two-reads"));
  await timeScenario(inBench("two-writes-beside-two-reads"));
}

const us = (value: number): string => `${value.toFixed(1)} us`;

async function timeScenario(given: string, wanted?: string): Promise<void> {
  const { name, url, ...scenario } = await loadScenario(given);
  const tasks = Object.keys(scenario.tasks).length;
  const mem = bootMemory({ size: DEFAULT_MEDIA, options: {} });
  const results = allocateResults(mem, tasks);
  const order: ExploreOrder = {
    scenario: url,
    design: DESIGN,
    results,
    warm: WARM_MS,
    ms: MS,
    rounds: ROUNDS,
  };
  const crew = new Crew(tasks);
  const module = new URL("./explore-lead.js", import.meta.url).href;
  const { values } = await crew.run<ExploreFigures>({ mem, module, entry: "timeRuns", data: order });
  await crew.close();
  const { random, runOn } = values[0] as ExploreFigures;
  console.log(`Exploring ${name} (${tasks} tasks) with ${DESIGN}, random schedules`);
  print("runs", `${round(random.runsPerSecond)}/s`, wanted);
  print("steps", `${round(random.runsPerSecond * random.steps)}/s`);
  print("steps of a run", random.steps.toFixed(0));
  print("hand-overs of a run", random.handOvers.toFixed(1));
  // What preempting adds to the tasks' time is the hand-overs it needs.
  const handOvers = Math.max(0, random.tasks - runOn.tasks);
  const each = handOvers / (random.handOvers - runOn.handOvers);
  print("a run: going back to the snapshot", us(random.restore));
  print(`a run: the tasks, with ${runOn.handOvers.toFixed(0)} hand-overs (not preempted)`, us(runOn.tasks));
  print("a run: further hand-overs (by difference)", `${us(handOvers)}, ${each.toFixed(2)} each`);
  print("a run: checks", us(random.checks));
}

/** Of this process, which should have done nothing else. */
export async function benchMemory(): Promise<void> {
  const scenario = await loadScenario("write-beside-read");
  await explore(scenario, { design: DESIGN, runs: 20_000, workers: 1 });
  const rss = (process.resourceUsage().maxRSS * 1024) / MIB;
  console.log(`Exploring ${scenario.name} (${taskNames(scenario).length} tasks), 20,000 runs, from outside`);
  print("resident memory at most", `${rss.toFixed(0)} MiB`, "238 MiB");
}
