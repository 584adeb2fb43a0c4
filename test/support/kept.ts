// explore, replay and crash with threads that are kept until the last test of the file: they have compiled the kernel,
// and starting two takes most of a second of the processor, more than most searches of the tests.

import { afterAll } from "vitest";
import { crashWith, type CrashOptions, type CrashResult } from "../../src/lab/crash.ts";
import { exploreWith, type ExploreOptions, type ExploreResult } from "../../src/lab/explore.ts";
import { Crews } from "../../src/lab/host/crews.ts";
import { replayWith, type ReplayOptions, type ReplayResult } from "../../src/lab/replay.ts";
import type { Scenario } from "../../src/lab/scenario.ts";

const crews = new Crews();
afterAll(async () => crews.close());

type Given = string | Scenario;

export const explore = async (scenario: Given, options: ExploreOptions): Promise<ExploreResult> =>
  exploreWith(crews, scenario, options);

export const replay = async (scenario: Given | undefined, options: ReplayOptions): Promise<ReplayResult> =>
  replayWith(crews, scenario, options);

export const crash = async (scenario: Given, options: CrashOptions): Promise<CrashResult> =>
  crashWith(crews, scenario, options);
