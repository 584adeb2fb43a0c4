import { expect, test } from "vitest";
import { checkEndState, GoodStates } from "../../../src/lab/oracles/endstate.ts";
import { historyOf, recordedCalls } from "../../../src/lab/oracles/history.ts";
import { InitialFiles } from "../../../src/lab/oracles/initial.ts";
import { namesOf, pathsIn } from "../../../src/lab/oracles/names.ts";
import type { Finding } from "../../../src/lab/oracles/promises.ts";
import { resetRecords, setRecording } from "../../../src/syscalls/record.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { bootKernel } from "../../support/kernel.ts";

const design = designs.get("ext4-xip-serialized") as Design;

test("a state that was good is compared with the calls of every run that ends in it, and with its claim", () => {
  const { mem, sys } = bootKernel(design);
  const calls = sys();
  const good = new GoodStates();
  const initial = new InitialFiles([]);
  let broken: Finding | undefined;
  const judge = (endState: number): Finding | undefined => {
    const recorded = recordedCalls(mem);
    return checkEndState({
      ...{ mem, design, options: {}, initial, endState, good, claim: () => broken },
      history: historyOf(recorded, initial.file),
      names: namesOf([], recorded),
      paths: pathsIn(recorded),
    });
  };
  const write = (value: number): void => {
    setRecording(mem, true);
    const fd = calls.open("/file", "a");
    calls.close(fd);
    const again = calls.open("/file", "r+");
    calls.pwrite(again, new Uint8Array(8).fill(value), 0);
    calls.close(again);
    setRecording(mem, false);
  };
  resetRecords(mem, 0);
  write(1);
  expect(judge(7)).toBeUndefined();
  expect(judge(7)).toBeUndefined();
  broken = { promise: "claim", message: "of a result" };
  expect(judge(7)).toBe(broken);
  broken = undefined;
  write(2);
  // The second write is not in the state that was kept as number 7.
  expect(judge(7)).toMatchObject({ promise: "no-lost-write" });
  expect(judge(8)).toBeUndefined();
});
