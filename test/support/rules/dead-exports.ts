// Exports that nobody uses, for the house rules.

import { name } from "./nodes.ts";
import type { Source } from "./source.ts";

/** Exports that no other file imports, or mentions as a string (workers call functions by name). */
export function deadExports(sources: readonly Source[]): string[] {
  const used = new Map<string, Set<string>>();
  const strings = new Map<string, Set<string>>(); // by literal, the files that have it
  for (const source of sources) {
    for (const { from, names } of source.imports) {
      for (const one of names) used.set(from, (used.get(from) ?? new Set()).add(one));
    }
    for (const { type, value } of source.nodes) {
      if (type !== "Literal" || typeof value !== "string") continue;
      strings.set(value, (strings.get(value) ?? new Set()).add(source.path));
    }
  }
  const isUsed = (source: Source, one: string, typeOnly: boolean): boolean => {
    const importers = used.get(source.path);
    if (importers?.has(one) === true || importers?.has("*") === true) return true;
    // A type that an exported signature of the same file speaks of.
    if (
      typeOnly &&
      source.nodes.filter((node) => node.type === "Identifier" && name(node) === one).length > 1
    ) {
      return true;
    }
    if ([...(strings.get(one) ?? [])].some((path) => path !== source.path)) return true;
    return one === "default" && source.path.startsWith("src/lab/scenarios/");
  };
  return sources
    .filter(({ path }) => path.startsWith("src/") && !/^src\/(index|kernel)\.ts$/.test(path))
    .flatMap((source) =>
      source.exports
        .filter((one) => !isUsed(source, one.name, one.typeOnly))
        .map((one) => source.problem(one.at, `nothing uses ${one.name}`)),
    );
}
