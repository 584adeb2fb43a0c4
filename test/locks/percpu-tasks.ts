// What the threads of percpu-rwsem.test.ts run: programs for a percpu rwsem, also for an "open" one, whose words announce
// every operation.  That one has words for so many tasks as a program has at most.

import { LockClass } from "../../src/locks/classes.ts";
import {
  initPercpuRwSem,
  percpuDownRead,
  percpuDownWrite,
  PercpuRwSem,
  percpuUpRead,
  percpuUpWrite,
} from "../../src/locks/percpu-rwsem.ts";
import type { Memory } from "../../src/machine/memory.ts";
import { array, atomic, embed, linePair, struct, u32, type ViewOf } from "../../src/machine/struct.ts";
import { counting, open, pairing, type Pair, type Program } from "./explore-programs.ts";
import { exploreAs, type Exploration, type Explored } from "./explore-tasks.ts";

const OpenReader = struct("open_percpu_reader", { line: linePair, word: atomic });
const OpenPercpuRwSem = struct("open_percpu_rwsem", {
  state: atomic,
  writer: atomic,
  class: u32,
  readers: array(OpenReader, 3),
});

export const PercpuToy = struct("percpu_toy", {
  sem: embed(PercpuRwSem),
  openSem: embed(OpenPercpuRwSem),
  first: atomic,
  second: atomic,
  seen: u32,
});
type PercpuToy = ViewOf<typeof PercpuToy>;

const write: Pair<PercpuToy> = [({ sem }) => percpuDownWrite(sem), ({ sem }) => percpuUpWrite(sem)];
const read: Pair<PercpuToy> = [({ sem }) => percpuDownRead(sem), ({ sem }) => percpuUpRead(sem)];
const openWrite: Pair<PercpuToy> = [
  ({ openSem }) => percpuDownWrite(openSem),
  ({ openSem }) => percpuUpWrite(openSem),
];
const openRead: Pair<PercpuToy> = [
  ({ openSem }) => percpuDownRead(openSem),
  ({ openSem }) => percpuUpRead(openSem),
];

function inside(toy: PercpuToy): void {
  percpuDownRead(toy.sem);
  toy.first.add(1);
  if (toy.first.load() === 2) toy.seen = 1;
  toy.first.add(-1);
  percpuUpRead(toy.sem);
}

/** A pairing with one more writer, who comes and goes. */
function beside(writer: Pair<PercpuToy>, program: Program<PercpuToy>): Program<PercpuToy> {
  const task = (toy: PercpuToy): void => {
    writer[0](toy);
    writer[1](toy);
  };
  return { ...program, tasks: [...program.tasks, task] };
}

export const percpuPrograms = {
  writers: counting(write, write),
  "three writers": counting(write, write, write),
  "open writers": open(counting(openWrite, openWrite)),
  "open, three writers": open(counting(openWrite, openWrite, openWrite)),
  "for reading by mistake": counting(read, read),
  "one reader": pairing(write, read),
  "two readers": pairing(write, read, read),
  "two writers and a reader": beside(write, pairing(write, read)),
  "open, one reader": open(pairing(openWrite, openRead)),
  "open, two readers": open(pairing(openWrite, openRead, openRead)),
  "open, two writers and a reader": open(beside(openWrite, pairing(openWrite, openRead))),
  "two readers inside": { tasks: [inside, inside], show: ({ seen }) => (seen === 1 ? "together" : "apart") },
} satisfies Record<string, Program<PercpuToy>>;

function init({ sem, openSem }: PercpuToy): void {
  initPercpuRwSem(sem, LockClass["journal.sem"]);
  initPercpuRwSem(openSem, LockClass["journal.sem"]);
}

export type PercpuName = keyof typeof percpuPrograms;

export function run(
  mem: Memory,
  task: number,
  taskCount: number,
  wanted: Exploration<PercpuName>,
): Explored | undefined {
  const subject = { toy: PercpuToy.of(mem, wanted.at), init, locks: PercpuToy.offset("first") };
  return exploreAs(mem, task, taskCount, wanted, { ...subject, program: percpuPrograms[wanted.program] });
}
