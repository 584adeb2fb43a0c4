// How a machine stops: a broken invariant (`Bug`), or being told to (`Halted`).
//
// Kernel code has no try and no finally: either error unwinds the task to its entry, and the locks it
// held stay held, as those of a dead CPU do.

/** A broken invariant of the emulated kernel.  The lab reports it as a violation of `no-bug`. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Thrown out of a step when the machine has been stopped.  Never caught by kernel layers. */
export class Halted extends Error {
  override readonly name = "Halted";
  constructor() {
    super("the machine was halted");
  }
}

/** Stops the machine: the sentence says what was found, not what should have been. */
export function bug(message: string): never {
  throw new Bug(message);
}

/** The sentence states what must hold: `assert(count > 0, "a held lock has a holder")`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) bug(`assertion failed: ${message}`);
}
