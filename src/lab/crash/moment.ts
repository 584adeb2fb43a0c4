// What the calls of a run had come to when the power failed, and what a recovered file may therefore hold.
//
// A byte of a file behaves as a read of it would, one that began with the last sync of the file that had returned and
// ended with the failure: the writes that were over before that sync began are there, unless later ones are; of
// all that was written since, any part may be there.
//
// Verified: every byte and the size of the files that calls have named; names (names.ts).
// Not verified: attributes, beyond what the checker says; what O_DSYNC promises.

import { Op } from "../../machine/cpu.ts";
import type { StepLog } from "../../sched/state.ts";
import { Call, Mapped } from "../../syscalls/record.ts";
import { historyOf, SYNCS, type CallRead, type RecordedCall, type RunHistory } from "../oracles/history.ts";
import type { InitialFiles } from "../oracles/initial.ts";
import { NamesLeft, type NameMap } from "./names.ts";

/** When each call of a run was entered and left, in steps: by task and number. */
export class CallSteps {
  readonly #entered = new Map<string, number>();
  readonly #left = new Map<string, number>();

  constructor(log: StepLog) {
    const counts: number[] = [];
    for (let step = 0; step < log.length; step++) {
      const [task, op] = [log.task(step), log.op(step)];
      if (op === Op.call) {
        counts[task] = (counts[task] ?? 0) + 1;
        this.#entered.set(`${task} ${counts[task]}`, step);
      } else if (op === Op.return) this.#left.set(`${task} ${counts[task] ?? 0}`, step);
    }
  }

  /** Before which step a call was entered, and left; Infinity where it was not. */
  entered(call: RecordedCall): number {
    return this.#entered.get(nameOf(call)) ?? Infinity;
  }

  left(call: RecordedCall): number {
    return this.#left.get(nameOf(call)) ?? Infinity;
  }

  /** The calls as they stood after so many steps: those that had been entered; who had not returned never does. */
  before(calls: readonly RecordedCall[], steps: number): RecordedCall[] {
    return calls
      .filter((call) => this.entered(call) < steps)
      .map((call) => (this.left(call) < steps ? call : { ...call, end: Infinity }));
  }
}

const nameOf = ({ task, number }: RecordedCall): string => `${task} ${number}`;

/** Whether a task has waited for what it had flushed. */
const isDrainOf = (call: RecordedCall, flush: RecordedCall): boolean =>
  call.kind === Call.drain && call.task === flush.task && call.begin > flush.end && succeeded(call);

const succeeded = ({ end, error }: RecordedCall): boolean => end !== Infinity && error === 0;

/** One file as it was found after recovery; of a large one `bytes` are only the first. */
export interface Recovered {
  readonly key: string;
  readonly size: number;
  readonly bytes: Uint8Array;
}

export class Moment {
  readonly calls: readonly RecordedCall[];
  readonly history: RunHistory;
  readonly names: NamesLeft;

  constructor(
    calls: readonly RecordedCall[],
    initial: InitialFiles,
    names: NameMap,
    links: ReadonlySet<string>,
  ) {
    this.calls = calls;
    this.names = new NamesLeft(calls, names, links);
    this.history = historyOf(calls, initial.file);
  }

  /** What tells moments apart: which calls had been entered, and which had returned. */
  get key(): string {
    return this.calls.map((call) => `${nameOf(call)} ${call.end === Infinity ? "" : call.end}`).join();
  }

  /** When the last sync began that covers a place of a file and had returned; 0 for the setup's. */
  #syncedAt(file: string): number {
    let latest = 0;
    for (const call of this.calls) {
      const covers = call.kind === Call.sync || call.file === file;
      if (SYNCS.has(call.kind) && covers && succeeded(call)) latest = Math.max(latest, call.begin);
    }
    return latest;
  }

  /**
   * What is durable of parts of a file: what msync has written back, and what programs have flushed through a mapping
   * with MAP_SYNC, with a drain behind it that has returned.  Each amounts to a read that began with that call.
   */
  flushedReads({ key, bytes, size }: Recovered): CallRead[] {
    const reads: CallRead[] = [];
    for (const call of this.calls) {
      if (call.file !== key || !succeeded(call) || !this.#flushes(call)) continue;
      const { position, begin } = call;
      const part = bytes.subarray(position, position + call.length);
      // Of a whole file, what is missing is missed.
      const length = bytes.length < size ? part.length : call.length;
      reads.push({ begin, end: Infinity, position, length, bytes: part, call: undefined, file: key });
    }
    return reads;
  }

  #flushes(call: RecordedCall): boolean {
    if (call.kind === Call.msync) return call.mapped === Mapped.shared;
    if (call.kind !== Call.flush || call.mapped !== Mapped.sync) return false;
    return this.calls.some((other) => isDrainOf(other, call));
  }

  /** The read that a recovered file amounts to. */
  readOf({ key, bytes, size }: Recovered): CallRead {
    // Of a whole file it asked for more than there is: one that is shorter than it must be is found out.
    const length = bytes.length < size ? bytes.length : size + 1;
    return {
      begin: this.#syncedAt(key),
      end: Infinity,
      position: 0,
      length,
      bytes,
      call: undefined,
      file: key,
    };
  }
}
