// Exports of the library without a comment, for the house rules.

import type { Source } from "./source.ts";

/** What src/index.ts and src/kernel.ts give out, and no comment describes where it is declared. */
export function undescribed(sources: readonly Source[]): string[] {
  const given = new Map<string, Set<string>>();
  for (const { path, imports } of sources) {
    if (!/^src\/(index|kernel)\.ts$/.test(path)) continue;
    for (const { from, names } of imports) given.set(from, new Set([...(given.get(from) ?? []), ...names]));
  }
  return sources.flatMap((source) => {
    const isDescribed = (at: number): boolean => source.text.slice(0, at).trimEnd().endsWith("*/");
    // Of a function with overloads, those are described, and what comes behind them need not be.
    const described = new Set(source.exports.flatMap(({ name, at }) => (isDescribed(at) ? [name] : [])));
    return source.exports
      .filter(({ name }) => given.get(source.path)?.has(name) === true && !described.has(name))
      .map(({ name, at }) => source.problem(at, `nothing describes ${name}, which the library exports`));
  });
}
