// The page fault vector: what the MMU calls when a translation is missing goes to the mounted file
// system's design.

import type { Memory } from "../machine/memory.ts";
import { forgetFinding } from "../ext4/damage.ts";
import { handleFault } from "../mm/fault.ts";
import type { Design } from "./design.ts";

/** Lets a design serve the page faults of this thread's machine. */
export function serveFaults(mem: Memory, design: Design): void {
  mem.faultHandler = (memory, address, write) => {
    forgetFinding(memory);
    return handleFault(memory, address, write, (vma, page, writing) => design.fault(vma, page, writing));
  };
}
