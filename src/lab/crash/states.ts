// All states that a power failure can leave at any point of one run (points.ts), each brought up again and looked at:
// recovery must succeed, the checker must find nothing, and every file must hold what the calls explain (moment.ts).
//
// Nothing is done twice.  Media that were seen before are not brought up again; what came up with the same bytes outside
// the journal is not checked again; what people see the same is judged once at each moment.
//
// Several machines can share a search: each makes all runs and builds all states, but brings up only those that fall to
// it by what the media hold.  So what they count adds up to the same, however many they are.

import { PowerFailures, type Domain, type PendingLine, type Survivors } from "../../machine/pmem/crash.ts";
import type { Memory } from "../../machine/memory.ts";
import type { StepLog } from "../../sched/state.ts";
import { checkHistory, type Names } from "../oracles/explain.ts";
import type { RecordedCall } from "../oracles/history.ts";
import type { InitialFiles } from "../oracles/initial.ts";
import type { Finding } from "../oracles/promises.ts";
import { StatesOfCalls, type CallStates } from "./calls.ts";
import { lookAt, recover, type CameUp } from "./came-up.ts";
import { CallSteps, Moment } from "./moment.ts";
import { pointsOf, type Point } from "./points.ts";
import { choicesOf, everything, lostLines, shrunk } from "./survivors.ts";
import type { Target } from "./target.ts";

/** What is asked of a search for crashes. */
export interface CrashPlan {
  readonly domain: Domain;
  /** Every way is tried where lines that may be lost leave at most 2 to this many; else chosen ones. */
  readonly maxLines: number;
  /** This machine's number among those that share the search, and how many they are. */
  readonly shard: number;
  readonly shards: number;
}

/** A failure: when, and what had arrived. */
export interface Failure {
  readonly point: Point;
  readonly survivors: Survivors;
}

export interface Broken {
  readonly failure: Failure;
  readonly finding: Finding;
  /** What had not arrived. */
  readonly lost: readonly PendingLine[];
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
  /** States that broke a promise. */
  broken: number;
  /** What people see after recovery, where no run before had come up so. */
  seen: string[];
  calls: CallStates[];
  /** The first that broke. */
  first?: Broken;
}

export const noStates = (): RunStates => ({
  points: 0,
  sampled: 0,
  states: 0,
  distinct: 0,
  broken: 0,
  seen: [],
  calls: [],
});

/** What comes up has so many bytes of files at hand, to judge it at another moment. */
const KEPT = 64 * 2 ** 20;

export class CrashStates {
  readonly #mem: Memory;
  readonly #target: Target;
  readonly #plan: CrashPlan;
  readonly #initial: InitialFiles;
  /** What came up, by what the media held at the failure, and by what they held after recovery. */
  readonly #contents = new Map<number, CameUp | Finding>();
  readonly #recovered = new Map<number, CameUp | Finding>();
  readonly #identities = new Map<string, CameUp>();
  readonly #seen = new Set<string>();
  /** Of the run that is looked at: what was judged, by moment and identity. */
  readonly #verdicts = new Map<string, Finding | undefined>();
  #kept: CameUp[] = [];
  #keptBytes = 0;

  constructor(mem: Memory, target: Target, plan: CrashPlan, initial: InitialFiles) {
    this.#mem = mem;
    this.#target = target;
    this.#plan = plan;
    this.#initial = initial;
  }

  /** Looks at every failure of the run that was just logged, as long as `goesOn`. */
  explore(calls: readonly RecordedCall[], log: StepLog, names: Names, goesOn: () => boolean): RunStates {
    const { domain, maxLines } = this.#plan;
    const failures = new PowerFailures(this.#mem, domain);
    const steps = new CallSteps(log);
    const states = new StatesOfCalls(calls, steps);
    const run = noStates();
    this.#verdicts.clear();
    for (const point of pointsOf(failures.entries, log, domain)) {
      const judge = this.#judgeAt(point, calls, steps, names);
      const pending = failures.pendingAt(point.entries);
      const { complete, ways } = point.whole ? everything(pending) : choicesOf(pending, maxLines);
      const came = new Set<string>();
      let way = 0;
      for (const survivors of ways) {
        if (!goesOn()) return run;
        const failure = { point, survivors };
        const finding = this.#look(failures, failure, judge, run, came);
        if (finding !== undefined) {
          run.broken += 1;
          run.first ??= { failure, finding, lost: lostLines(pending, survivors), place: [run.points, way] };
        }
        way += 1;
      }
      run.points += 1;
      if (!complete) run.sampled += 1;
      states.add(point, came);
    }
    run.calls = states.all();
    if (run.first !== undefined) run.first = this.#shrunk(failures, run.first, calls, steps, names);
    return run;
  }

  /** One failure of the run that was just logged: what a replay asks for. */
  one(failure: Failure, calls: readonly RecordedCall[], log: StepLog, names: Names): Broken | undefined {
    const failures = new PowerFailures(this.#mem, this.#plan.domain);
    const { point, survivors } = failure;
    if (point.entries > failures.entries.length) return undefined;
    this.#verdicts.clear();
    const judge = this.#judgeAt(point, calls, new CallSteps(log), names);
    const content = this.#target.fail(failures, point.entries, survivors);
    const finding = this.#judged(failures, failure, this.#up(content), judge);
    const lost = lostLines(failures.pendingAt(point.entries), survivors);
    return finding && { failure, finding, lost, place: [0, 0] };
  }

  /** How what comes up is judged at a moment. */
  #judgeAt({ steps }: Point, calls: readonly RecordedCall[], log: CallSteps, names: Names): Judge {
    const moment = new Moment(log.before(calls, steps), this.#initial, this.#target.names);
    return {
      key: moment.key,
      judge: (up) => moment.names.judge(up.names, names) ?? unexplained(up, moment, this.#initial, names),
    };
  }

  /** A failure that falls to this machine, looked at; `came` takes in what came up. */
  #look(
    failures: PowerFailures,
    failure: Failure,
    judge: Judge,
    run: RunStates,
    came: Set<string>,
  ): Finding | undefined {
    const { shard, shards } = this.#plan;
    const content = this.#target.fail(failures, failure.point.entries, failure.survivors);
    if (content % shards !== shard) return undefined;
    run.states += 1;
    if (!this.#contents.has(content)) run.distinct += 1;
    const up = this.#up(content);
    if (!("promise" in up)) {
      came.add(up.seen);
      if (!this.#seen.has(up.seen)) run.seen.push(up.seen);
      this.#seen.add(up.seen);
    }
    return this.#judged(failures, failure, up, judge);
  }

  /** What comes up of the media as a failure has just left it. */
  #up(content: number): CameUp | Finding {
    const known = this.#contents.get(content);
    if (known !== undefined) return known;
    const up = recover(this.#target) ?? this.#recoveredNow();
    this.#contents.set(content, up);
    return up;
  }

  #recoveredNow(): CameUp | Finding {
    const content = this.#target.outsideJournal();
    const known = this.#recovered.get(content);
    if (known !== undefined) return known;
    const found = lookAt(this.#target.mem);
    const up = "promise" in found ? found : this.#shared(found);
    this.#recovered.set(content, up);
    return up;
  }

  /** The one of those that are equal that stands for all. */
  #shared(up: CameUp): CameUp {
    const known = this.#identities.get(up.identity);
    if (known !== undefined) return known;
    this.#identities.set(up.identity, up);
    this.#keep(up);
    return up;
  }

  /** Has its files at hand for a while. */
  #keep(up: CameUp): void {
    this.#kept.push(up);
    this.#keptBytes += bytesOf(up);
    while (this.#keptBytes > KEPT && this.#kept.length > 1) {
      const oldest = this.#kept.shift() as CameUp;
      this.#keptBytes -= bytesOf(oldest);
      oldest.files = undefined;
    }
  }

  #judged(
    failures: PowerFailures,
    failure: Failure,
    up: CameUp | Finding,
    judge: Judge,
  ): Finding | undefined {
    if ("promise" in up) return up;
    const key = `${judge.key} ${up.identity}`;
    if (this.#verdicts.has(key)) return this.#verdicts.get(key);
    if (up.files === undefined) {
      this.#target.fail(failures, failure.point.entries, failure.survivors);
      recover(this.#target);
      up.files = (lookAt(this.#target.mem) as CameUp).files;
      this.#keep(up);
    }
    const finding = judge.judge(up);
    this.#verdicts.set(key, finding);
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
      const failure = { point, survivors: candidate };
      const content = this.#target.fail(failures, point.entries, candidate);
      const again = this.#judged(failures, failure, this.#up(content), judge);
      if (again?.promise !== finding.promise) return false;
      finding = again;
      return true;
    });
    return { ...broken, failure: { point, survivors }, finding, lost: lostLines(pending, survivors) };
  }
}

/** What is said of what comes up at a moment; equal keys say the same within a run. */
interface Judge {
  readonly key: string;
  judge(up: CameUp): Finding | undefined;
}

const bytesOf = ({ files = [] }: CameUp): number => files.reduce((sum, { bytes }) => sum + bytes.length, 0);

function unexplained(
  { files = [] }: CameUp,
  moment: Moment,
  initial: InitialFiles,
  names: Names,
): Finding | undefined {
  const reads = files.map((file) => moment.readOf(file));
  return checkHistory(moment.history, reads, initial, names, "a read after the power failure and recovery");
}
