// The host's side of worker threads: piscina starts and ends them, and one job occupies all of them, a
// task each.  The host's thread only waits, asynchronously; the tasks never wait for it.
//
// Nothing hangs: when a task throws or its thread dies, when the caller aborts, when the time is over, or
// when the task that has the baton has not made a step for long, the machine is halted.  Threads that do
// not leave in time after that (a loop without steps) are terminated, and the crew is of no use any more.

import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { HOST_TASK } from "../machine/limits.ts";
import type { Memory } from "../machine/memory.ts";
import { engineState, halt, readySched } from "./state.ts";

export interface Job {
  mem: Memory;
  /** The address (file: URL) of a module that exports `entry`: (mem, task, taskCount, data) => value. */
  module: string;
  entry: string;
  /** Sent to every task by structured clone. */
  data?: unknown;
  /** How many cores the tasks may keep busy; all, unless machines share them. */
  cores?: number;
  /** Milliseconds until the machine is halted. */
  timeout?: number;
  signal?: AbortSignal | undefined;
  /** Milliseconds after which a task under control that makes no step counts as stuck. */
  patience?: number;
}

export interface JobResult<R> {
  /** What each task's function returned; undefined for one that was halted. */
  values: (R | undefined)[];
  /** Why the machine was halted from outside, if it was. */
  stopped?: "aborted" | "timeout";
}

/** What the host sends to workers/task.ts. */
export interface TaskOrder {
  memory: Memory["wasm"];
  /** 0 is the lead. */
  task: number;
  taskCount: number;
  module: string;
  entry: string;
  data: unknown;
}

/** What comes back. */
export type TaskReport =
  | { kind: "returned"; value: unknown }
  | { kind: "halted" }
  | { kind: "threw"; name: string; message: string; stack: string };

/**
 * A task failed in a way that is no outcome of a run: its thread died, hung, or its function threw.  The message does not
 * name the task.
 */
export class TaskFailure extends Error {
  override readonly name = "TaskFailure";
  readonly task: number;
  readonly kind: "threw" | "died" | "stuck";
  constructor(task: number, kind: TaskFailure["kind"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.task = task;
    this.kind = kind;
  }
}

function died(task: number, cause: unknown): TaskFailure {
  const words = cause instanceof Error ? cause.message : String(cause);
  return new TaskFailure(task, "died", `its thread died: ${words}`, { cause });
}

/** A thread that did not leave when its machine was halted. */
function stuck(task: number, cause: unknown): TaskFailure {
  return new TaskFailure(task, "stuck", "it makes no steps; its thread had to be terminated", { cause });
}

/** How long halted threads get to leave, in milliseconds: more than a parked thread's longest nap. */
const GRACE_MS = 3000;
const PATIENCE_MS = 10_000;
const LOOK_MS = 250;

const entryFile = fileURLToPath(new URL("../../workers/task.js", import.meta.url));

/** Worker threads, one a task, that do one job after another. */
export class Crew {
  readonly taskCount: number;
  readonly #pool: Piscina<TaskOrder, TaskReport>;
  #working = false;
  #broken = false;

  constructor(taskCount: number) {
    this.taskCount = taskCount;
    this.#pool = new Piscina<TaskOrder, TaskReport>({
      filename: entryFile,
      minThreads: taskCount,
      maxThreads: taskCount,
      concurrentTasksPerWorker: 1,
    });
  }

  /** Whether threads had to be terminated: the crew cannot work any more. */
  get broken(): boolean {
    return this.#broken;
  }

  /**
   * Runs a job to its end.  Throws TaskFailure; an abort or the end of the time is a result, because
   * the lead may have something to tell: what its function returned when it met Halted.
   */
  async run<R>(job: Job): Promise<JobResult<R>> {
    if (this.#working) throw new Error("the workers are busy: one job at a time");
    if (this.#broken) throw new Error("these workers were terminated; start new ones");
    this.#working = true;
    readySched(job.mem, this.taskCount, job.cores ?? availableParallelism());
    const watch = new Watch(job);
    try {
      const pending = Array.from({ length: this.taskCount }, (_, task) => this.#order(job, task, watch));
      const done = Promise.all(pending);
      const late = watch.late.then(() => this.#terminate());
      const reports = await Promise.race([done, late.then(() => done)]);
      if (watch.failure !== undefined) throw watch.failure;
      const values = reports.map((report) => (report?.kind === "returned" ? (report.value as R) : undefined));
      return watch.stopped === undefined ? { values } : { values, stopped: watch.stopped };
    } finally {
      watch.end();
      this.#working = false;
    }
  }

  async #order(job: Job, task: number, watch: Watch): Promise<TaskReport | undefined> {
    const { module, entry, data } = job;
    try {
      const report = await this.#pool.run({
        memory: job.mem.wasm,
        task,
        taskCount: this.taskCount,
        module,
        entry,
        data,
      });
      if (report.kind === "threw") {
        const cause = Object.assign(new Error(report.message), { name: report.name, stack: report.stack });
        watch.fail(new TaskFailure(task, "threw", `${report.name}: ${report.message}`, { cause }));
      }
      return report;
    } catch (error) {
      watch.fail(this.#broken ? stuck(task, error) : died(task, error));
      return undefined;
    }
  }

  async #terminate(): Promise<void> {
    this.#broken = true;
    await this.#pool.destroy();
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.#broken = true;
    await this.#pool.destroy();
  }
}

/** Watches over one job, and halts its machine when there is a reason to. */
class Watch {
  failure: TaskFailure | undefined;
  stopped: JobResult<unknown>["stopped"];
  /** Resolves when halted threads have had their time to leave. */
  readonly late: Promise<void>;

  readonly #mem: Memory;
  readonly #patience: number;
  readonly #look: NodeJS.Timeout;
  readonly #end: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  #grace: NodeJS.Timeout | undefined;
  #isLate: () => void = () => {};
  #seen = "";
  #since = performance.now();

  constructor({ mem, timeout, signal, patience }: Job) {
    this.#mem = mem;
    this.#patience = patience ?? PATIENCE_MS;
    this.late = new Promise((resolve) => (this.#isLate = resolve));
    this.#look = setInterval(() => this.#lookForProgress(), LOOK_MS);
    if (timeout !== undefined) this.#end = setTimeout(() => this.#stop("timeout"), timeout);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted === true) this.#abort();
  }

  readonly #abort = (): void => this.#stop("aborted");

  #stop(why: JobResult<unknown>["stopped"]): void {
    this.stopped ??= why;
    this.#halt();
  }

  /** The first failure is the cause of the others. */
  fail(failure: TaskFailure): void {
    this.failure ??= failure;
    this.#halt();
  }

  #halt(): void {
    halt(this.#mem);
    this.#grace ??= setTimeout(this.#isLate, GRACE_MS);
  }

  /** Between runs the lead may work for long; a task that has the baton has to make steps. */
  #lookForProgress(): void {
    const { current, runs, steps } = engineState(this.#mem);
    const now = `${current} ${runs} ${steps}`;
    if (current === HOST_TASK || now !== this.#seen) {
      this.#seen = now;
      this.#since = performance.now();
    } else if (performance.now() - this.#since > this.#patience) {
      const words = `it has not made a step for ${this.#patience} ms`;
      this.fail(new TaskFailure(current, "stuck", words));
    }
  }

  end(): void {
    clearInterval(this.#look);
    clearTimeout(this.#end);
    clearTimeout(this.#grace);
    this.#signal?.removeEventListener("abort", this.#abort);
  }
}
