// Handles: how many blocks they may change, and that a journal that has stopped takes none.

import { expect, test } from "vitest";
import { Errno } from "../../../src/machine/errors.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import { extendHandle, journalStart, journalStop, restartHandle } from "../../../src/ext4/journal/handle.ts";
import { journalOf, maxTransaction } from "../../../src/ext4/journal/state.ts";
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

test("after an abort nothing is changed or committed any more, and the next mount finds the error", () => {
  const { mem, sb } = mountedMachine();
  abortJournal(sb, Errno.EIO);
  expect(journalStart(sb, 1)).toBe(-Errno.EROFS);
  expect(commit(sb)).toBe(-Errno.EROFS);
  const after = mount(bareMachine({ image: imageOf(mem) }));
  expect("message" in after ? after.message : "mounted").toMatch(/having errors/);
});
