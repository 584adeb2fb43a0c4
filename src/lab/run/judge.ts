// The verdict on what tasks have done, whoever scheduled them: the oracles applied to the recorded calls and
// to the machine as it is.
//
// A verdict is looked up, not found again, whenever the calls with their bytes, the state the run ended in
// and the tasks' results are those of an earlier run: interleavings are many, outcomes few.

import { runAs } from "../../machine/cpu.ts";
import { allocateControl } from "../../machine/layout.ts";
import { freeze, thaw } from "../../ext4/journal/commit.ts";
import { superBlock } from "../../ext4/super.ts";
import { Bug, Halted, RecordsFull } from "../../machine/errors.ts";
import { HOST_TASK } from "../../machine/limits.ts";
import { heldLocks, ordersOf } from "../../locks/lockdep.ts";
import type { Memory } from "../../machine/memory.ts";
import { hashState, restoreSnapshot, takeSnapshot } from "../../machine/snapshot.ts";
import { setTasks } from "../../syscalls/process.ts";
import { hashRecords, recordsOverflowed, resetRecords, setRecording } from "../../syscalls/record.ts";
import { Sys } from "../../syscalls/sys.ts";
import type { Design } from "../../xip/design.ts";
import type { MachineOptions } from "../options.ts";
import { checkEndState, GoodStates } from "../oracles/endstate.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import { historyOf, recordedCalls, type RecordedCall } from "../oracles/history.ts";
import { InitialFiles } from "../oracles/initial.ts";
import { namesOf, pathsIn } from "../oracles/names.ts";
import type { Finding } from "../oracles/promises.ts";
import { processesOf, taskNames, type Scenario, type Seen } from "../scenario.ts";
import { shown, UsageError } from "../usage.ts";
import { clearResults, hashResults, loadResult } from "./results.ts";

/** Bytes of a key: the three hashes, and zeros up to a whole hash block. */
const KEY = 32;

/** The scenario's setup threw: no run was made. */
export class SetupError extends Error {
  override readonly name = "SetupError";
}

export class Judge {
  readonly mem: Memory;
  readonly scenario: Scenario;
  readonly design: Design;
  readonly options: MachineOptions;
  readonly tasks: readonly string[];
  readonly #results: number;
  readonly #setup: RecordedCall[];
  /** What files held when a run begins. */
  readonly initial: InitialFiles;
  readonly #keyAt: number;
  readonly #verdicts = new Map<number, Finding | undefined>();
  readonly #endStates = new Set<number>();
  readonly #good = new GoodStates();
  #orders: Uint8Array | undefined;
  /** Of what the last run left; 0 when it was not judged. */
  lastHash = 0;
  #endState = 0;

  /** Runs the setup, and takes the snapshot that every run starts from. */
  constructor(mem: Memory, scenario: Scenario, design: Design, options: MachineOptions, results: number) {
    this.mem = mem;
    this.scenario = scenario;
    this.design = design;
    this.options = options;
    this.tasks = taskNames(scenario);
    this.#results = results;
    this.#keyAt = allocateControl(mem, KEY);
    this.#setup = setUp(mem, scenario, design);
    this.initial = new InitialFiles(this.#setup);
    takeSnapshot(mem);
  }

  names(calls: readonly RecordedCall[]): Names {
    return namesOf(this.tasks, [...this.#setup, ...calls]);
  }

  /**
   * From now on every run starts with the orders of locks that are known now: whether lockdep finds an
   * inversion in a run is then a matter of its schedule, not of what was run before, and it replays.
   */
  keepOrders(): void {
    const { at, length } = ordersOf(this.mem);
    this.#orders = this.mem.read(at, length);
  }

  /** Goes back to what the setup left, and records what comes. */
  startOver(): void {
    const { mem, tasks } = this;
    this.lastHash = 0;
    if (this.#orders !== undefined) mem.write(ordersOf(mem).at, this.#orders);
    restoreSnapshot(mem);
    resetRecords(mem, tasks.length);
    clearResults(mem, this.#results, tasks.length);
    setRecording(mem, true);
  }

  /**
   * The first promise that the recorded calls and the state they left do not keep, after all tasks have
   * ended.  Changes the machine: `startOver` comes next.
   */
  verdict(): Finding | undefined {
    setRecording(this.mem, false);
    if (recordsOverflowed(this.mem)) {
      throw new RecordsFull(
        `scenario ${this.scenario.name} makes more calls, or calls with more bytes, than can be recorded in one run`,
      );
    }
    const key = this.#hash();
    this.lastHash = key;
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    const finding = this.#heldLocks() ?? this.#judge();
    this.#verdicts.set(key, finding);
    return finding;
  }

  /** A hash of everything a run has left: machine, calls with their bytes, results. */
  #hash(): number {
    const { mem, tasks } = this;
    const word = this.#keyAt >>> 3;
    this.#endState = hashState(mem);
    this.#endStates.add(this.#endState);
    mem.f64[word] = this.#endState;
    mem.f64[word + 1] = hashRecords(mem);
    mem.f64[word + 2] = hashResults(mem, this.#results, tasks.length);
    return mem.bulk.hash(this.#keyAt, KEY, 0);
  }

  /** The hashes of the distinct states that runs have ended in. */
  get endStates(): ReadonlySet<number> {
    return this.#endStates;
  }

  /** A lock that a task has kept would stop whoever looks at what it left. */
  #heldLocks(): Finding | undefined {
    for (const [task, name] of this.tasks.entries()) {
      const [lock] = heldLocks(this.mem, task);
      if (lock !== undefined)
        return { promise: "no-bug", message: `task ${name} ended while it held ${lock}` };
    }
    return undefined;
  }

  #judge(): Finding | undefined {
    const { mem, design, options } = this;
    const calls = recordedCalls(mem);
    const names = this.names(calls);
    const initial = this.initial;
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
        endState: this.#endState,
        good: this.#good,
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
    const sentence = sentenceOf(() => check(sys, seen));
    if (sentence === undefined) return undefined;
    if (typeof sentence === "string") return { promise: "claim", message: sentence };
    throw new UsageError(
      `the check of scenario ${name} returns a sentence or undefined, not ${shown(sentence)}`,
    );
  }
}

/** What a check returns, or that it threw: an assertion, or a system call that finds less than it should. */
function sentenceOf(check: () => unknown): unknown {
  try {
    return check();
  } catch (error) {
    if (error instanceof Bug || error instanceof Halted) throw error;
    return `the check threw: ${String(error)}`;
  }
}

/** Runs the setup alone, and returns its calls. */
function setUp(mem: Memory, scenario: Scenario, design: Design): RecordedCall[] {
  const before = runAs(HOST_TASK);
  const sys = new Sys(mem, design, HOST_TASK);
  resetRecords(mem, 0);
  setRecording(mem, true);
  try {
    scenario.setup?.(sys);
    sys.sync();
    // Everything at its place: a run that is cut by a power failure has its own transactions to recover only.
    freeze(superBlock(mem));
    thaw(superBlock(mem));
  } catch (error) {
    throw new SetupError(`the setup of scenario ${scenario.name} threw: ${String(error)}`, { cause: error });
  }
  setRecording(mem, false);
  if (recordsOverflowed(mem)) {
    throw new RecordsFull(`the setup of scenario ${scenario.name} writes more than can be recorded`);
  }
  const processes = processesOf(scenario);
  for (const process of new Set(processes)) {
    setTasks(mem, process, processes.filter((other) => other === process).length);
  }
  runAs(before.task, before.engine);
  return recordedCalls(mem);
}
