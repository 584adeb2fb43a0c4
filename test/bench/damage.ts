// Damaged images by the ten thousand.  Each is its seed: DAMAGE_SEED=1234 does that one alone.

import { availableParallelism } from "node:os";
import { env } from "node:process";
import { damageImages } from "../ext4/fuzz/run.ts";
import { print } from "./figures.ts";

const COUNT = 10_000;
/** Behind those of the test run. */
const FIRST = 1_000_000;

export async function benchDamage(): Promise<void> {
  const only = env["DAMAGE_SEED"] ?? "";
  const [first, count] = only === "" ? [FIRST, COUNT] : [Number(only), 1];
  console.log("Damaged images, mounted and used");
  const begin = performance.now();
  const outcome = await damageImages(first, count, Math.min(count, availableParallelism()));
  const seconds = (performance.now() - begin) / 1000;
  print("images", `${count}`, only === "" ? "10,000" : "");
  print("refused by mount", `${outcome.refused}`);
  print("time for one, all threads together", `${((seconds / count) * 1000).toFixed(1)} ms`);
  print("crashes, loops, bytes outside, unasked writes", `${outcome.failures.length}`, "0");
  for (const failure of outcome.failures) console.log(failure);
  const sentences = [...outcome.messages, ...outcome.named].map((line) =>
    line.replace(/supported: .*/, "supported: …"),
  );
  for (const line of new Set(sentences.toSorted())) console.log(`    ${line}`);
  if (outcome.failures.length > 0) process.exitCode = 1;
}
