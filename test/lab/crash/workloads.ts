// What machines do before their power fails, for witnesses that know nothing of us: the built-in scenarios, and work on
// names and space, drawn from a seed.

import { freeze, thaw } from "../../../src/ext4/journal/commit.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { crashScenarios } from "../../../src/lab/scenarios/crash/index.ts";
import { header } from "../../../src/machine/layout.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { Fallocate } from "../../../src/xip/modes.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { codeOf } from "../../support/kernel.ts";

/** Where the log of stores begins: `setup` is durable, `work` is cut. */
export interface Workload {
  readonly name: string;
  setup(sys: Sys): void;
  work(sys: Sys, mem: Memory): void;
}

export type Random = (below: number) => number;

export function randomFrom(seed: number): Random {
  let state = seed * 7919 + 17;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The tasks of the scenarios one after the other: who is witness to one state need not know of schedules. */
const ofScenarios: Workload[] = [...crashScenarios.values()].map(({ name, setup, tasks }) => ({
  name,
  setup: (sys) => setup?.(sys),
  work: (sys) => Object.values(tasks).forEach((task) => task(sys)),
}));

const FOLDERS = ["", "/a", "/a/b", "/c"];
const NAMES = ["one", "two", "three", "four", "five"];

/** Calls at random, many of which fail: names made, moved onto others and taken away, space reserved, cut, punched. */
function atRandom(seed: number): Workload {
  const random = randomFrom(seed);
  const path = (): string => `${FOLDERS[random(FOLDERS.length)]}/${NAMES[random(NAMES.length)]}`;
  const onFile = (sys: Sys, use: (fd: number) => void): void => {
    const fd = sys.open(path(), "a+");
    use(fd);
    sys.close(fd);
  };
  const write = (sys: Sys): void => {
    const fd = sys.open(path(), "r+");
    sys.pwrite(fd, new Uint8Array(1 + random(9000)).fill(1 + random(250)), random(30_000));
    sys.close(fd);
  };
  const range = (mode: number) => (sys: Sys) =>
    onFile(sys, (fd) => sys.fallocate(fd, mode, random(30_000), 1 + random(20_000)));
  const calls: ((sys: Sys) => void)[] = [
    write,
    write,
    (sys) => sys.close(sys.open(path(), "w+")),
    range(0),
    range(Fallocate.punchHole | Fallocate.keepSize),
    range(Fallocate.zeroRange),
    (sys) => sys.truncate(path(), random(30_000)),
    (sys) => sys.rename(path(), path()),
    (sys) => sys.rename(path(), path()),
    (sys) => sys.unlink(path()),
    (sys) => sys.link(path(), path()),
    (sys) => sys.symlink("a/b/one", path()),
    (sys) => sys.mkdir(`${path()}.d`),
    (sys) => sys.rmdir(`${path()}.d`),
    (sys) => onFile(sys, (fd) => sys.fsync(fd)),
    (sys) => onFile(sys, (fd) => sys.fsync(fd)),
  ];
  return {
    name: `calls at random, seed ${seed}`,
    setup(sys) {
      for (const folder of FOLDERS.slice(1)) sys.mkdir(folder);
      for (const name of NAMES) sys.close(sys.open(`/a/${name}`, "w"));
    },
    work(sys, mem) {
      for (let step = 0; step < 80; step++) {
        header(mem).seconds += 1; // so that times change, too
        const call = calls[random(calls.length)] as (sys: Sys) => void;
        codeOf(() => call(sys));
      }
    },
  };
}

export const workloads: readonly Workload[] = [...ofScenarios, ...[1, 2, 3, 4, 5, 6].map(atRandom)];

/** Brings everything that the setup did to its place: what recovery finds is the work's. */
export function settle(mem: Memory, sys: Sys): void {
  sys.sync();
  freeze(superBlock(mem));
  thaw(superBlock(mem));
}
