// What the threads of full.test.ts run: tasks that each need half of what a transaction can have, in every schedule.

import { journalOf } from "../../../src/ext4/journal/state.ts";
import { header } from "../../../src/machine/layout.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { restoreSnapshot, takeSnapshot } from "../../../src/machine/snapshot.ts";
import { Exhaustive } from "../../../src/sched/exhaustive.ts";
import { follow, Session } from "../../../src/sched/session.ts";
import { Sys } from "../../../src/syscalls/sys.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";

export interface Asked {
  readonly preemptions: number;
  readonly lockdep: number;
}

export interface Found {
  readonly runs: number;
  readonly complete: boolean;
  /** How runs have ended. */
  readonly kinds: Record<string, number>;
  readonly message: string;
  /** The most transactions that a run has committed, and the least. */
  readonly most: number;
  readonly least: number;
  /** Runs after which the log was nearly empty: it was checkpointed. */
  readonly emptied: number;
}

const design = designs.get("ext4-xip-serialized") as Design;

export function run(mem: Memory, task: number, taskCount: number, asked: Asked): Found | undefined {
  const sys = new Sys(mem, design, task);
  const body = (): void => {
    const fd = sys.open(`/file${task}`, "r+");
    sys.pwrite(fd, new Uint8Array(4096).fill(task + 1), 0);
    if (task === 0) sys.fsync(fd);
  };
  if (task > 0) {
    follow(mem, task, taskCount, body);
    return undefined;
  }
  const session = new Session(mem, taskCount, body);
  const journal = journalOf(mem);
  const { running, free } = journal;
  header(mem).lockdep = asked.lockdep;
  takeSnapshot(mem);
  const search = new Exhaustive(mem, taskCount, { preemptions: asked.preemptions, maxSteps: 10_000 });
  const kinds: Record<string, number> = {};
  let [most, least, emptied, first] = [0, Infinity, 0, ""];
  for (let plan = search.next(); plan !== undefined; plan = search.next()) {
    restoreSnapshot(mem);
    const { kind, message = "" } = session.run(plan);
    search.feedback(session.log);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (kind !== "done" && first === "") first = message;
    most = Math.max(most, journal.running - running);
    least = Math.min(least, journal.running - running);
    if (journal.free > free) emptied += 1;
  }
  session.end();
  const { runs, complete } = search;
  return { runs, complete, kinds, message: first, most, least, emptied };
}
