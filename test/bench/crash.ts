// Power failures: how many of the states that they leave are looked at in a second, and where the time of one goes.

import { availableParallelism } from "node:os";
import { check } from "../../src/ext4/check/check.ts";
import { readTree } from "../../src/ext4/check/tree.ts";
import { PowerFailures, type Survivors } from "../../src/machine/pmem/crash.ts";
import { crashWith, type CrashOptions } from "../../src/lab/crash.ts";
import { recover } from "../../src/lab/crash/came-up.ts";
import { CrashLead } from "../../src/lab/crash/lead.ts";
import { pointsOf, type Point } from "../../src/lab/crash/points.ts";
import { choicesOf } from "../../src/lab/crash/survivors.ts";
import { Target } from "../../src/lab/crash/target.ts";
import { Crews } from "../../src/lab/host/crews.ts";
import { bootMemory } from "../../src/lab/host/memory.ts";
import { loadDesign, loadScenario } from "../../src/lab/load.ts";
import { Judge } from "../../src/lab/run/judge.ts";
import { Lead } from "../../src/lab/run/lead.ts";
import { allocateResults } from "../../src/lab/run/results.ts";
import { taskNames, type Scenario } from "../../src/lab/scenario.ts";
import { DEFAULT_MEDIA, MAX_STEPS } from "../../src/machine/limits.ts";
import { startLog, stopLog } from "../../src/machine/pmem/log.ts";
import { readySched } from "../../src/sched/state.ts";
import { Sys } from "../../src/syscalls/sys.ts";
import { serveFaults } from "../../src/xip/fault.ts";
import { median, print, round } from "./figures.ts";

const DESIGN = "ext4-xip-serialized";
const ROUNDS = 5;
/** Rounds before those that count: threads have to compile the kernel.  In this thread they are short. */
const WARM = 3;
const WARM_HERE = 25;

async function benchRate(crews: Crews, what: string, scenario: string, options: Partial<CrashOptions>) {
  const rates: number[] = [];
  const times: number[] = [];
  let states = 0;
  for (let turn = -WARM; turn < ROUNDS; turn++) {
    const found = await crashWith(crews, scenario, { design: DESIGN, ...options });
    if (found.violation !== undefined) throw new Error("a sound design broke a promise");
    states = found.states + (found.nested?.states ?? 0);
    if (turn < 0) continue;
    rates.push((states / found.elapsed) * 1000);
    times.push(found.elapsed);
  }
  return { text: `${what}: ${states} states in ${median(times).toFixed(0)} ms`, rate: median(rates) };
}

/** The states of one run with one task, in this thread. */
async function statesHere(name: string): Promise<{
  lead: Lead;
  target: Target;
  failures: PowerFailures;
  states: { point: Point; survivors: Survivors }[];
}> {
  const scenario = await loadScenario(name);
  const { design } = await loadDesign(DESIGN);
  const mem = bootMemory({ size: DEFAULT_MEDIA, options: {} });
  const results = allocateResults(mem, 1);
  readySched(mem, 1, availableParallelism());
  serveFaults(mem, design);
  const sys = new Sys(mem, design, 0);
  const body = scenario.tasks[taskNames(scenario)[0] as string] as Scenario["tasks"][string];
  const lead = new Lead(new Judge(mem, scenario, design, {}, results), () => body(sys));
  lead.judge.startOver();
  const target = new Target(mem, {});
  startLog(mem);
  lead.session.run({ strategy: "run-on", seed: 0, switches: [], maxSteps: MAX_STEPS });
  stopLog(mem);
  const failures = new PowerFailures(mem, "adr");
  const states = pointsOf(failures.entries, lead.session.log, "adr").flatMap((point) =>
    [...choicesOf(failures.pendingAt(point.entries), 8).ways].map((survivors) => ({ point, survivors })),
  );
  return { lead, target, failures, states };
}

const PARTS = ["build", "recover", "check", "read"] as const;

/** Microseconds of each part of a state, when nothing is known of it. */
async function benchParts(name: string): Promise<void> {
  const { lead, target, failures, states } = await statesHere(name);
  const rounds: number[][] = [];
  for (let turn = -WARM_HERE; turn < ROUNDS; turn++) {
    const sums = PARTS.map(() => 0);
    for (const { point, survivors } of states) {
      const laps = [performance.now()];
      target.fail(failures, point.entries, survivors);
      laps.push(performance.now());
      if (recover(target) !== undefined) throw new Error("a state was not recovered");
      target.outsideJournal();
      laps.push(performance.now());
      if (check(target.mem).length > 0) throw new Error("the checker found something");
      laps.push(performance.now());
      for (const file of readTree(target.mem).values()) file.content();
      laps.push(performance.now());
      for (const [index] of PARTS.entries()) {
        sums[index] = (sums[index] as number) + (laps[index + 1] as number) - (laps[index] as number);
      }
    }
    if (turn >= 0) rounds.push(sums.map((sum) => (sum * 1000) / states.length));
  }
  const parts = PARTS.map(
    (part, i) => `${part} ${median(rounds.map((sums) => sums[i] as number)).toFixed(0)}`,
  );
  print(`a state of ${name} of which nothing is known`, `${parts.join(", ")} µs`);
  const whole: number[] = [];
  for (let turn = -WARM_HERE; turn < ROUNDS; turn++) {
    // A new one each time: it remembers what it has seen.
    const crashes = new CrashLead(lead, { domain: "adr", maxLines: 8, nested: false, shard: 0, shards: 1 });
    const begin = performance.now();
    const { states: seen } = crashes.run(
      { strategy: "run-on", seed: 0, switches: [], maxSteps: MAX_STEPS },
      () => true,
    );
    if (turn >= 0) whole.push(((performance.now() - begin) * 1000) / seen.states);
  }
  print("the same in a search, which does nothing twice, and judges", `${round(median(whole))} µs`);
  lead.session.end();
}

export async function benchCrash(): Promise<void> {
  console.log("power failures");
  await benchParts("write-and-sync");
  const crews = new Crews();
  try {
    const machines = availableParallelism();
    for (const workers of machines > 1 ? [1, machines] : [1]) {
      const on = `on ${workers === 1 ? "one machine" : `${workers} machines`}`;
      const one = await benchRate(crews, `one write, one fsync, ${on}`, "write-and-sync", { workers });
      print(one.text, `${round(one.rate)} states/s`);
      const two = await benchRate(crews, `two tasks, at most one preemption, ${on}`, "two-syncs", {
        workers,
        preemptions: 1,
        runs: 20,
      });
      print(two.text, `${round(two.rate)} states/s`, workers === 1 ? "" : "2,000 on two");
      const again = await benchRate(crews, `with failures during recovery, ${on}`, "rename-over", {
        workers,
        nested: true,
      });
      print(again.text, `${round(again.rate)} states/s`);
    }
  } finally {
    await crews.close();
  }
}
