// Words that the host's thread and the lead share while a search runs: the host reads how far it is, and
// may ask it to stop.  They lie in the control area, so no restore touches them.
//
// Each word has one writer.  `stop` and `lastRun` are the host's; everything else is the lead's.

import { allocateControl } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { f64, struct, u32, type ViewOf } from "../../machine/struct.ts";

const Control = struct("lab_control", {
  stop: u32, // not 0: the lead ends the search after the run it is in
  lastRun: u32, // not 0: the lead ends the search after that many runs
  running: u32, // the setup is done
  runs: f64,
  distinct: f64, // end states
  broken: f64, // runs that broke a promise
});
export type Control = ViewOf<typeof Control>;

/** At boot, on the host. */
export function makeControl(mem: Memory): Control {
  return Control.of(mem, allocateControl(mem, Control.size));
}

/** The same words, in another thread. */
export function controlAt(mem: Memory, at: number): Control {
  return Control.of(mem, at);
}

const indexOf = (control: Control, field: "stop" | "lastRun"): number =>
  (control.at + Control.offset(field)) >>> 2;

export function askToStop(control: Control): void {
  Atomics.store(control.mem.u32, indexOf(control, "stop"), 1);
}

export function askedToStop(control: Control): boolean {
  return Atomics.load(control.mem.u32, indexOf(control, "stop")) !== 0;
}

/** Makes a run the last one; a lead that is past it ends with the run it is in. */
export function limitRuns(control: Control, last: number): void {
  Atomics.store(control.mem.u32, indexOf(control, "lastRun"), last);
}

/** How many runs the lead is to make, as far as the host has said. */
export function runLimit(control: Control): number {
  return Atomics.load(control.mem.u32, indexOf(control, "lastRun")) || Infinity;
}
