// What a caller got wrong, in one sentence.  The command line prints it and exits with 2.

/** Wrong use: an unknown name, an option out of range, a scenario that is none.  Nothing was started. */
export class UsageError extends Error {
  override readonly name: string = "UsageError";
}

/** "a, b and c". */
export function list(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** How a value looks in a sentence: `"text"`, `3`, `a function`, `an array`. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return "a function";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  return typeof value === "bigint" ? `${value}n` : String(value);
}

/** Refuses keys that nobody reads: a misspelt option must not be silently ignored. */
export function knownKeys(what: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) {
      throw new UsageError(`${what} has no ${JSON.stringify(key)}; it has ${list(known)}`);
    }
  }
}

/** A whole number within bounds, or a sentence that names the option. */
export function wholeNumber(what: string, value: unknown, low: number, high: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= low && value <= high) return value;
  throw new UsageError(`${what} is a whole number from ${low} to ${high}, not ${shown(value)}`);
}

/** `; did you mean "matrix"?`, or nothing when no candidate is near. */
export function didYouMean(given: string, candidates: readonly string[]): string {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const candidate of candidates) {
    const begins = given.length >= 3 && candidate.startsWith(given);
    const distance = begins ? 1 : editDistance(given.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance && distance < candidate.length) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best === undefined ? "" : `; did you mean "${best}"?`;
}

/** Insertions, deletions, replacements, and swaps of neighbours that turn one word into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replaced, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
