// Ctrl-C: the first asks the command to stop and to print what it found; the second kills.

import { setMaxListeners } from "node:events";
import { Exit, type ExitCode } from "./exit.ts";

export interface Interrupts {
  readonly signal: AbortSignal;
  /** The exit code of the signal that came, if one came. */
  received(): ExitCode | undefined;
}

/** Runs `work` with a signal that Ctrl-C (or SIGTERM) aborts. */
export async function interruptible<T>(work: (interrupts: Interrupts) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  // Every search of a matrix listens.
  setMaxListeners(0, controller.signal);
  let code: ExitCode | undefined;
  const handlers = [
    ["SIGINT", Exit.interrupted],
    ["SIGTERM", Exit.terminated],
  ] as const;
  const listeners = handlers.map(([name, exit]) => {
    const listener = (): void => {
      // The process is left without ceremony: worker threads end with it.
      if (code !== undefined) process.exit(exit);
      code = exit;
      controller.abort();
    };
    process.on(name, listener);
    return [name, listener] as const;
  });
  try {
    return await work({ signal: controller.signal, received: () => code });
  } finally {
    for (const [name, listener] of listeners) process.off(name, listener);
  }
}
