// All states that a power failure can leave at any point of one run (points.ts), each brought up again and looked at:
// recovery must succeed, the checker must find nothing, and every file must hold what the calls explain (moment.ts).
//
// Nothing is done twice.  A point at which the same is durable and the same is open as at an earlier one, in whichever
// run, leaves what that did, and nothing is built.  Media that were seen before are not brought up again; what came up
// with the same bytes outside the journal is not checked again; what people see the same is judged once at each moment
// (came-up.ts).
//
// Several machines can share a search: each makes all runs and builds all states, but brings up only those that fall to
// it by what the media hold.  So what they count adds up to the same, however many they are.

import { PowerFailures, type Domain, type PendingLine, type Survivors } from "../../machine/pmem/crash.ts";
import type { Memory } from "../../machine/memory.ts";
import type { StepLog } from "../../sched/state.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import type { RecordedCall } from "../oracles/history.ts";
import type { InitialFiles } from "../oracles/initial.ts";
import { flushesOf, type FlushFinding } from "../report/flushes.ts";
import type { Finding } from "../oracles/promises.ts";
import { StatesOfCalls, type CallStates } from "./calls.ts";
import { SecondFailures, type Again, type BrokenAgain, type First } from "./again.ts";
import { Recoveries, type CameUp } from "./came-up.ts";
import { CallSteps, Moment, type Recovered } from "./moment.ts";
import { pointsOf, type Point } from "./points.ts";
import { choicesOf, everything, lostLines, shrunk, type Choices } from "./survivors.ts";
import type { Target } from "./target.ts";

/** What is asked of a search for crashes. */
export interface CrashPlan {
  readonly domain: Domain;
  /** Every way is tried where lines that may be lost leave at most 2 to this many; else chosen ones. */
  readonly maxLines: number;
  /** The power fails during recovery, too. */
  readonly nested: boolean;
  /** This machine's number among those that share the search, and how many they are. */
  readonly shard: number;
  readonly shards: number;
}

/** A failure: when, and what had arrived. */
export interface Failure {
  readonly point: Point;
  readonly survivors: Survivors;
  /** Of another failure, during recovery. */
  readonly again?: Again;
}

export interface Broken {
  readonly failure: Failure;
  readonly finding: Finding;
  /** What had not arrived, and of what recovery stored when the power failed again. */
  readonly lost: readonly PendingLine[];
  readonly lostAgain?: readonly PendingLine[];
  /** Of its point, and of the way among those of the point, in the run. */
  readonly place: readonly [number, number];
}

/** What a machine has seen of one run. */
export interface RunStates {
  points: number;
  /** Points at which not every way was tried. */
  sampled: number;
  /** Ways that were tried. */
  states: number;
  /** Contents of the media among them that no run before had. */
  distinct: number;
  /** States that broke a promise, or did after a second failure. */
  broken: number;
  /** The same of second failures, during recovery: points, those that were sampled, ways. */
  readonly again: { points: number; sampled: number; states: number };
  /** What people see after recovery, where no run before had come up so. */
  seen: string[];
  calls: CallStates[];
  /** Flushes and fences that are missing or redundant. */
  flushes: FlushFinding[];
  /** The first that broke. */
  first?: Broken;
}

export const noStates = (): RunStates => ({
  points: 0,
  sampled: 0,
  states: 0,
  distinct: 0,
  broken: 0,
  again: { points: 0, sampled: 0, states: 0 },
  seen: [],
  calls: [],
  flushes: [],
});

export class CrashStates {
  readonly #mem: Memory;
  readonly #target: Target;
  readonly #plan: CrashPlan;
  readonly #initial: InitialFiles;
  readonly #recoveries: Recoveries;
  readonly #seconds: SecondFailures;
  /** What media held, and what people saw of what came up. */
  readonly #contents = new Set<number>();
  readonly #seen = new Set<string>();
  /** What points have left, by what was durable and what was open. */
  readonly #left = new Map<string, Left>();
  /** Of the run that is looked at: what was judged, by moment. */
  readonly #verdicts = new Map<string, Map<CameUp, Finding | undefined>>();

  constructor(mem: Memory, target: Target, plan: CrashPlan, initial: InitialFiles) {
    this.#mem = mem;
    this.#target = target;
    this.#plan = plan;
    this.#initial = initial;
    this.#recoveries = new Recoveries(target);
    this.#seconds = new SecondFailures(target, this.#recoveries, plan);
  }

  /** Looks at every failure of the run that was just logged, as long as `goesOn`. */
  explore(calls: readonly RecordedCall[], log: StepLog, names: Names, goesOn: () => boolean): RunStates {
    const { domain } = this.#plan;
    const failures = new PowerFailures(this.#mem, domain);
    const steps = new CallSteps(log);
    const states = new StatesOfCalls(calls, steps);
    const run = noStates();
    this.#verdicts.clear();
    for (const point of pointsOf(failures.entries, log, domain)) {
      const judge = this.#judgeAt(point, calls, steps, names);
      const came = new Set<string>();
      let way = 0;
      for (const state of this.#statesAt(failures, point, run)) {
        if (!goesOn()) return run;
        const broken = this.#look(failures, state, judge, run, came, goesOn);
        if (broken !== undefined) {
          run.broken += 1;
          run.first ??= { ...broken, place: [run.points, way] };
        }
        way += 1;
      }
      run.points += 1;
      states.add(point, came);
    }
    run.calls = states.all();
    if (domain !== "eadr") run.flushes = flushesOf(failures.entries, calls, steps, names);
    if (run.first !== undefined && run.first.failure.again === undefined)
      run.first = this.#shrunk(failures, run.first, calls, steps, names);
    return run;
  }

  /** One failure of the run that was just logged: what a replay asks for. */
  one(failure: Failure, calls: readonly RecordedCall[], log: StepLog, names: Names): Broken | undefined {
    const failures = new PowerFailures(this.#mem, this.#plan.domain);
    if (failure.point.entries > failures.entries.length) return undefined;
    this.#verdicts.clear();
    const judge = this.#judgeAt(failure.point, calls, new CallSteps(log), names);
    const fail = this.#failing(failures, failure);
    const content = fail();
    const up = this.#recoveries.up(() => content);
    const lost = lostLines(failures.pendingAt(failure.point.entries), failure.survivors);
    const finding = this.#judged(up, judge, fail);
    if (finding !== undefined) return { failure, finding, lost, place: [0, 0] };
    if (failure.again === undefined || "promise" in up) return undefined;
    const second = this.#seconds.one(this.#first(up, judge, fail, content), failure.again);
    return second && { failure, finding: second.finding, lost, lostAgain: second.lost, place: [0, 0] };
  }

  #failing(failures: PowerFailures, { point, survivors }: Failure): () => number {
    return () => this.#target.fail(failures, point.entries, survivors);
  }

  #choicesAt(failures: PowerFailures, { entries, whole }: Point & { whole: boolean }): Choices {
    const pending = failures.pendingAt(entries);
    return whole ? everything(pending) : choicesOf(pending, this.#plan.maxLines);
  }

  /** The states that a point leaves, way by way. */
  *#statesAt(failures: PowerFailures, point: Point & { whole: boolean }, run: RunStates): Generator<State> {
    const durable = this.#target.settle(failures, point.entries);
    const key = `${durable} ${failures.fingerprintAt(point.entries)} ${point.whole}`;
    const known = this.#left.get(key);
    const left = known ?? { complete: true, contents: [] };
    for (const [way, content] of known?.contents.entries() ?? []) {
      const survivors = (): Survivors => nth(this.#choicesAt(failures, point).ways, way);
      yield { content, built: false, failure: () => ({ point, survivors: survivors() }) };
    }
    if (known === undefined) {
      const { complete, ways } = this.#choicesAt(failures, point);
      for (const survivors of ways) {
        const content = this.#target.fail(failures, point.entries, survivors);
        left.contents.push(content);
        yield { content, built: true, failure: () => ({ point, survivors }) };
      }
      left.complete = complete;
      this.#left.set(key, left);
    }
    if (!left.complete) run.sampled += 1;
  }

  /** How what comes up is judged at a moment. */
  #judgeAt({ steps }: Point, calls: readonly RecordedCall[], log: CallSteps, names: Names): Judge {
    const moment = new Moment(
      log.before(calls, steps),
      this.#initial,
      this.#target.names,
      this.#target.links,
    );
    const verdicts = this.#verdicts.get(moment.key) ?? new Map<CameUp, Finding | undefined>();
    this.#verdicts.set(moment.key, verdicts);
    return {
      verdicts,
      judge: (up, files) =>
        moment.names.judge(up.names, names) ?? unexplained(files, moment, this.#initial, names),
    };
  }

  /** A state, if it falls to this machine, and what is broken in it; `came` takes in what came up. */
  #look(
    failures: PowerFailures,
    { content, built, failure }: State,
    judge: Judge,
    run: RunStates,
    came: Set<string>,
    goesOn: () => boolean,
  ): Omit<Broken, "place"> | undefined {
    const { shard, shards, nested } = this.#plan;
    if (content % shards !== shard) return undefined;
    run.states += 1;
    if (!this.#contents.has(content)) run.distinct += 1;
    this.#contents.add(content);
    const fail = (): number => this.#failing(failures, failure())();
    const up = this.#recoveries.known(content) ?? this.#recoveries.up(built ? () => content : fail);
    if (!("promise" in up)) {
      came.add(up.seen);
      if (!this.#seen.has(up.seen)) run.seen.push(up.seen);
      this.#seen.add(up.seen);
    }
    const finding = this.#judged(up, judge, fail);
    const second =
      finding !== undefined || !nested || "promise" in up
        ? undefined
        : this.#seconds.explore(this.#first(up, judge, fail, content), run, goesOn);
    if (finding === undefined && second === undefined) return undefined;
    const first = failure();
    const lost = lostLines(failures.pendingAt(first.point.entries), first.survivors);
    if (finding !== undefined) return { failure: first, finding, lost };
    const { again, finding: wrong, lost: lostAgain } = second as BrokenAgain;
    return { failure: { ...first, again }, finding: wrong, lost, lostAgain };
  }

  #first(up: CameUp, judge: Judge, fail: () => number, content: number): First {
    return { content, up, fail, judge: (other, failAgain) => this.#judged(other, judge, failAgain) };
  }

  #judged(up: CameUp | Finding, judge: Judge, fail: () => number): Finding | undefined {
    if ("promise" in up) return up;
    if (judge.verdicts.has(up)) return judge.verdicts.get(up);
    const finding = judge.judge(up, this.#recoveries.filesOf(up, fail));
    judge.verdicts.set(up, finding);
    return finding;
  }

  /** The same promise broken with as few lines lost as can be. */
  #shrunk(
    failures: PowerFailures,
    broken: Broken,
    calls: readonly RecordedCall[],
    steps: CallSteps,
    names: Names,
  ): Broken {
    const { point } = broken.failure;
    const judge = this.#judgeAt(point, calls, steps, names);
    const pending = failures.pendingAt(point.entries);
    let { finding } = broken;
    const survivors = shrunk(pending, broken.failure.survivors, (candidate) => {
      const fail = this.#failing(failures, { point, survivors: candidate });
      const again = this.#judged(this.#recoveries.up(fail), judge, fail);
      if (again?.promise !== finding.promise) return false;
      finding = again;
      return true;
    });
    return { ...broken, failure: { point, survivors }, finding, lost: lostLines(pending, survivors) };
  }
}

/** What the ways of a point have left. */
interface Left {
  complete: boolean;
  readonly contents: number[];
}

/** What one way leaves: a number for what the media hold, and whether they hold it now. */
interface State {
  readonly content: number;
  readonly built: boolean;
  failure(): Failure;
}

function nth<T>(items: Iterable<T>, index: number): T {
  let at = 0;
  for (const item of items) if (at++ === index) return item;
  throw new RangeError(`there is no item ${index}`);
}

/** What is said of what comes up at a moment. */
interface Judge {
  /** What was said. */
  readonly verdicts: Map<CameUp, Finding | undefined>;
  judge(up: CameUp, files: readonly Recovered[]): Finding | undefined;
}

function unexplained(
  files: readonly Recovered[],
  moment: Moment,
  initial: InitialFiles,
  names: Names,
): Finding | undefined {
  const reads = files.flatMap((file) => [moment.readOf(file), ...moment.flushedReads(file)]);
  return checkHistory(moment.history, reads, initial, names, "a read after the power failure and recovery");
}
