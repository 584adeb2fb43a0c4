// The door between programs and the kernel: a call is entered (a step, and a record while calls are
// recorded), the kernel does it, the call is left, and a negative result becomes a SysError.

import { takeFinding } from "../ext4/damage.ts";
import type { Path } from "../ext4/names/path.ts";
import { SysError, type SysErrorPlace } from "./error.ts";
import type { Caller } from "./process.ts";
import { type Call, callName, type CallRecord, recordPath } from "./record.ts";

export class Door {
  readonly caller: Caller;

  constructor(caller: Caller) {
    this.caller = caller;
  }

  /** Enters a call, with the path or the two that it is given. */
  begin(call: Call, path?: Path, second?: Path): CallRecord | undefined {
    const record = this.caller.begin(call);
    if (record !== undefined && path !== undefined) recordPath(record, path, second);
    return record;
  }

  /** Leaves a call whose result is a number. */
  finish(call: Call, record: CallRecord | undefined, result: number, path?: Path, second?: Path): number {
    this.caller.end(record, result);
    if (result < 0) throw this.failure(call, result, { path: textOf(path), dest: textOf(second) });
    return result;
  }

  /** Leaves a call whose result is bytes. */
  bytes(call: Call, record: CallRecord | undefined, result: Uint8Array | number): Uint8Array {
    if (typeof result === "number") this.#leave(call, record, result);
    this.caller.end(record, result.length);
    return result;
  }

  /** Leaves a call whose result is something else. */
  answer<T extends object | string>(
    call: Call,
    record: CallRecord | undefined,
    result: T | number,
    path?: Path,
  ): T {
    if (typeof result === "number") this.#leave(call, record, result, path);
    this.caller.end(record, 0);
    return result;
  }

  /** The error to throw, with what is damaged where that is why. */
  failure(call: Call, error: number, where: SysErrorPlace): SysError {
    return new SysError(error, callName(call), { ...where, reason: takeFinding(this.caller.mem, error) });
  }

  #leave(call: Call, record: CallRecord | undefined, error: number, path?: Path): never {
    this.caller.end(record, error);
    throw this.failure(call, error, { path: textOf(path) });
  }
}

const textOf = (path: Path | undefined): string | undefined =>
  path instanceof Uint8Array ? new TextDecoder().decode(path) : path;
