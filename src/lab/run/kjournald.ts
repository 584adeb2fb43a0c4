// kjournald: a task beside the scenario's own that commits the running transaction, so many times, whenever the scheduler
// lets it.
//
// In Linux the thread of that name commits every few seconds, and when the journal fills up: at any moment, not only when
// a program asks for it.  Here each of its commits can come between any two steps of the others.  It ends after the last
// one, so a search ends, too.
//
// kernel: kjournald2

import { commit } from "../../ext4/journal/commit.ts";
import { superBlock } from "../../ext4/super.ts";
import { MAX_TASKS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { Sys } from "../../syscalls/sys.ts";
import type { Design } from "../../xip/design.ts";
import type { MachineOptions } from "../options.ts";
import { processesOf, taskNames, type Scenario } from "../scenario.ts";
import { UsageError } from "../usage.ts";

const KJOURNALD = "kjournald";

/** The scenario with the tasks that its options add: on the host and in every thread. */
export function withKjournald(scenario: Scenario, { kjournald = 0 }: MachineOptions): Scenario {
  if (kjournald === 0) return scenario;
  const names = taskNames(scenario);
  if (names.includes(KJOURNALD)) {
    throw new UsageError(
      `scenario ${scenario.name} has a task kjournald of its own; the option adds another`,
    );
  }
  if (names.length === MAX_TASKS) {
    throw new UsageError(`scenario ${scenario.name} has ${MAX_TASKS} tasks; there is no room for kjournald`);
  }
  // The name is what counts: what it does needs the machine.
  return { ...scenario, tasks: { ...scenario.tasks, [KJOURNALD]: () => undefined } };
}

/** What the thread of a task does in each run. */
export function bodyOf(
  mem: Memory,
  design: Design,
  scenario: Scenario,
  { kjournald = 0 }: MachineOptions,
  task: number,
): () => unknown {
  const name = taskNames(scenario)[task] as string;
  if (name === KJOURNALD && kjournald > 0) return () => commitTimes(mem, kjournald);
  const body = scenario.tasks[name] as Scenario["tasks"][string];
  const sys = new Sys(mem, design, processesOf(scenario)[task] as number);
  return () => body(sys);
}

function commitTimes(mem: Memory, times: number): void {
  for (let left = times; left > 0; left--) commit(superBlock(mem));
}
