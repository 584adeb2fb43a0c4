// Directories that a task remembers by their names: a path leads where it would without them.
//
// While lockdep checks, nobody looks at what is remembered: a machine that differs in nothing else is the witness.

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { inodeAt } from "../../../src/ext4/inodes/cache.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { header } from "../../../src/machine/layout.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { bootKernel, codeOf, type Kernel } from "../../support/kernel.ts";

function boot(lockdep: number): Kernel {
  const kernel = bootKernel(designs.get("dax-6.1") as Design, 4 * 1024 * 1024);
  header(kernel.mem).lockdep = lockdep;
  return kernel;
}

test("a directory is found by its name again without the lock of the one it is in", () => {
  const { mem, sys } = boot(0);
  const calls = sys();
  calls.mkdir("/known");
  calls.mkdir("/known/below");
  const { ino } = calls.stat("/known/below");
  const { rwsem } = inodeAt(mem, superBlock(mem).rootAt);
  rwsem.state.store(1 << 6); // somebody has it alone, and would never give it back
  expect(calls.stat("/known/below").ino).toBe(ino);
  rwsem.state.store(0);
});

// "abb" has the same place in the root's table as "a".
const part = fc.constantFrom("a", "abb", "name-of-16-bytes", "a-name-of-seventeen", ".", "..");
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
const act: fc.Arbitrary<(sys: Sys) => unknown> = fc.oneof(
  path.map((one) => (sys: Sys) => sys.mkdir(one)),
  path.map((one) => (sys: Sys) => sys.stat(`${one}/`).ino),
  path.map((one) => (sys: Sys) => sys.rmdir(one)),
  path.map((one) => (sys: Sys) => sys.symlink("/a", one)),
  path.map((one) => (sys: Sys) => sys.unlink(one)),
  fc.tuple(path, path, fc.constantFrom(0, 0, 2)).map(
    ([one, other, flags]) =>
      (sys: Sys) =>
        sys.rename(one, other, flags),
  ),
);

/** What a call answers: its result, or the name of its error. */
function answer(call: () => unknown): unknown {
  let result: unknown;
  const code = codeOf(() => (result = call()));
  return code === "none" ? result : code;
}

test("any sequence of calls gives the same, whether directories are remembered or not", () => {
  fc.assert(
    fc.property(fc.array(act, { minLength: 20, maxLength: 60, size: "max" }), (acts) => {
      const [asking, remembering] = [boot(1), boot(0)].map(({ sys }) => {
        const calls = sys();
        return acts.map((one) => answer(() => one(calls)));
      });
      expect(remembering).toEqual(asking);
    }),
    { numRuns: 60 },
  );
});
