// The tests run as compiled: workers load dist/, and a test that imported src/ would see a second
// copy of every module.  `npm test` builds first.
//
// Most tests start worker threads that spin for each other: two files at once would starve them.  Those that stay
// on their own thread go side by side, before the others.
//
// Only the tests are transformed.  What they test is loaded by Node, as users and workers load it: transforming it again
// for each file took a second or two, and the result ran slower.
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

const OWN_THREAD = /^((ext4|golden|machine|mm|syscalls|lab\/oracles|cli\/io)\/|cli\/(image|recover)\.)/;
const TESTED = /\/dist\/(src|workers)\//;
const MORE_THREADS = /(stress|threads|process|fuzz|extent-status)\.test\.js$/;

const files = readdirSync("dist/test", { recursive: true, encoding: "utf8" })
  .map((file) => file.replaceAll("\\", "/"))
  .filter((file) => file.endsWith(".test.js"));
const isAlone = (file: string): boolean => OWN_THREAD.test(file) && !MORE_THREADS.test(file);

const project = (name: string, groupOrder: number, maxWorkers: number, include: string[]) => ({
  test: {
    name,
    include: include.map((file) => `dist/test/${file}`),
    maxWorkers,
    maxConcurrency: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    sequence: { groupOrder },
    server: { deps: { external: [TESTED] } },
  },
});

export default defineConfig({
  test: {
    projects: [
      project("side by side", 1, availableParallelism(), files.filter(isAlone)),
      project(
        "one by one",
        2,
        1,
        files.filter((file) => !isAlone(file)),
      ),
    ],
  },
});
