// What the states after power failures say of the calls of a run:
//
//   atomic   a call brings at most one state that could not have come up before it was entered: all of it
//            happens, or nothing
//   unique   after a sync has returned, and before another call is entered, one state comes up
//
// Calls that run beside each other share what they bring.  A call that has no point of failure of its own counts for the
// next point: what that leaves the call's last moment has left as well (points.ts).

import { callName, Call } from "../../syscalls/record.ts";
import { SYNCS, type RecordedCall } from "../oracles/history.ts";
import type { CallSteps } from "./moment.ts";
import type { Point } from "./points.ts";

/** States by which calls they came up in: what one shard has seen of one run. */
export interface CallStates {
  readonly task: number;
  /** The task's n-th call, from 1. */
  readonly number: number;
  readonly kind: Call;
  /** States that came up before the call was entered, while it ran, and after it, a sync, had returned. */
  readonly before: string[];
  readonly during: string[];
  readonly after: string[];
}

/** Of all runs of a search. */
export interface CallVerdict {
  readonly task: string;
  /** The task's n-th call, from 1. */
  readonly number: number;
  /** Its name. */
  readonly call: string;
  readonly atomic: boolean;
  /** States that it brought, in the run where they were most. */
  readonly states: number;
  /** After a sync: states that came up then, in the run where they were most. */
  readonly after?: number;
}

/** Collects them, point by point. */
export class StatesOfCalls {
  readonly #calls: (Joined & { readonly from: number; readonly to: number })[];
  #last = 0;

  constructor(calls: readonly RecordedCall[], steps: CallSteps) {
    this.#calls = calls.map((call) => ({
      ...emptyOf(call),
      from: steps.entered(call),
      to: steps.left(call),
    }));
  }

  /** What came up at the point that comes after the last one. */
  add({ steps }: Point, seen: ReadonlySet<string>): void {
    const latest = this.#calls.reduce((most, { from }) => (from < steps ? Math.max(most, from) : most), -1);
    for (const { kind, before, during, after, from, to } of this.#calls) {
      if (from > steps || to < this.#last) continue;
      addAll(from === steps ? before : during, seen);
      // No other call has been entered since.
      if (SYNCS.has(kind) && to < steps && from === latest) addAll(after, seen);
    }
    this.#last = steps;
  }

  all(): CallStates[] {
    return this.#calls.map(({ task, number, kind, before, during, after }) => {
      return { task, number, kind, before: [...before], during: [...during], after: [...after] };
    });
  }
}

/** The same with sets. */
type Joined = { [K in keyof CallStates]: CallStates[K] extends string[] ? Set<string> : CallStates[K] };

function emptyOf({ task, number, kind }: Pick<CallStates, "task" | "number" | "kind">): Joined {
  return { task, number, kind, before: new Set(), during: new Set(), after: new Set() };
}

function addAll(to: Set<string>, from: Iterable<string>): void {
  for (const state of from) to.add(state);
}

/** What shards have seen of the same runs, run by run. */
export function verdictsOf(
  runs: readonly (readonly CallStates[])[],
  tasks: readonly string[],
): CallVerdict[] {
  const verdicts = new Map<string, CallVerdict>();
  for (const calls of runs) {
    for (const one of joined(calls)) {
      const key = `${one.task} ${one.number}`;
      const states = [...one.during].filter((state) => !one.before.has(state)).length;
      const last = verdicts.get(key);
      const after = Math.max(one.after.size, last?.after ?? 0);
      verdicts.set(key, {
        task: tasks[one.task] ?? "",
        number: one.number,
        call: callName(one.kind),
        atomic: states <= 1 && last?.atomic !== false,
        states: Math.max(states, last?.states ?? 0),
        ...(after > 0 && { after }),
      });
    }
  }
  return [...verdicts.values()];
}

function joined(calls: readonly CallStates[]): Joined[] {
  const all = new Map<string, Joined>();
  for (const call of calls) {
    const key = `${call.task} ${call.number}`;
    const one = all.get(key) ?? emptyOf(call);
    all.set(key, one);
    for (const when of ["before", "during", "after"] as const) addAll(one[when], call[when]);
  }
  return [...all.values()];
}
