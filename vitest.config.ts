// The tests run as compiled: workers load dist/, and a test that imported src/ would see a second
// copy of every module.  `npm test` builds first.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["dist/test/**/*.test.js"],
    exclude: ["**/node_modules/**"],
    // Tests start worker threads that spin for each other; two files at once would starve them.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
