// Handles: how many blocks they may change, what of that tasks keep, and that a journal that has stopped takes none.

import { afterEach, expect, test } from "vitest";
import { runAs } from "../../../src/machine/cpu.ts";
import { HOST_TASK, MAX_TASKS } from "../../../src/machine/limits.ts";
import { valueOf } from "../../../src/locks/references.ts";
import { getBuffer, releaseBuffer } from "../../../src/ext4/buffer.ts";
import type { SuperBlock } from "../../../src/ext4/super.ts";
import { Errno } from "../../../src/machine/errors.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import {
  dirtyMetadata,
  extendHandle,
  getWriteAccess,
  journalStart,
  journalStop,
  restartHandle,
} from "../../../src/ext4/journal/handle.ts";
import { journalOf, maxTransaction, type Handle } from "../../../src/ext4/journal/state.ts";
import { abortJournal } from "../../../src/ext4/journal/superblock.ts";
import { mount } from "../../../src/ext4/mount/mount.ts";
import { bareMachine, imageOf, mountedMachine } from "../../support/machine.ts";

test("a handle grows while the transaction has room, and starts again where it has none", () => {
  const { mem, sb } = mountedMachine();
  const handle = journalStart(sb, 1);
  if (typeof handle === "number") throw new Error(`no handle: ${handle}`);
  expect(extendHandle(handle, 10)).toBe(true);
  expect(handle.credits).toBe(11);
  expect(extendHandle(handle, maxTransaction(journalOf(mem)))).toBe(false);
  expect(restartHandle(handle, 3)).toBe(handle);
  expect(handle.credits).toBe(3);
  journalStop(handle);
});

afterEach(() => void runAs(HOST_TASK));

function started(sb: SuperBlock, credits: number): Handle {
  const handle = journalStart(sb, credits);
  if (typeof handle === "number") throw new Error(`no handle: ${handle}`);
  return handle;
}

const handleFor = (sb: SuperBlock, credits: number): number => journalStop(started(sb, credits));

/** A handle of so many credits that changes one block. */
function changeBlock(sb: SuperBlock, credits: number): void {
  const handle = started(sb, credits);
  const buffer = getBuffer(sb, sb.blockCount - 1);
  if (typeof buffer === "number") throw new Error(`no buffer: ${buffer}`);
  getWriteAccess(handle, buffer);
  dirtyMetadata(handle, buffer);
  releaseBuffer(buffer);
  journalStop(handle);
}

/** How many credits a handle gets at most. */
function largestHandle(sb: SuperBlock): number {
  for (let credits = 1; ; credits++) {
    const handle = journalStart(sb, credits);
    if (typeof handle === "number") return credits - 1;
    journalStop(handle);
  }
}

test("in free running a task keeps what it was promised and did not use, until a commit", () => {
  const { mem, sb } = mountedMachine();
  const promised = (): number => valueOf(journalOf(mem).promised);
  handleFor(sb, 20);
  handleFor(sb, 15);
  expect(promised()).toBe(20);
  changeBlock(sb, 25);
  expect(promised()).toBe(24);
  runAs(3);
  handleFor(sb, 10);
  expect(promised()).toBe(34);
  expect(commit(sb)).toBe(0);
  expect(promised()).toBe(0);
  expect(extendHandle(started(sb, 1), 4)).toBe(true);
  expect(promised()).toBe(5);
});

test("under control nothing is kept, nor what was kept before", () => {
  const { mem, sb } = mountedMachine();
  runAs(1);
  handleFor(sb, 20);
  runAs(1, { step() {}, park() {}, wake() {} });
  handleFor(sb, 15);
  expect(valueOf(journalOf(mem).promised)).toBe(0);
  handleFor(sb, 15);
  expect(valueOf(journalOf(mem).promised)).toBe(0);
});

test("the largest handle finds room beside what all other tasks keep, without a commit", () => {
  const { mem, sb } = mountedMachine();
  const largest = largestHandle(mountedMachine().sb);
  changeBlock(sb, 1); // a commit would have something to do
  const { running } = journalOf(mem);
  for (let task = 0; task < MAX_TASKS; task++) {
    runAs(task);
    handleFor(sb, largest >>> 2);
  }
  runAs(HOST_TASK);
  handleFor(sb, largest);
  expect(journalOf(mem).running).toBe(running);
});

test("after an abort nothing is changed or committed any more, and the next mount finds the error", () => {
  const { mem, sb } = mountedMachine();
  abortJournal(sb, Errno.EIO);
  expect(journalStart(sb, 1)).toBe(-Errno.EROFS);
  expect(commit(sb)).toBe(-Errno.EROFS);
  const after = mount(bareMachine({ image: imageOf(mem) }));
  expect("message" in after ? after.message : "mounted").toMatch(/having errors/);
});
