// A random workload: tasks that make weighted random calls on a few shared files, and on names (names.ts).
//
// What a task does in a round follows from the seed, the round and the task alone, so a round can be made
// again; how the tasks overlap is up to the hardware.  Values are never 0x00 nor the stale pattern, so
// that zeros and stale bytes are what they look like.

import { STALE } from "../../machine/pmem.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import type { Sys } from "../../syscalls/sys.ts";
import type { Scenario } from "../scenario.ts";
import { fallocated } from "../scenarios/bytes.ts";
import { knownKeys, list, shown, UsageError, wholeNumber } from "../usage.ts";
import { checkNames, NAME_OPS, NAMES, NameTask, type NameOp, type NamesLeft } from "./names.ts";

const DATA_OPS = ["write", "read", "load", "store", "truncate", "fallocate", "append", "fsync"] as const;
type DataOp = (typeof DATA_OPS)[number];
export type WorkloadOp = DataOp | NameOp;
const WORKLOAD_OPS: readonly WorkloadOp[] = [...DATA_OPS, ...NAME_OPS];
/** How often each call is made, relative to the others; calls that are not named are not made. */
export type Weights = Partial<Record<WorkloadOp, number>>;

export interface Workload {
  readonly weights: Readonly<Record<WorkloadOp, number>>;
  readonly tasks: number;
  readonly files: number;
  readonly seed: number;
}

const DEFAULT_WEIGHTS: Weights = { write: 4, read: 2, load: 2, store: 2, truncate: 1, fallocate: 1 };
/** Calls of a task in a round: enough to overlap, few enough for a verdict in a few milliseconds. */
const CALLS = 12;
const FILE_BLOCKS = 6;
const FILE_BYTES = FILE_BLOCKS * PAGE_SIZE;

/** Weights given by name; at least one is above 0. */
export function checkWeights(given: unknown): Readonly<Record<WorkloadOp, number>> {
  const weights = (given ?? DEFAULT_WEIGHTS) as Weights;
  if (typeof weights !== "object" || Array.isArray(weights)) {
    throw new UsageError(`ops is an object of weights such as { write: 4, read: 2 }, not ${shown(given)}`);
  }
  knownKeys("ops", weights, WORKLOAD_OPS);
  const checked = Object.fromEntries(
    WORKLOAD_OPS.map((op) => [op, wholeNumber(`the weight of ${op}`, weights[op] ?? 0, 0, 1000)]),
  ) as Record<WorkloadOp, number>;
  if (WORKLOAD_OPS.some((op) => checked[op] > 0)) return checked;
  throw new UsageError(`some weight must be above 0, of ${list(WORKLOAD_OPS)}`);
}

const nameOf = (task: number): string => `task-${task}`;
const pathOf = (file: number): string => `/shared-${file}`;

/** The workload as a scenario whose tasks need the number of the round. */
export function workloadScenario(workload: Workload, round: () => number): Scenario {
  const tasks = Array.from({ length: workload.tasks }, (_, task) => [
    nameOf(task),
    (sys: Sys): NamesLeft => doCalls(sys, workload, round(), task),
  ]);
  return {
    name: "workload",
    url: "",
    claim:
      "Whatever tasks do to shared files and names, every byte read is explained by the calls, and names of one task alone are as it left them.",
    check: checkNames,
    setup(sys) {
      sys.mkdir(NAMES);
      for (let file = 0; file < workload.files; file++) {
        const fd = sys.open(pathOf(file), "w+");
        // Of the first file all is reserved and nothing written; the others begin with some of everything.
        if (file === 0) reserve(sys, fd, 0, FILE_BYTES);
        else {
          sys.pwrite(fd, new Uint8Array(PAGE_SIZE).fill(file), 0);
          reserve(sys, fd, 2 * PAGE_SIZE, 2 * PAGE_SIZE);
        }
        sys.close(fd);
      }
    },
    tasks: Object.fromEntries(tasks),
  };
}

/** Space that reads as zeros: unwritten, or a hole in a design that reserves nothing. */
function reserve(sys: Sys, fd: number, offset: number, length: number): void {
  if (!fallocated(sys, fd, 0, offset, length)) sys.ftruncate(fd, offset + length);
}

/** Random numbers of one task in one round: mulberry32 (Tommy Ettinger, public domain). */
function randomOf(seed: number, round: number, task: number): (below: number) => number {
  let state =
    Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca6b) ^ Math.imul(task + 1, 0xc2b2ae35);
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function doCalls(sys: Sys, workload: Workload, round: number, task: number): NamesLeft {
  const random = randomOf(workload.seed, round, task);
  const names = new NameTask(sys, nameOf(task), random);
  const fds = Array.from({ length: workload.files }, (_, file) => sys.open(pathOf(file), "r+"));
  const maps = fds.map((fd) => sys.mmap(FILE_BYTES, "rw", "shared", fd, 0));
  const bag = WORKLOAD_OPS.flatMap((op) => Array.from({ length: workload.weights[op] }, () => op));
  for (let call = 0; call < CALLS; call++) {
    const file = random(fds.length);
    const op = bag[random(bag.length)] as WorkloadOp;
    if (isNameOp(op)) {
      names.call(op);
      continue;
    }
    try {
      doCall(sys, op, fds[file] as number, maps[file] as number, random);
    } catch (error) {
      if (!expected(error)) throw error;
    }
  }
  return names.left;
}

const isNameOp = (op: WorkloadOp): op is NameOp => (NAME_OPS as readonly WorkloadOp[]).includes(op);

/** What may happen to a program here: loads behind the end, a full disk, a mode the design does not know. */
function expected(error: unknown): boolean {
  return ["SIGBUS", "ENOSPC", "EOPNOTSUPP"].includes((error as { code?: string }).code ?? "");
}

function doCall(sys: Sys, op: DataOp, fd: number, map: number, random: (below: number) => number): void {
  const position = random(2) === 0 ? random(FILE_BLOCKS) * PAGE_SIZE : random(FILE_BYTES - PAGE_SIZE);
  const length = 1 + (random(2) === 0 ? random(600) : random(PAGE_SIZE));
  const bytes = (): Uint8Array => {
    const value = 1 + random(254);
    return new Uint8Array(length).fill(value === STALE ? 1 : value);
  };
  switch (op) {
    case "write":
      sys.pwrite(fd, bytes(), position);
      return;
    case "read":
      sys.pread(fd, length, position);
      return;
    case "load":
      sys.load(map + position, Math.min(length, FILE_BYTES - position));
      return;
    case "store":
      sys.store(map + position, bytes().subarray(0, FILE_BYTES - position));
      return;
    case "truncate":
      sys.ftruncate(fd, position);
      return;
    case "fallocate":
      sys.fallocate(fd, 0, position, length);
      return;
    case "append":
      sys.pwrite(fd, bytes(), Math.min(sys.fstat(fd).size, FILE_BYTES));
      return;
    case "fsync":
      sys.fsync(fd);
  }
}
