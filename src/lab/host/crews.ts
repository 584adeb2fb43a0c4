// Worker threads and memories for explorations, kept from one to the next: starting threads costs more than
// most cells of a matrix, and a memory that is dropped goes back to the system only when every thread that
// has seen it has collected its garbage.  A crew serves one exploration at a time.

import { RecordsFull } from "../../machine/errors.ts";
import { header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { TaskFailure, Crew, type Job, type JobResult } from "../../sched/pool.ts";
import { NotDeterministic } from "../run/determinism.ts";
import { SetupError } from "../run/judge.ts";
import { UsageError } from "../usage.ts";
import { withCores } from "./cores.ts";

/** A thread that failed outside of what a run judges: it died, hung, or the lab's own code threw in it. */
export class TaskError extends Error {
  override readonly name = "TaskError";
  /** The task's name. */
  readonly task: string;
  constructor(task: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.task = task;
  }
}

/** Errors that cross threads as words, and get their class back on this side. */
const revived = new Map<string, new (message: string) => Error>(
  [UsageError, NotDeterministic, SetupError, RecordsFull].map((type) => [type.name, type]),
);

export class Crews {
  readonly #idle: Crew[] = [];
  readonly #memories: Memory[] = [];

  /**
   * Once there are `cores` for it, makes a job on a machine of `size` bytes, and runs it with a thread for each of the
   * named tasks.  `finish` sees the machine for the last time: its memory becomes another's.  A job that is not wanted
   * any more by then is not made; the result is undefined.
   */
  async run<R, T>(
    tasks: readonly string[],
    { size, cores = tasks.length }: { size: number; cores?: number },
    wanted: () => boolean,
    makeJob: (used: Memory | undefined) => Job,
    finish: (result: JobResult<R>) => T,
  ): Promise<T | undefined> {
    return withCores(cores, async () => {
      if (!wanted()) return undefined;
      const made = makeJob(this.#usedMemory(size));
      const job = cores < tasks.length ? { ...made, cores } : made;
      const found = this.#idle.findIndex(({ taskCount }) => taskCount === tasks.length);
      const crew = found < 0 ? new Crew(tasks.length) : (this.#idle.splice(found, 1)[0] as Crew);
      try {
        const finished = finish(await crew.run<R>(job));
        this.#memories.push(job.mem);
        return finished;
      } catch (error) {
        throw failureOf(error, tasks);
      } finally {
        if (crew.broken) await crew.close();
        else this.#idle.push(crew);
      }
    });
  }

  #usedMemory(size: number): Memory | undefined {
    const found = this.#memories.findIndex((mem) => header(mem).media.length === size);
    return found < 0 ? undefined : this.#memories.splice(found, 1)[0];
  }

  /** Ends all threads.  No job may be running. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((crew) => crew.close()));
  }
}

function failureOf(error: unknown, tasks: readonly string[]): unknown {
  if (!(error instanceof TaskFailure)) return error;
  const cause = error.cause as Error | undefined;
  const Type = error.kind === "threw" && cause !== undefined ? revived.get(cause.name) : undefined;
  if (Type !== undefined && cause !== undefined) return new Type(cause.message);
  const name = tasks[error.task] ?? String(error.task);
  return new TaskError(name, `task ${name}: ${error.message}`, { cause: error });
}
