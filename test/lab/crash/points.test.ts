// The points at which the power fails are enough: of every moment of a run there is one that leaves at least the same, and
// is at least as strict.  Found out by trying every moment.

import { expect, test } from "vitest";
import { Op } from "../../../src/machine/cpu.ts";
import { allocateControl, createMemory } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { fence, flush, mediaAt, storeFill, streamFill } from "../../../src/machine/pmem.ts";
import { LINE, PowerFailures, type Domain } from "../../../src/machine/pmem/crash.ts";
import { startLog, stopLog, Writer } from "../../../src/machine/pmem/log.ts";
import { initSnapshot, restoreSnapshot, takeSnapshot } from "../../../src/machine/snapshot.ts";
import { initTrace, traceStepsFrom } from "../../../src/machine/trace.ts";
import { pointsOf } from "../../../src/lab/crash/points.ts";
import { randomFrom } from "./workloads.ts";

const LINES = 2;
const ACTIONS = 14;

/** Does what a task might, with its steps counted at `counter`; returns what they were. */
function work(mem: Memory, counter: number, random: (below: number) => number): Op[] {
  const ops: Op[] = [];
  const announce = (op: Op): void => {
    ops.push(op);
    mem.u32[counter >>> 2] = ops.length;
  };
  let inside = false;
  for (let action = 1; action <= ACTIONS; action++) {
    const at = mediaAt(mem, 4096) + random(LINES) * LINE;
    const kind = random(6);
    if (kind === 0) {
      announce(inside ? Op.return : Op.call);
      inside = !inside;
    } else if (kind === 1) {
      announce(Op.fence);
      fence(mem);
    } else if (kind === 2) {
      announce(Op.flush);
      flush(mem, at, LINE);
    } else if (kind === 3) streamFill(mem, at, action, 16, Writer.copy);
    else if (kind === 4) storeFill(mem, at, action, 8);
    else announce(Op.copyIn);
  }
  return ops;
}

interface Moment {
  /** Of each line, what it can hold. */
  readonly lines: readonly ReadonlySet<string>[];
  readonly entered: number;
  readonly returned: number;
}

function momentAt(
  mem: Memory,
  failures: PowerFailures,
  ops: readonly Op[],
  { entries, steps, whole }: { entries: number; steps: number; whole: boolean },
): Moment {
  const pending = failures.pendingAt(entries);
  const before = ops.slice(0, steps);
  const lines = Array.from({ length: LINES }, (_, line) => {
    const offset = 4096 + line * LINE;
    const reach = pending.find((one) => one.offset === offset)?.reach ?? 0;
    const found = new Set<string>();
    for (let words = whole ? reach : 0; words <= reach; words++) {
      restoreSnapshot(mem);
      failures.leave(entries, new Map([[offset, words]]), mem);
      found.add(mem.read(mediaAt(mem, offset), LINE).join());
    }
    return found;
  });
  const count = (op: Op): number => before.filter((one) => one === op).length;
  return { lines, entered: count(Op.call), returned: count(Op.return) };
}

/** Whether whatever is wrong at a moment is wrong at another. */
const covers = (one: Moment, other: Moment): boolean =>
  one.entered === other.entered &&
  one.returned >= other.returned &&
  one.lines.every((contents, line) =>
    [...(other.lines[line] as Set<string>)].every((each) => contents.has(each)),
  );

/** A machine at a snapshot, and where it counts steps. */
function countingMachine(): { mem: Memory; counter: number } {
  const mem = createMemory(1 * MIB);
  initSnapshot(mem);
  initTrace(mem);
  const counter = allocateControl(mem, 64);
  traceStepsFrom(mem, counter);
  takeSnapshot(mem);
  return { mem, counter };
}

test.each<Domain>(["adr", "none", "eadr"])("%s: no moment leaves what no point leaves", (domain) => {
  const { mem, counter } = countingMachine();
  let points = 0;
  let moments = 0;
  for (let seed = 0; seed < 40; seed++) {
    restoreSnapshot(mem);
    mem.u32[counter >>> 2] = 0;
    startLog(mem);
    const ops = work(mem, counter, randomFrom(seed));
    stopLog(mem);
    const failures = new PowerFailures(mem, domain);
    const log = { length: ops.length, op: (step: number) => ops[step] as Op };
    const chosen = pointsOf(failures.entries, log, domain).map((point) =>
      momentAt(mem, failures, ops, point),
    );
    points += chosen.length;
    for (let entries = 0; entries <= failures.entries.length; entries++) {
      const [from, to] = [
        failures.entries[entries - 1]?.step ?? 0,
        failures.entries[entries]?.step ?? ops.length,
      ];
      for (let steps = from; steps <= to; steps++) {
        // Only between its own step and the next can a store be under way.
        const moment = momentAt(mem, failures, ops, {
          entries,
          steps,
          whole: domain === "eadr" && steps > from,
        });
        expect(
          chosen.some((point) => covers(point, moment)),
          `seed ${seed}: ${entries}, ${steps}`,
        ).toBe(true);
        moments += 1;
      }
    }
  }
  expect(points).toBeLessThan(moments / 2);
});

test.each<Domain>(["adr", "none", "eadr"])("%s: where the same is open, the same is left", (domain) => {
  const { mem, counter } = countingMachine();
  const left = new Map<string, string>();
  let same = 0;
  for (let seed = 0; seed < 150; seed++) {
    restoreSnapshot(mem);
    startLog(mem);
    work(mem, counter, randomFrom(seed));
    stopLog(mem);
    const failures = new PowerFailures(mem, domain);
    for (let entries = 0; entries <= failures.entries.length; entries++) {
      const { lines } = momentAt(mem, failures, [], { entries, steps: 0, whole: false });
      restoreSnapshot(mem);
      failures.settle(entries, mem);
      const durable = mem.read(mediaAt(mem, 4096), LINES * LINE).join();
      const key = `${durable} ${failures.fingerprintAt(entries)}`;
      const all = lines.map((contents) => [...contents].join(";")).join("|");
      if (left.has(key)) same += 1;
      expect(left.get(key) ?? all, `seed ${seed}, ${entries}`).toBe(all);
      left.set(key, all);
    }
  }
  expect(same).toBeGreaterThan(100);
});
