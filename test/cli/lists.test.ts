// The commands that list what is built in.

import { expect, test } from "vitest";
import { run, scratch } from "./program.ts";

const directory = scratch();

test("designs and scenarios are listed with what they say of themselves", async () => {
  const designs = JSON.parse((await run(directory, "designs", "--json")).stdout) as {
    name: string;
    sound: boolean;
  }[];
  expect(designs.filter(({ sound }) => sound).map(({ name }) => name)).toEqual(["ext4-xip-serialized"]);
  const scenarios = JSON.parse((await run(directory, "scenarios", "--json")).stdout) as unknown[];
  expect(scenarios).toContainEqual({
    name: "write-beside-read",
    claim: expect.any(String),
    tasks: ["writer", "reader"],
    of: "matrix",
  });
  expect(scenarios).toContainEqual({
    name: "rename-over",
    claim: expect.any(String),
    tasks: ["replacer"],
    of: "crash",
  });
  expect((await run(directory, "designs")).stdout).toMatch(/^ext4-xip-serialized {2}\(meant to be sound\)$/m);
});
