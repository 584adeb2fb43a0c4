// Runs test bodies as free-running tasks on real threads over one machine.
//
// The bodies are exported by a compiled module, because functions cannot be sent to threads.  All threads
// start a body at the same moment.  A test that waits for ever (a lost wakeup, a starved task) ends after
// PATIENCE with an error that names the tasks that did not finish.

import { Piscina } from "piscina";
import type { Memory } from "../../src/machine/memory.ts";

export interface ThreadWork {
  memory: Memory["wasm"];
  module: string;
  name: string;
  task: number;
  tasks: number;
  /** One word, counted up by every thread that is ready. */
  gate: Int32Array<SharedArrayBuffer>;
  at: number;
  rounds: number;
}

const PATIENCE = 20_000; // milliseconds

export interface Threads {
  /** Runs one named body for each task, all at once; gives what they returned. */
  run(mem: Memory, names: string[], at: number, rounds: number): Promise<unknown[]>;
  close(): Promise<void>;
}

/** `count` threads that run bodies of a module, given as its URL. */
export function startThreads(count: number, module: string): Threads {
  const filename = new URL("./thread.js", import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: count, maxThreads: count });
  return {
    async run(mem, names, at, rounds) {
      if (names.length > count) throw new Error(`${names.length} bodies do not fit ${count} threads`);
      const gate = new Int32Array(new SharedArrayBuffer(4));
      const late = new Set(names.map((name, task) => `${name} (task ${task})`));
      const signal = AbortSignal.timeout(PATIENCE);
      const runs = names.map(async (name, task) => {
        const work = { memory: mem.wasm, module, name, task, tasks: names.length, gate, at, rounds };
        const result: unknown = await pool.run(work satisfies ThreadWork, { signal });
        late.delete(`${name} (task ${task})`);
        return result;
      });
      try {
        return await Promise.all(runs);
      } catch (error) {
        if (!signal.aborted) throw error;
        throw new Error(`after ${PATIENCE} ms still running: ${[...late].join(", ")}`, { cause: error });
      }
    },
    close: () => pool.destroy(),
  };
}
