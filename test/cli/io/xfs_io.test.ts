// xfs_io as the witness: what it said to the cases when it was recorded, and, where it is installed and a loop
// device can be mounted, what it says now.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { e2fsck } from "../../support/e2fsprogs.ts";
import { cases } from "./cases.ts";
import { askOurs } from "./ours.ts";
import { askXfsIo, freshImage, witnessRefusal, type Said } from "./witness.ts";

const recorded = JSON.parse(
  readFileSync(new URL("../../../../test/cli/io/recorded.json", import.meta.url), "utf8"),
) as { witness: string; kernel: string; answers: Record<string, Said[]> };

const home = process.cwd();
const folder = mkdtempSync(join(tmpdir(), "unwritten-io-"));
beforeAll(() => process.chdir(folder));
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

const image = freshImage();

describe(`as ${recorded.witness} on ${recorded.kernel} said`, () => {
  test.each(cases)("$name", async (one) => {
    const { answers, image: left } = await askOurs(one, image);
    one.runs.forEach((words, at) => {
      expect({ words, ...answers[at] }).toEqual({ words, ...recorded.answers[one.name]?.[at] });
    });
    expect(e2fsck(left)).toBe("");
  });
});

const refusal = witnessRefusal();
test(`xfs_io says the same today${refusal === "" ? "" : ` (not asked: ${refusal})`}`, () => {
  if (refusal !== "") return;
  expect(askXfsIo(cases)).toEqual(recorded.answers);
});
