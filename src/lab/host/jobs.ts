// The host's side of machines that work in worker threads: boots them when there are cores, watches the
// clock and the signal, adds up their progress, and asks them to stop.
//
// A machine that was asked to stop ends after the run it is in and reports; one that does not within the
// grace time is halted, and what its counters say is all that is known.  One that still waits for cores is not
// begun.

import type { Memory } from "../../machine/memory.ts";
import type { Crews } from "./crews.ts";
import { bootMemory, type MachineSpec } from "./memory.ts";
import { askToStop, limitRuns, makeControl, type Control } from "../run/control.ts";
import { shown, UsageError, wholeNumber } from "../usage.ts";

/** How far a search is. */
export interface Progress {
  readonly runs: number;
  /** Distinct states that runs have ended in. */
  readonly distinct: number;
  /** Runs that broke a promise. */
  readonly violations: number;
}

/** What every long piece of work takes. */
export interface JobOptions {
  /** Ends after so many milliseconds. */
  timeout?: number;
  /** Ends the work; what was found so far is the result. */
  signal?: AbortSignal;
  /** Called a few times a second. */
  onProgress?: (progress: Progress) => void;
}

/** One machine's work. */
export interface Work {
  readonly tasks: readonly string[];
  readonly machine: MachineSpec;
  /** The module, beside this one, whose function `entry` every thread runs. */
  readonly module: string;
  readonly entry: string;
  /** How many cores it keeps busy; as many as it has tasks, unless its lead works alone most of the time. */
  readonly cores?: number;
  /** What the threads are told, once the machine exists. */
  readonly order: (mem: Memory, control: number) => unknown;
}

/** What became of it; `report` is undefined when the machine had to be halted, or was stopped before it began. */
export interface Done<R> {
  readonly report: R | undefined;
  readonly runs: number;
  readonly broken: number;
}

const LOOK_MS = 100;
const GRACE_MS = 10_000;

export function checkJobOptions({ timeout, signal, onProgress }: JobOptions): void {
  if (timeout !== undefined) wholeNumber("timeout", timeout, 1, 2 ** 31 - 1);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new UsageError(`signal is an AbortSignal, not ${shown(signal)}`);
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw new UsageError(`onProgress is a function, not ${shown(onProgress)}`);
  }
}

export class Jobs<R> {
  readonly #crews: Crews;
  readonly #options: JobOptions;
  /** Of the machines that work. */
  readonly #controls: Control[] = [];
  /** What those that are done came to. */
  readonly #ended: Progress[] = [];
  readonly #hard = new AbortController();
  #begin = 0;
  #timer: NodeJS.Timeout | undefined;
  #grace: NodeJS.Timeout | undefined;
  #stopped = false;
  #lastRun = Infinity;

  constructor(crews: Crews, options: JobOptions) {
    this.#crews = crews;
    this.#options = options;
  }

  /** Milliseconds since the first machine began; the time spent waiting for cores does not count. */
  get elapsed(): number {
    return this.#begin === 0 ? 0 : performance.now() - this.#begin;
  }

  /**
   * Each piece of work on a machine of its own.  `enough` says of a report that the others can stop, or after which run.
   */
  async run(works: readonly Work[], enough: (report: R) => boolean | number): Promise<Done<R>[]> {
    const { signal, onProgress } = this.#options;
    const stop = (): void => this.#stop();
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    const look = onProgress && setInterval(() => onProgress(this.#progress()), LOOK_MS);
    try {
      return await Promise.all(works.map((work) => this.#one(work, enough)));
    } catch (error) {
      stop();
      throw error;
    } finally {
      signal?.removeEventListener("abort", stop);
      clearTimeout(this.#timer);
      clearTimeout(this.#grace);
      clearInterval(look);
      onProgress?.(this.#progress());
    }
  }

  async #one(work: Work, enough: (report: R) => boolean | number): Promise<Done<R>> {
    let control: Control | undefined;
    const done = await this.#crews.run<R, Done<R>>(
      work.tasks,
      { size: work.machine.size, ...(work.cores !== undefined && { cores: work.cores }) },
      () => !this.#stopped,
      (used) => {
        this.#startClock();
        const mem = bootMemory(work.machine, used);
        control = makeControl(mem);
        this.#controls.push(control);
        if (this.#lastRun < Infinity) limitRuns(control, this.#lastRun);
        return {
          mem,
          module: new URL(work.module, import.meta.url).href,
          entry: work.entry,
          data: work.order(mem, control.at),
          signal: this.#hard.signal,
        };
      },
      ({ values: [report] }) => {
        const { runs, distinct, broken } = control as Control;
        this.#controls.splice(this.#controls.indexOf(control as Control), 1);
        this.#ended.push({ runs, distinct, violations: broken });
        this.#told(report === undefined ? false : enough(report));
        return { report, runs, broken };
      },
    );
    return done ?? { report: undefined, runs: 0, broken: 0 };
  }

  #told(enough: boolean | number): void {
    if (enough === true) this.#stop();
    if (typeof enough !== "number" || enough >= this.#lastRun) return;
    this.#lastRun = enough;
    for (const control of this.#controls) limitRuns(control, enough);
  }

  #startClock(): void {
    if (this.#begin !== 0) return;
    this.#begin = performance.now();
    const { timeout } = this.#options;
    if (timeout !== undefined) this.#timer = setTimeout(() => this.#stop(), timeout);
  }

  #stop(): void {
    this.#stopped = true;
    for (const control of this.#controls) askToStop(control);
    this.#grace ??= setTimeout(() => this.#hard.abort(), GRACE_MS);
  }

  #progress(): Progress {
    const working = this.#controls.map(({ runs, distinct, broken }) => ({
      runs,
      distinct,
      violations: broken,
    }));
    return sumOf([...this.#ended, ...working]);
  }
}

function sumOf(parts: readonly Progress[]): Progress {
  const sum = (pick: (part: Progress) => number): number =>
    parts.reduce((total, part) => total + pick(part), 0);
  return {
    runs: sum(({ runs }) => runs),
    distinct: sum(({ distinct }) => distinct),
    violations: sum(({ violations }) => violations),
  };
}

/** Adds up the progress of pieces of work that go on at once. */
export class ProgressSum {
  readonly #parts: Progress[] = [];
  readonly #report: ((progress: Progress) => void) | undefined;

  constructor(report: ((progress: Progress) => void) | undefined) {
    this.#report = report;
  }

  part(): (progress: Progress) => void {
    const index = this.#parts.push({ runs: 0, distinct: 0, violations: 0 }) - 1;
    return (progress) => {
      this.#parts[index] = progress;
      this.#report?.(sumOf(this.#parts));
    };
  }
}
