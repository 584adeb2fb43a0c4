// The public API.  What a design of one's own needs is in kernel.ts (`unwritten/kernel`).

export { boot, type BootOptions, type Machine } from "./lab/machine.ts";
export { mkfs, type ImageWriter, type MkfsOptions } from "./lab/mkfs.ts";
export { scenario, type Scenario, type ScenarioDefinition, type Seen, type Task } from "./lab/scenario.ts";
export { scenarios } from "./lab/scenarios/index.ts";
export { explore, type ExploreOptions, type ExploreResult, type SearchOptions } from "./lab/explore.ts";
export { crash, type CrashOptions, type CrashResult } from "./lab/crash.ts";
export { crashScenarios } from "./lab/scenarios/crash/index.ts";
export { replay, type ReplayOptions, type ReplayResult } from "./lab/replay.ts";
export { matrix, type Cell, type MatrixOptions, type MatrixResult } from "./lab/matrix.ts";
export type { JobOptions, Progress } from "./lab/host/jobs.ts";
export { stress, type StressOptions, type StressResult } from "./lab/stress.ts";
export type { FreeViolation } from "./lab/run/rounds.ts";
export type { Violation } from "./lab/run/violation.ts";
export type { MachineOptions } from "./lab/options.ts";
export { promises, type PromiseName } from "./lab/oracles/promises.ts";
export { RecordsFull } from "./machine/errors.ts";
export { UsageError } from "./lab/usage.ts";
export { TaskError } from "./lab/host/crews.ts";
export { SetupError } from "./lab/run/judge.ts";
export { NotDeterministic } from "./lab/run/determinism.ts";
export { ScheduleError, ScheduleMisfit } from "./sched/schedule.ts";
export { designs } from "./xip/designs/index.ts";
export type { Design } from "./xip/design.ts";
export { Sys } from "./syscalls/sys.ts";
export { SysError } from "./syscalls/error.ts";
