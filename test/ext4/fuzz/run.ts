// Damaged images on as many threads as asked for.  A seed says which image is damaged where: a failure names
// it, and the benchmark takes it back (DAMAGE_SEED=1234 npm run bench -- damage).

import { Piscina } from "piscina";
import { makeSources } from "./images.ts";
import type { Outcome, Share } from "./shard.ts";

/** Milliseconds for one image: far more than any takes, so a loop without end is told from a slow computer. */
const PATIENCE = 20_000;

/** Mounts and uses `count` damaged images, from seed `first` on; gives what all threads saw together. */
export async function damageImages(first: number, count: number, threads: number): Promise<Outcome> {
  const filename = new URL("./shard.js", import.meta.url).href;
  const pool = new Piscina({ filename, minThreads: threads, maxThreads: threads });
  const sources = makeSources();
  const each = Math.ceil(count / threads);
  const outcomes = await Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const begin = first + thread * each;
      const progress = new Int32Array(new SharedArrayBuffer(4));
      const share: Share = { sources, first: begin, count: Math.min(each, first + count - begin), progress };
      return watched(share, (signal) => pool.run(share, { signal }) as Promise<Outcome>);
    }),
  );
  await pool.destroy();
  const all = <T>(part: (outcome: Outcome) => readonly T[]): T[] => [...new Set(outcomes.flatMap(part))];
  return {
    failures: all(({ failures }) => failures),
    refused: outcomes.reduce((sum, { refused }) => sum + refused, 0),
    codes: all(({ codes }) => codes),
    named: all(({ named }) => named),
    messages: all(({ messages }) => messages),
  };
}

/** Gives up when the thread stays at one seed. */
async function watched(
  { progress }: Share,
  start: (signal: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  const stop = new AbortController();
  let seen = -1;
  const watch = setInterval(() => {
    const now = Atomics.load(progress, 0);
    if (now === seen) stop.abort();
    seen = now;
  }, PATIENCE);
  try {
    return await start(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    return {
      failures: [`seed ${seen}: no end after ${PATIENCE} ms`],
      refused: 0,
      codes: [],
      named: [],
      messages: [],
    };
  } finally {
    clearInterval(watch);
  }
}
