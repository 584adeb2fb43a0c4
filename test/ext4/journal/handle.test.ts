// Handles: a journal that has stopped starts none.

import { expect, test } from "vitest";
import { Errno } from "../../../src/machine/errors.ts";
import { commit } from "../../../src/ext4/journal/commit.ts";
import { journalStart } from "../../../src/ext4/journal/handle.ts";
import { abortJournal } from "../../../src/ext4/journal/superblock.ts";
import { mount } from "../../../src/ext4/mount/mount.ts";
import { bareMachine, imageOf, mountedMachine } from "../../support/machine.ts";

test("after an abort nothing is changed or committed any more, and the next mount finds the error", () => {
  const { mem, sb } = mountedMachine();
  abortJournal(sb, Errno.EIO);
  expect(journalStart(sb, 1)).toBe(-Errno.EROFS);
  expect(commit(sb)).toBe(-Errno.EROFS);
  const after = mount(bareMachine({ image: imageOf(mem) }));
  expect("message" in after ? after.message : "mounted").toMatch(/having errors/);
});
