// The verdict on what tasks have done, whoever scheduled them: the oracles applied to the recorded calls and
// to the machine as it is.  Made once the setup has run; every judgement starts from what it left.

import { runAs } from "../../machine/cpu.ts";
import { HOST_TASK } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { takeSnapshot } from "../../machine/snapshot.ts";
import { setTasks } from "../../syscalls/process.ts";
import { recordsOverflowed, resetRecords, setRecording } from "../../syscalls/record.ts";
import { Sys } from "../../syscalls/sys.ts";
import type { Design } from "../../xip/design.ts";
import type { MachineOptions } from "../options.ts";
import { checkEndState } from "../oracles/endstate.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import { historyOf, recordedCalls, type RecordedCall } from "../oracles/history.ts";
import { InitialFiles } from "../oracles/initial.ts";
import { namesOf, pathsIn } from "../oracles/names.ts";
import type { Finding } from "../oracles/promises.ts";
import { processesOf, taskNames, type Scenario, type Seen } from "../scenario.ts";
import { loadResult } from "./results.ts";

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
  readonly #initial: InitialFiles;

  /** Runs the setup, and takes the snapshot that every run starts from. */
  constructor(mem: Memory, scenario: Scenario, design: Design, options: MachineOptions, results: number) {
    this.mem = mem;
    this.scenario = scenario;
    this.design = design;
    this.options = options;
    this.tasks = taskNames(scenario);
    this.#results = results;
    this.#setup = setUp(mem, scenario, design);
    this.#initial = new InitialFiles(this.#setup);
    takeSnapshot(mem);
  }

  names(calls: readonly RecordedCall[]): Names {
    return namesOf(this.tasks, [...this.#setup, ...calls]);
  }

  /** The first promise that the recorded calls and the state they left do not keep.  Changes the machine. */
  judge(): Finding | undefined {
    const { mem, design, options, scenario } = this;
    if (recordsOverflowed(mem)) {
      throw new RangeError(
        `scenario ${scenario.name} makes more calls, or calls with more bytes, than can be recorded in one run`,
      );
    }
    const calls = recordedCalls(mem);
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
  } catch (error) {
    throw new SetupError(`the setup of scenario ${scenario.name} threw: ${String(error)}`, { cause: error });
  }
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
