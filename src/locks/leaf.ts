// A lock around loads and stores that nobody else can tell apart from one operation: the buffer cache's
// hash chains, say.  It announces nothing and lockdep does not see it, because no step may happen while
// it is held; so under control a task is never switched away inside, and no schedule is lost by not
// offering one there.  Nothing is taken inside a leaf lock.  What a schedule should be able to order
// takes a spinlock or a mutex instead.

import { quiet, struct, type ViewOf } from "../machine/struct.ts";
import { disown, own } from "./owner.ts";

export const LeafLock = struct("leaflock", { state: quiet });
export type LeafLock = ViewOf<typeof LeafLock>;

export function leafLock(lock: LeafLock): void {
  own(lock.state);
}

export function leafUnlock(lock: LeafLock): void {
  disown(lock.state);
}
