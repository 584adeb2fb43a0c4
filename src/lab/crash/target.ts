// The machine that comes up after a power failure: its media is what the failure left, nothing is mounted, and all
// that was in memory is gone.  One serves all failures of a search: going back costs what the last one changed.

import { createMemory, header } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import type { PowerFailures, Survivors } from "../../machine/pmem/crash.ts";
import { hashState, restoreSnapshot, takeSnapshot } from "../../machine/snapshot.ts";
import { readTree } from "../../ext4/check/tree.ts";
import { mount } from "../../ext4/mount/mount.ts";
import { bootKernel } from "../../syscalls/boot.ts";
import type { MachineOptions } from "../options.ts";
import { namesIn, type NameMap } from "./names.ts";

export class Target {
  readonly mem: Memory;
  /** The names on the media where every failure's log begins. */
  readonly names: NameMap;
  readonly #options: MachineOptions;

  /** A machine with the media of `source` as it is now, where every failure's log begins. */
  constructor(source: Memory, options: MachineOptions) {
    const { start, length } = header(source).media;
    this.mem = createMemory(length);
    this.#options = options;
    header(this.mem).piece = header(source).piece;
    bootKernel(this.mem);
    this.mem.u8.set(source.u8.subarray(start, start + length), header(this.mem).media.start);
    this.names = namesIn(readTree(this.mem));
    takeSnapshot(this.mem);
  }

  /** Has the media as a failure left it, unmounted.  Returns a hash of how it differs from where the log begins. */
  fail(failures: PowerFailures, point: number, survivors: Survivors): number {
    restoreSnapshot(this.mem);
    failures.leave(point, survivors, this.mem);
    return hashState(this.mem);
  }

  /** Recovers and mounts: undefined, or why not. */
  mount(): string | undefined {
    const mounted = mount(this.mem, { extent_max_zeroout_kb: this.#options.extent_max_zeroout_kb ?? 0 });
    return "message" in mounted ? mounted.message : undefined;
  }
}
