// Which plan comes next, for each strategy of a search.

import { MAX_STEPS } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { pctBound, type Plan, type Turn } from "../../sched/decide.ts";
import { Exhaustive } from "../../sched/exhaustive.ts";
import type { StepLog } from "../../sched/state.ts";

export const STRATEGIES = ["random", "pct", "exhaustive"] as const;
export type SearchStrategy = (typeof STRATEGIES)[number];

export interface SearchPlan {
  readonly strategy: SearchStrategy;
  readonly seed: number;
  /** exhaustive: at most so many switches that nobody was forced to make. */
  readonly preemptions: number;
  /** pct: how many ordered events make the bug. */
  readonly depth: number;
  /** This machine's number among those that search at once, and how many they are. */
  readonly shard: number;
  readonly shards: number;
}

/** Gives plans one by one. */
export interface Chooser {
  /** Undefined when every schedule within the bound was run. */
  next(): Plan | undefined;
  /** Takes in the run that the last plan made, before another is made. */
  ran(log: StepLog): void;
  /** exhaustive: how many different schedules there were, within the bound that is explored now. */
  readonly schedules: number | undefined;
  /** pct: the probability, at least, with which one run meets a bug of the depth that was asked for. */
  readonly bound?: number | undefined;
}

/** `durable`: for power failures, which tell orders apart that programs cannot. */
export function chooserOf(mem: Memory, tasks: number, plan: SearchPlan, durable = false): Chooser {
  const { strategy } = plan;
  return strategy === "exhaustive"
    ? exhaustive(mem, tasks, plan, durable)
    : new SeededChooser(plan, strategy, tasks);
}

function exhaustive(mem: Memory, tasks: number, { preemptions }: SearchPlan, durable: boolean): Chooser {
  const search = new Exhaustive(mem, tasks, { preemptions, maxSteps: MAX_STEPS, durable });
  return {
    next: () => search.next(),
    ran: (log) => search.feedback(log),
    get schedules() {
      return search.schedules;
    },
  };
}

/** Gives one schedule. */
export function onlyChooser(turns: readonly Turn[]): Chooser {
  let given = false;
  return {
    next() {
      if (given) return undefined;
      given = true;
      return { strategy: "run-on", seed: 0, switches: turns, maxSteps: MAX_STEPS };
    },
    ran() {},
    schedules: 1,
  };
}

class SeededChooser implements Chooser {
  readonly schedules = undefined;
  readonly #plan: { -readonly [K in keyof Plan]: Plan[K] };
  readonly #shards: number;
  readonly #tasks: number;
  #seed: number;
  #longest = 0;

  constructor({ seed, shard, shards, depth }: SearchPlan, strategy: "random" | "pct", tasks: number) {
    // Neighbouring seeds of the user must not share most of their runs' seeds.
    this.#seed = (seed % 2 ** 31) * 2 ** 21 + shard;
    this.#shards = shards;
    this.#tasks = tasks;
    this.#plan = { strategy, seed: 0, switches: [], depth, maxSteps: MAX_STEPS };
  }

  next(): Plan {
    this.#plan.seed = this.#seed;
    this.#seed += this.#shards;
    // The change points of pct are spread over as many steps as runs have been seen to take.
    if (this.#longest > 0) this.#plan.length = this.#longest;
    return this.#plan;
  }

  ran(log: StepLog): void {
    this.#longest = Math.max(this.#longest, log.length);
  }

  get bound(): number | undefined {
    const { strategy, depth = 1 } = this.#plan;
    if (strategy !== "pct" || this.#longest === 0) return undefined;
    return pctBound(this.#tasks, this.#longest, depth);
  }
}
