// The cores of this computer, shared out among the machines that explore at once.

import { availableParallelism } from "node:os";
import { Semaphore } from "async-mutex";

/** How many threads can run at once. */
export const coreCount = availableParallelism();
const cores = new Semaphore(coreCount);

/**
 * Waits until cores for `threads` threads are free (all cores, when there are fewer), and holds them
 * while `work` runs.  More threads than cores would take turns, and every hand-over would cost a sleep.
 */
export async function withCores<T>(threads: number, work: () => Promise<T>): Promise<T> {
  return cores.runExclusive(() => work(), Math.min(threads, coreCount));
}
