// How figures are taken and printed: several rounds each, the median told, everything within one process so
// that ratios compare like with like.

/** The middle one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

const ROUNDS = 7;

/** Calls `work` so often that a round takes a while; gives the median rate of the rounds, per second. */
export function rate(work: (index: number) => void, each: number, rounds = ROUNDS): number {
  const rates: number[] = [];
  let index = 0;
  for (let turn = 0; turn < rounds; turn++) {
    const begin = performance.now();
    for (let i = 0; i < each; i++) work(index++);
    rates.push((each / (performance.now() - begin)) * 1000);
  }
  return median(rates);
}

/** 402203 -> "402,000". */
export function round(value: number): string {
  const digits = Math.max(0, Math.floor(Math.log10(Math.max(1, value))) - 2);
  return (Math.round(value / 10 ** digits) * 10 ** digits).toLocaleString("en-US");
}

export function print(what: string, value: string, target = ""): void {
  console.log(`  ${what.padEnd(58)} ${value.padStart(18)}${target === "" ? "" : `   (wanted: ${target})`}`);
}
