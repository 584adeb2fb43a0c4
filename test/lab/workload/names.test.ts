// The random workload on names: what a sound kernel does passes, and every way of getting a name wrong is told.

import { expect, test } from "vitest";
import { stress } from "../../../src/index.ts";
import { checkWeights, workloadScenario, type Workload } from "../../../src/lab/workload/workload.ts";
import { NAMES } from "../../../src/lab/workload/names.ts";
import type { Seen } from "../../../src/lab/scenario.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import type { Design } from "../../../src/xip/design.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import { bootKernel } from "../../support/kernel.ts";

const OPS = { create: 4, unlink: 2, rename: 3, mkdir: 2, rmdir: 1, link: 2, symlink: 1, readdir: 1 };

test("names that four tasks make, move and remove beside each other are as each left its own", async () => {
  const ops = { ...OPS, write: 2, fsync: 1 };
  const result = await stress({ design: "dax-6.1", ops, rounds: 20, chaos: 0.02, timeout: 60_000 });
  expect(result.violation).toBe(undefined);
  expect(result.rounds).toBe(20);
});

/** What the check says of rounds whose tasks ran one after another, through system calls that may be wrong. */
function verdicts(
  wrong: (sys: Sys) => Partial<Sys>,
  afterwards?: (sys: Sys, seen: Seen) => void,
): Set<string | undefined> {
  const workload: Workload = { weights: checkWeights(OPS), tasks: 2, files: 1, seed: 3 };
  const said = new Set<string | undefined>();
  for (let round = 0; round < 12; round++) {
    const sys = bootKernel(designs.get("dax-6.1") as Design).sys();
    const scenario = workloadScenario(workload, () => round);
    scenario.setup?.(sys);
    const calls = wrong(sys);
    const seen: Seen = {};
    const theirs = new Proxy(sys, {
      get: (_, key) => {
        const own = (calls as Record<PropertyKey, unknown>)[key];
        return own ?? (sys[key as keyof Sys] as (...values: unknown[]) => unknown).bind(sys);
      },
    });
    for (const [task, body] of Object.entries(scenario.tasks)) seen[task] = body(theirs);
    afterwards?.(sys, seen);
    said.add(scenario.check?.(sys, seen));
  }
  return said;
}

const reasons = (wrong: (sys: Sys) => Partial<Sys>): string => [...verdicts(wrong)].join("\n");

test("right calls pass, whatever the seed makes of them", () => {
  expect(verdicts(() => ({}))).toEqual(new Set([undefined]));
});

test.each<[what: string, wrong: (sys: Sys) => Partial<Sys>, said: RegExp]>([
  [
    "an unlink that does nothing",
    () => ({ unlink: () => undefined }),
    /and ".*task-\d-\d.*" is there|readdir/,
  ],
  [
    "a mkdir that makes a file",
    (sys) => ({ mkdir: (path) => sys.close(sys.open(path, "w")) }),
    /a file is there/,
  ],
  [
    "a link that copies",
    (sys) => ({ link: (old, path) => (sys.lstat(old), sys.close(sys.open(path, "wx"))) }),
    /as another name of inode \d+/,
  ],
  [
    "a rename that replaces nothing",
    (sys) => ({ rename: (old, path) => sys.rename(old, path, 1) }),
    /rename .* ended with EEXIST, where success was right/,
  ],
  [
    "a readdir that skips the last name",
    (sys) => ({ readdir: () => sys.readdir(NAMES).slice(0, -1) }) as never,
    /readdir \/names gave/,
  ],
])("%s is told", (_what, wrong, said) => {
  expect(reasons(wrong)).toMatch(said);
});

test("a name that goes between a task's last call and the end is missed", () => {
  const said = verdicts(
    () => ({}),
    (sys, seen) => {
      for (const name of Object.keys(seen["task-1"].own).slice(0, 1)) {
        sys.rename(`${NAMES}/${name}`, "/elsewhere");
      }
    },
  );
  expect([...said].join("\n")).toMatch(/task-1 left ".*" in \/names, and ".*" is there/);
});
