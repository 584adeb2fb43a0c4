// What the tasks of rwsem-stress.test.ts do, with either of the reader-writer locks.

import { complete, Completion, waitForCompletion } from "../../src/locks/completion.ts";
import {
  percpuDownRead,
  percpuDownWrite,
  PercpuRwSem,
  percpuUpRead,
  percpuUpWrite,
} from "../../src/locks/percpu-rwsem.ts";
import {
  downgradeWrite,
  downRead,
  downReadTry,
  downWrite,
  downWriteTry,
  RwSem,
  upRead,
  upWrite,
} from "../../src/locks/rwsem.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { embed, quiet, struct, u32, type ViewOf } from "../../src/machine/struct.ts";
import { dawdle } from "./stress-bodies.ts";

export const RwStress = struct("rwsem_stress", {
  percpu: u32, // which lock: 0 or 1
  sem: embed(RwSem),
  percpuSem: embed(PercpuRwSem),
  ping: embed(Completion),
  pong: embed(Completion),
  stop: quiet,
  first: u32, // the two counters of one promise: equal whenever nobody writes
  second: u32,
});
type RwStress = ViewOf<typeof RwStress>;

/** Both sides of the lock under test. */
interface Sides {
  readonly it: RwStress;
  share(): void;
  unshare(): void;
  take(): void;
  release(): void;
}

function stress(mem: Memory, at: number): Sides {
  const it = RwStress.of(mem, at);
  const { sem, percpuSem } = it;
  if (it.percpu === 0) {
    return {
      it,
      share: () => downRead(sem),
      unshare: () => upRead(sem),
      take: () => downWrite(sem),
      release: () => upWrite(sem),
    };
  }
  return {
    it,
    share: () => percpuDownRead(percpuSem),
    unshare: () => percpuUpRead(percpuSem),
    take: () => percpuDownWrite(percpuSem),
    release: () => percpuUpWrite(percpuSem),
  };
}

export function write(mem: Memory, at: number, rounds: number): void {
  const { it, take, release } = stress(mem, at);
  for (let i = 0; i < rounds; i++) {
    take();
    it.first += 1;
    dawdle(it, i);
    it.second += 1;
    release();
  }
}

/** Returns how many of its reads were torn. */
export function read(mem: Memory, at: number, rounds: number): number {
  const { it, share, unshare } = stress(mem, at);
  let torn = 0;
  for (let i = 0; i < rounds; i++) {
    share();
    const first = it.first;
    dawdle(it, i);
    if (it.second !== first) torn++;
    unshare();
  }
  return torn;
}

/** The same pair through the tries; returns [writes, torn reads]. */
export function tryBoth(mem: Memory, at: number, rounds: number): [number, number] {
  const it = RwStress.of(mem, at);
  let [writes, torn] = [0, 0];
  for (let i = 0; i < rounds; i++) {
    if (downWriteTry(it.sem)) {
      it.first += 1;
      dawdle(it, i);
      it.second += 1;
      writes++;
      upWrite(it.sem);
    }
    if (!downReadTry(it.sem)) continue;
    if (it.first !== it.second) torn++;
    upRead(it.sem);
  }
  return [writes, torn];
}

/** Writes, keeps the read side, and returns how often another write came in between. */
export function writeThenRead(mem: Memory, at: number, rounds: number): number {
  const it = RwStress.of(mem, at);
  let overtaken = 0;
  for (let i = 0; i < rounds; i++) {
    downWrite(it.sem);
    it.first += 1;
    it.second += 1;
    const mine = it.first;
    downgradeWrite(it.sem);
    dawdle(it, i);
    if (it.first !== mine || it.second !== mine) overtaken++;
    upRead(it.sem);
  }
  return overtaken;
}

/** Has the read side while the partner has it too: neither leaves before both are in. */
export function meetAsFirst(mem: Memory, at: number, rounds: number): void {
  meet(stress(mem, at), rounds, "ping", "pong");
}

export function meetAsSecond(mem: Memory, at: number, rounds: number): void {
  meet(stress(mem, at), rounds, "pong", "ping");
}

function meet(
  { it, share, unshare }: Sides,
  rounds: number,
  mine: "ping" | "pong",
  other: "ping" | "pong",
): void {
  for (let i = 0; i < rounds; i++) {
    share();
    complete(it[mine]);
    waitForCompletion(it[other]);
    unshare();
  }
}

/** A stream of reads, until `stop`; says after the first that it flows. */
export function readUntilStopped(mem: Memory, at: number): void {
  const { it, share, unshare } = stress(mem, at);
  for (let i = 0; it.stop.load() === 0; i++) {
    share();
    dawdle(it, 0);
    unshare();
    if (i === 0) complete(it.ping);
  }
}

export function writeUntilStopped(mem: Memory, at: number): void {
  const { it, take, release } = stress(mem, at);
  for (let i = 0; it.stop.load() === 0; i++) {
    take();
    dawdle(it, 0);
    release();
    if (i === 0) complete(it.ping);
  }
}

/** Writes while three streams flow, then stops them. */
export function writeThenStop(mem: Memory, at: number, rounds: number): void {
  const { it } = stress(mem, at);
  for (let i = 0; i < 3; i++) waitForCompletion(it.ping);
  write(mem, at, rounds);
  it.stop.store(1);
}

export function readThenStop(mem: Memory, at: number, rounds: number): void {
  const { it } = stress(mem, at);
  for (let i = 0; i < 3; i++) waitForCompletion(it.ping);
  read(mem, at, rounds);
  it.stop.store(1);
}
