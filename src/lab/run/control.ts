// Words that the host's thread and the lead share while a search runs: the host reads how far it is, and
// may ask it to stop.  They lie in the control area, so no restore touches them.
//
// Each word has one writer.  `stop` is the host's; everything else is the lead's.

import { allocateControl } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { f64, struct, u32, type ViewOf } from "../../machine/struct.ts";

const Control = struct("lab_control", {
  stop: u32, // not 0: the lead ends the search after the run it is in
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

const stopIndex = (control: Control): number => (control.at + Control.offset("stop")) >>> 2;

export function askToStop(control: Control): void {
  Atomics.store(control.mem.u32, stopIndex(control), 1);
}

export function askedToStop(control: Control): boolean {
  return Atomics.load(control.mem.u32, stopIndex(control)) !== 0;
}
