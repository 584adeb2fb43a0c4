// The lead of an exploration: the thread of task 0.  It owns the session; between runs it goes back to the
// snapshot, and after each run it gives the verdict.
//
// A verdict is looked up, not found again, whenever the calls with their bytes, the state the run ended in
// and the tasks' results are those of an earlier run: interleavings are many, outcomes few.

import { runAs } from "../../machine/cpu.ts";
import { allocateControl } from "../../machine/layout.ts";
import { HOST_TASK, MAX_STEPS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { hashState, restoreSnapshot, takeSnapshot } from "../../machine/snapshot.ts";
import type { Plan, Turn } from "../../sched/decide.ts";
import { stepScheme } from "../../sched/schedule.ts";
import { Session, type Outcome } from "../../sched/session.ts";
import { setTasks } from "../../syscalls/process.ts";
import { hashRecords, recordsOverflowed, resetRecords, setRecording } from "../../syscalls/record.ts";
import { Sys } from "../../syscalls/sys.ts";
import type { Design } from "../../xip/design.ts";
import { checkEndState } from "../oracles/endstate.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import { historyOf, recordedCalls, type RecordedCall } from "../oracles/history.ts";
import { InitialFiles } from "../oracles/initial.ts";
import { namesOf, pathsIn } from "../oracles/names.ts";
import type { Finding } from "../oracles/promises.ts";
import { processesOf, taskNames, type Scenario, type Seen } from "../scenario.ts";
import type { MachineOptions } from "../options.ts";
import { clearResults, hashResults, loadResult } from "./results.ts";

/** What a run came to; `finding` when a promise did not hold. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly finding: Finding | undefined;
}

/** Bytes of a key: the three hashes, and zeros up to a whole hash block. */
const KEY = 32;

export class Lead {
  readonly mem: Memory;
  readonly scenario: Scenario;
  readonly design: Design;
  readonly session: Session;
  readonly tasks: readonly string[];
  readonly options: MachineOptions;
  readonly #results: number;
  readonly #setup: RecordedCall[];
  readonly #initial: InitialFiles;
  readonly #keyAt: number;
  readonly #verdicts = new Map<number, Finding | undefined>();
  readonly #endStates = new Set<number>();

  /** Sets the machine up and takes the snapshot that every run starts from. */
  constructor(
    mem: Memory,
    scenario: Scenario,
    design: Design,
    options: MachineOptions,
    results: number,
    body: () => unknown,
  ) {
    this.mem = mem;
    this.options = options;
    this.scenario = scenario;
    this.design = design;
    this.tasks = taskNames(scenario);
    this.#results = results;
    this.#keyAt = allocateControl(mem, KEY);
    this.#setup = setUp(mem, scenario, design);
    this.#initial = new InitialFiles(this.#setup);
    takeSnapshot(mem);
    this.session = new Session(mem, this.tasks.length, body);
  }

  /** Runs all tasks once from the snapshot, and judges. */
  run(plan: Plan): Verdict {
    const { mem } = this;
    restoreSnapshot(mem);
    resetRecords(mem, this.tasks.length);
    clearResults(mem, this.#results, this.tasks.length);
    setRecording(mem, true);
    const outcome = this.session.run(plan);
    setRecording(mem, false);
    return { outcome, finding: this.#judge(outcome) };
  }

  /** Runs the given turns, then on without preemption. */
  follow(turns: readonly Turn[]): Verdict {
    return this.run({ strategy: "run-on", seed: 0, switches: turns, maxSteps: MAX_STEPS });
  }

  /** The hash of the steps that the tasks make when nothing preempts them: what a schedule's counts refer to. */
  scheme(): string {
    this.follow([]);
    return stepScheme(this.session.log);
  }

  /** A hash of everything the last run left: the machine, the calls with their bytes, the results. */
  hash(): number {
    const { mem } = this;
    const word = this.#keyAt >>> 3;
    mem.f64[word] = hashRecords(mem);
    mem.f64[word + 1] = hashState(mem);
    mem.f64[word + 2] = hashResults(mem, this.#results, this.tasks.length);
    return mem.bulk.hash(this.#keyAt, KEY, 0);
  }

  /** The hashes of the distinct states that runs have ended in. */
  get endStates(): ReadonlySet<number> {
    return this.#endStates;
  }

  /** The calls of the last run. */
  calls(): RecordedCall[] {
    return recordedCalls(this.mem);
  }

  names(calls: readonly RecordedCall[]): Names {
    return namesOf(this.tasks, [...this.#setup, ...calls]);
  }

  #judge(outcome: Outcome): Finding | undefined {
    if (outcome.kind !== "done") return this.#outcomeFinding(outcome);
    if (recordsOverflowed(this.mem)) {
      throw new RangeError(
        `scenario ${this.scenario.name} makes more calls, or calls with more bytes, than can be recorded in one run`,
      );
    }
    const key = this.hash();
    this.#endStates.add(this.mem.f64[(this.#keyAt >>> 3) + 1] as number);
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    const finding = this.#look();
    this.#verdicts.set(key, finding);
    return finding;
  }

  #look(): Finding | undefined {
    const { mem, design, options } = this;
    const calls = this.calls();
    const names = this.names(calls);
    const initial = this.#initial;
    const history = historyOf(calls, initial.file);
    return (
      checkHistory(history, history.reads, initial, names) ??
      checkEndState({
        mem,
        design,
        options,
        history,
        initial,
        names,
        paths: pathsIn([...this.#setup, ...calls]),
        claim: (sys) => this.#claim(sys),
      })
    );
  }

  #claim(sys: Sys): Finding | undefined {
    const { check, name } = this.scenario;
    if (check === undefined) return undefined;
    const seen: Seen = Object.fromEntries(
      this.tasks.map((task, index) => [task, loadResult(this.mem, this.#results, index)]),
    );
    const sentence: unknown = check(sys, seen);
    if (sentence === undefined) return undefined;
    if (typeof sentence === "string") return { promise: "claim", message: sentence };
    throw new TypeError(
      `the check of scenario ${name} returns a sentence or undefined, not ${String(sentence)}`,
    );
  }

  #outcomeFinding({ kind, task, message = "" }: Outcome): Finding {
    const name = task === undefined ? "a task" : `task ${this.tasks[task]}`;
    switch (kind) {
      case "deadlock":
        return { promise: "no-deadlock", message };
      case "livelock":
        return { promise: "no-livelock", message };
      case "bug":
        return { promise: "no-bug", message: `${name}: ${message}` };
      default:
        return { promise: "claim", message: `${name} threw: ${message}` };
    }
  }
}

/** Runs the setup alone, and returns its calls. */
function setUp(mem: Memory, scenario: Scenario, design: Design): RecordedCall[] {
  const before = runAs(HOST_TASK);
  const sys = new Sys(mem, design, HOST_TASK);
  resetRecords(mem, 0);
  setRecording(mem, true);
  scenario.setup?.(sys);
  sys.sync();
  setRecording(mem, false);
  if (recordsOverflowed(mem)) {
    throw new RangeError(`the setup of scenario ${scenario.name} writes more than can be recorded`);
  }
  const processes = processesOf(scenario);
  for (const process of new Set(processes)) {
    setTasks(mem, process, processes.filter((other) => other === process).length);
  }
  runAs(before.task, before.engine);
  return recordedCalls(mem);
}
