// "Something is done": tasks wait for it, another says so, in either order.  `complete` lets one waiter
// through, now or later; `completeAll` lets all through, for good.
//
// kernel: struct completion

import { Op, park, step, wake } from "../machine/cpu.ts";
import { quiet, struct, type ViewOf } from "../machine/struct.ts";
import { sleeping } from "./lockdep.ts";

/** Made by `initCompletion`, in a struct of the machine. */
export const Completion = struct("completion", { done: quiet });
export type Completion = ViewOf<typeof Completion>;

/** In `done`: everybody may pass, now and later. */
const ALL = 0x4000_0000;

/** Nothing is done yet. */
export function initCompletion(completion: Completion): void {
  completion.done.store(0);
}

/** Lets one waiter through, or whoever comes next. */
export function complete(completion: Completion): void {
  step(Op.update, completion.at);
  for (;;) {
    const seen = completion.done.load();
    if (seen === ALL) return;
    if (completion.done.swapIf(seen, seen + 1)) break;
  }
  wake(completion.done);
}

/** Lets everybody through, now and later. */
export function completeAll(completion: Completion): void {
  step(Op.update, completion.at);
  completion.done.store(ALL);
  wake(completion.done);
}

/** Sleeps until somebody says that it is done. */
export function waitForCompletion(completion: Completion): void {
  step(Op.update, completion.at);
  sleeping(completion);
  for (;;) {
    const seen = completion.done.load();
    if (seen === ALL) return;
    if (seen === 0) park(completion.done, 0);
    else if (completion.done.swapIf(seen, seen - 1)) return;
  }
}
