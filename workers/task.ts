// What each worker thread of a machine runs: it attaches to the memory, loads the module that the job
// names, and calls its function.  What that throws goes back as plain words, because an error that is
// sent between threads loses its class.

import { attachMemory } from "../src/machine/layout.ts";
import { Halted } from "../src/machine/errors.ts";
import type { Memory } from "../src/machine/memory.ts";
import type { TaskOrder, TaskReport } from "../src/sched/pool.ts";

type TaskEntry = (mem: Memory, task: number, taskCount: number, data: unknown) => unknown;

export default async function runTask(order: TaskOrder): Promise<TaskReport> {
  try {
    const loaded = (await import(order.module)) as Record<string, TaskEntry | undefined>;
    const entry = loaded[order.entry];
    if (typeof entry !== "function")
      throw new TypeError(`${order.module} exports no function ${order.entry}`);
    const mem = attachMemory(order.memory);
    return { kind: "returned", value: await entry(mem, order.task, order.taskCount, order.data) };
  } catch (error) {
    if (!(error instanceof Error)) return { kind: "threw", name: "Error", message: String(error), stack: "" };
    if (error instanceof Halted) return { kind: "halted" };
    return { kind: "threw", name: error.name, message: error.message, stack: error.stack ?? "" };
  }
}
