// What a thread of a test runs: it attaches to the machine as a task, waits for the others, and calls the
// named function of the named module.

import { runAs } from "../../src/machine/cpu.ts";
import { attachMemory } from "../../src/machine/layout.ts";
import type { Memory } from "../../src/machine/memory.ts";
import type { ThreadWork } from "./threads.ts";

type Body = (mem: Memory, at: number, rounds: number, task: number) => unknown;

export default async function run(work: ThreadWork): Promise<unknown> {
  const { memory, module, name, task, tasks, gate, at, rounds } = work;
  const body = ((await import(module)) as Record<string, Body>)[name];
  if (body === undefined) throw new Error(`${module} has no body ${name}`);
  const mem = attachMemory(memory);
  Atomics.add(gate, 0, 1);
  Atomics.notify(gate, 0);
  for (let seen = 0; (seen = Atomics.load(gate, 0)) < tasks;) Atomics.wait(gate, 0, seen);
  const before = runAs(task);
  const result = body(mem, at, rounds, task);
  runAs(before.task, before.engine);
  return result;
}
