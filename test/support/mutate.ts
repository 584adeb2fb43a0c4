// Copies of a design with a line of defence taken out, as modules that workers can load.
//
// The change is made in the compiled design: its imports are made absolute, and named statements are taken
// out or moved.  A pattern that no longer matches is an error, so changes cannot rot.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** From a module's text to another. */
export type Change = (text: string) => string;

const XIP = new URL("../../src/xip/", import.meta.url);

/** The compiled text of a module of src/xip/, such as `designs/ext2-xip` or `space`. */
export function compiledText(module: string): string {
  return readFileSync(new URL(`${module}.js`, XIP), "utf8");
}

const functions = /^( *)(?:export )?(?:function )?(\w+)\([^)]*\) \{\n[\s\S]*?^\1\}/gm;

/** The top level functions and the methods of the design object, each from its name to its closing brace. */
export function bodiesOf(text: string): { name: string; body: string; at: number }[] {
  return [...text.matchAll(functions)].map((found) => ({
    name: found[2] as string,
    body: found[0],
    at: found.index,
  }));
}

/** A change of one function's body. */
export function inFunction(name: string, change: Change): Change {
  return (text) => {
    const found = bodiesOf(text).filter((one) => one.name === name);
    const [one] = found;
    if (one === undefined || found.length > 1) throw new Error(`there are ${found.length} functions ${name}`);
    return text.slice(0, one.at) + change(one.body) + text.slice(one.at + one.body.length);
  };
}

/** Puts something else in the place of what a pattern matches in a function; it must match once. */
export function replacing(name: string, pattern: RegExp, by: string): Change {
  return inFunction(name, (body) => {
    const found = [...body.matchAll(new RegExp(pattern, `${pattern.flags}g`))];
    if (found.length !== 1) throw new Error(`${name} has ${found.length} times: ${pattern.source}`);
    return body.replace(pattern, by);
  });
}

/** Takes statements out of a function; each must be there once. */
export function dropping(name: string, ...statements: string[]): Change {
  return inFunction(name, (body) =>
    statements.reduce((rest, statement) => {
      const parts = rest.split(statement);
      if (parts.length !== 2) throw new Error(`${name} has ${parts.length - 1} times: ${statement}`);
      return parts.join("");
    }, body),
  );
}

/** One change after the other. */
export function both(first: Change, second: Change): Change {
  return (text) => second(first(text));
}

export interface Written {
  /** What `explore` takes as a design. */
  readonly path: string;
  remove(): void;
}

/**
 * Writes a design with a change into a folder of its own.  With `module` the change is made in that module
 * of src/xip/, and the design is as it was but for using it.
 */
export function writeMutant(design: string, change: Change, module = `designs/${design}`): Written {
  const text = compiledText(module);
  const changed = change(text);
  if (changed === text) throw new Error("the change changed nothing");
  const folder = mkdtempSync(join(tmpdir(), "unwritten-mutant-"));
  const path = join(folder, "mutant.mjs");
  writeFileSync(path, absolute(changed, module));
  if (module !== `designs/${design}`) {
    const place = new URL(`${module}.js`, XIP).href;
    const user = absolute(compiledText(`designs/${design}`), `designs/${design}`);
    if (!user.includes(`"${place}"`)) throw new Error(`${design} does not import ${module}`);
    writeFileSync(join(folder, "design.mjs"), user.replaceAll(`"${place}"`, `"./mutant.mjs"`));
    return { path: join(folder, "design.mjs"), remove: () => rmSync(folder, { recursive: true }) };
  }
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

const absolute = (text: string, module: string): string =>
  withAbsoluteImports(text, new URL(`${module}.js`, XIP));

/** The compiled text of a module at `base`, to be loaded from somewhere else. */
export function withAbsoluteImports(text: string, base: URL): string {
  return text
    .replace(/from "(\.[^"]+)"/g, (_, relative: string) => `from "${new URL(relative, base).href}"`)
    .replace(/^\/\/# sourceMappingURL.*$/m, "");
}
