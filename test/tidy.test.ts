// The house rules as a test: which layer may use which, how large files and folders get, what kernel
// layers do without.  Each rule is data and a function from sources to problems, `file:line: what`, and
// comes with examples that break it: a rule that finds nothing in them is broken itself.

import { dirname } from "node:path";
import { describe, expect, test } from "vitest";
import { deadExports } from "./support/rules/dead-exports.ts";
import { importProblem, layerOf } from "./support/rules/layers.ts";
import { functionAround, inObject, isFree, leftmost, name } from "./support/rules/nodes.ts";
import { Source, sourcesIn, type Node } from "./support/rules/source.ts";
import { undescribed } from "./support/rules/undescribed.ts";

const KERNEL = ["locks", "mm", "ext4", "xip", "syscalls"];
/** Where the seam between kernel and scheduler lies: words are used there without announcing it. */
const BELOW_STEPS = ["machine", "locks", "sched"];

const MAX_LINES = 400;
const MAX_FILES = 12;
/** Folders that are lists, one thing a file. */
const LISTS = new Set(["src/lab/scenarios", "test/history"]);

/** Names that Linux gave to something else than a field on the media. */
const LINUX_NAMES = new Set(["extent_max_zeroout_kb"]);

/** What a rule may not object to, and why. */
const EXCEPTIONS: Record<string, string> = {
  "src/syscalls/record.ts quiet": "the order clock ticks where Op.call and Op.return have announced it",
};

interface Rule {
  title: string;
  check(sources: readonly Source[]): string[];
  /** Each of these files breaks the rule on its own. */
  bad: Files;
  /** These break it together. */
  together?: Files;
  /** These look like it and break nothing. */
  good: Files;
}

/** Texts by path. */
type Files = Record<string, string>;

const files = (folder: string, count: number): Files =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${folder}/${i}.ts`, "// one of many"]));

const isIn = (layers: readonly string[], path: string): boolean => layers.includes(layerOf(path) ?? "");

/** A rule about single nodes: `find` says what is wrong with one. */
function eachNode(
  where: (path: string) => boolean,
  find: (node: Node, path: string) => string | undefined,
): Rule["check"] {
  return (sources) =>
    sources
      .filter(({ path }) => where(path))
      .flatMap((source) =>
        source.nodes.flatMap((node) => {
          const words = find(node, source.path);
          return words === undefined ? [] : [source.problem(node.start, words)];
        }),
      );
}

const inKernel = (path: string): boolean => isIn(KERNEL, path);
const marks = /\b(TODO|FIXME|XXX|HACK)\b/;
const stubWords = /\b(stub(bed)?|placeholder|unimplemented|not (yet )?implemented)\b/i;

const rules: Rule[] = [
  {
    title: "imports go down the list of layers only",
    check: (sources) =>
      sources.flatMap((source) =>
        source.imports.flatMap(({ from, at }) => {
          const words = importProblem(source.path, from);
          return words === undefined ? [] : [source.problem(at, words)];
        }),
      ),
    bad: {
      "src/locks/a.ts": `import { x } from "../mm/space.ts";`,
      "src/mm/b.ts": `import type { X } from "../sched/engine.ts";`,
      "src/xip/c.ts": `export { x } from "../lab/explore.ts";`,
      "src/lab/d.ts": `const cli = await import("../cli/main.ts");`,
      "src/lab/e.ts": `export * from "../index.ts";`,
      "src/sched/f.ts": `import { x } from "../../test/support/x.ts";`,
      "src/oddity/g.ts": `import { x } from "../machine/cpu.ts";`,
      "workers/h.ts": `import { x } from "../test/support/x.ts";`,
    },
    good: {
      "src/mm/a.ts": `import { x } from "../locks/b.ts"; import { y } from "./c.ts"; import d from "piscina";`,
      "test/mm/a.test.ts": `import { x } from "../../src/sched/engine.ts";`,
    },
  },
  {
    title: "kernel layers and the machine import nothing from outside, not even Node's own",
    check: (sources) =>
      sources
        .filter(({ path }) => isIn([...KERNEL, "machine"], path))
        .flatMap((source) =>
          source.imports
            .filter(({ relative }) => !relative)
            .map(({ from, at }) => source.problem(at, `imports ${from}`)),
        ),
    bad: {
      "src/mm/a.ts": `import { readFileSync } from "node:fs";`,
      "src/machine/b.ts": `import p from "p";`,
    },
    good: { "src/lab/a.ts": `import { readFileSync } from "node:fs";` },
  },
  {
    title: `no file has more than ${MAX_LINES} lines`,
    check: (sources) =>
      sources
        .map((source) => ({ source, lines: source.text.trimEnd().split("\n").length }))
        .filter(({ lines }) => lines > MAX_LINES)
        .map(({ source, lines }) => source.problem(0, `has ${lines} lines`)),
    bad: { "test/a.ts": "// line\n".repeat(MAX_LINES + 1) },
    good: { "src/a.ts": "// line\n".repeat(MAX_LINES) },
  },
  {
    title: `no folder has more than ${MAX_FILES} files`,
    check: (sources) => {
      const counts = new Map<string, number>();
      for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
      return [...counts]
        .filter(([folder, count]) => count > MAX_FILES && !LISTS.has(folder))
        .map(([folder, count]) => `${folder}: has ${count} files`);
    },
    bad: {},
    together: files("src/mm", MAX_FILES + 1),
    good: { ...files("src/mm", MAX_FILES), ...files("src/lab/scenarios", MAX_FILES + 1) },
  },
  {
    title: "every file of src/ and workers/ opens with a comment that says what it is",
    check: (sources) =>
      sources
        .filter(({ path }) => !path.startsWith("test/"))
        .filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text))
        .map((source) => source.problem(0, "opens without a comment")),
    bad: { "src/mm/a.ts": `import { x } from "./b.ts";\n// late`, "workers/b.ts": "\n" },
    good: { "src/cli/main.ts": "#!/usr/bin/env node\n// The command line.\n", "src/mm/b.ts": "/* What. */" },
  },
  {
    title: "kernel layers are synchronous and know no clock and no chance but the machine's",
    check: eachNode(inKernel, (node) => {
      const parent = node.parent as Node;
      if (node["async"] === true || node.type === "AwaitExpression") return "is asynchronous";
      if (!isFree(node)) return undefined;
      const timers = [
        "Date",
        "performance",
        "crypto",
        "Promise",
        "queueMicrotask",
        "setTimeout",
        "setImmediate",
      ];
      if (timers.includes(name(node))) return `uses ${name(node)}`;
      const random = name(node) === "Math" && name(parent["property"]) === "random";
      return random ? "uses Math.random" : undefined;
    }),
    bad: {
      "src/mm/a.ts": "const f = async () => 1;",
      "src/mm/b.ts": "class A { async f() {} }",
      "src/mm/c.ts": "const now = Date.now();",
      "src/mm/d.ts": "const x = Math.random();",
      "src/mm/e.ts": "setTimeout(f, 5);",
      "src/mm/f.ts": "const d = new Date();",
      "src/mm/g.ts": "await f;",
      "src/mm/h.ts": "const f = (): number => performance.now();",
    },
    good: {
      "src/mm/a.ts": "x.Date = Math.max(1, { Date: 2 }.Date);",
      "src/lab/b.ts": "await new Promise(f);",
    },
  },
  {
    title: "kernel layers have no try, finally or using: a dead CPU does not run its unlocks",
    check: eachNode(inKernel, (node) => {
      if (node.type === "TryStatement") return "has a try";
      return /using/.test(String(node["kind"])) ? "has a using" : undefined;
    }),
    bad: {
      "src/ext4/a.ts": "try { f(); } catch {}",
      "src/ext4/b.ts": "function f() { try { g(); } finally { h(); } }",
      "src/ext4/c.ts": "function f() { using lock = take(); }",
    },
    good: { "src/sched/a.ts": "try { f(); } catch {}", "src/ext4/b.ts": "const using = 1;" },
  },
  {
    title: "kernel layers have no state of their own: no module-level let, no empty module-level Map or Set",
    check: eachNode(inKernel, (node) => {
      const statement = node.parent?.type === "ExportNamedDeclaration" ? node.parent : node;
      if (node.type !== "VariableDeclaration" || statement.parent?.type !== "Program") return undefined;
      if (node["kind"] !== "const") return `has a module-level ${String(node["kind"])}`;
      const empty = (node["declarations"] as Node[]).some(({ init }) =>
        isEmptyCollection(init as Node | null),
      );
      return empty ? "has a module-level collection that can only fill up" : undefined;
    }),
    bad: {
      "src/xip/a.ts": "let count = 0;",
      "src/xip/b.ts": "export let count = 0;",
      "src/xip/c.ts": "var count = 0;",
      "src/xip/d.ts": "const seen = new Map<number, string>();",
    },
    good: {
      "src/xip/a.ts": "const table = new Map(pairs); function f() { let i = 0; return new Set(); }",
      "src/machine/b.ts": "let task = 0;",
    },
  },
  {
    title: "words are used without announcing it in machine/, locks/ and sched/ only",
    check: eachNode(
      (path) => path.startsWith("src/") && !isIn(BELOW_STEPS, path),
      (node, path) => {
        const quiet = node.type === "ImportSpecifier" && name(node["imported"]) === "quiet";
        if (quiet && EXCEPTIONS[`${path} quiet`] === undefined) return "imports quiet";
        return isIn(KERNEL, path) && isFree(node) && name(node) === "Atomics" ? "uses Atomics" : undefined;
      },
    ),
    bad: {
      "src/mm/a.ts": `import { quiet, u32 } from "../machine/struct.ts";`,
      "src/ext4/b.ts": "Atomics.add(mem.i32, 0, 1);",
    },
    good: {
      "src/mm/a.ts": `import { atomic } from "../machine/struct.ts"; const quiet = 1; f(quiet);`,
      "src/locks/b.ts": `import { quiet } from "../machine/struct.ts"; Atomics.add(mem.i32, 0, 1);`,
      "src/lab/c.ts": "Atomics.notify(stop, 0);",
    },
  },
  {
    title:
      "step, park and wake are called by named functions and methods, not by getters, constructors, callbacks",
    check: eachNode(
      (path) => isIn([...KERNEL, "machine"], path),
      (node) => {
        if (node.type !== "CallExpression" || !["step", "park", "wake"].includes(name(node["callee"])))
          return;
        const around = functionAround(node);
        if (around === undefined) return "is called while a module loads";
        const { parent, role } = around;
        if (parent?.type === "CallExpression" && role === "arguments") return "is called in a callback";
        const kind = role === "value" ? parent?.["kind"] : undefined;
        return kind === "get" || kind === "set" || kind === "constructor"
          ? `is called in a ${kind}`
          : undefined;
      },
    ),
    bad: {
      "src/mm/a.ts": "class A { get x() { step(Op.load, 1); return 1; } }",
      "src/mm/b.ts": "class A { constructor() { park(cell, 1); } }",
      "src/mm/c.ts": "const x = { get y() { step(Op.load, 1); return 1; } };",
      "src/mm/d.ts": "list.sort((a, b) => { step(Op.load, a); return a - b; });",
      "src/mm/e.ts": "step(Op.load, 1);",
      "src/mm/f.ts": "list.forEach(function (x) { if (x) { wake(x); } });",
      "src/mm/g.ts": "class A { set x(v) { step(Op.store, 1); } }",
    },
    good: {
      "src/mm/a.ts": "class A { load() { step(Op.load, this.at); } } const f = () => step(Op.load, 1);",
      "src/mm/b.ts": "function f() { for (const x of y) step(Op.load, x); } engine.step(1);",
    },
  },
  {
    title: "names in snake_case are fields on the media: declared in ext4/media/, used in ext4/",
    check: eachNode(
      (path) => path.startsWith("src/") || path.startsWith("workers/"),
      (node, path) => {
        const word = name(node);
        if (node.type !== "Identifier" || !/[a-z0-9]_[a-z0-9]/.test(word)) return undefined;
        if (LINUX_NAMES.has(word) || path.startsWith("src/ext4/media/")) return undefined;
        const parent = node.parent as Node;
        const declared = node.role === "key" && parent["shorthand"] !== true && inObject(parent);
        if (declared || !path.startsWith("src/ext4/")) return `${word} is in snake_case`;
        return undefined;
      },
    ),
    bad: {
      "src/xip/a.ts": "extent.ee_len = 1;",
      "src/ext4/map.ts": `const Raw = struct("raw", { ee_block: u32 });`,
      "src/lab/b.ts": "const block_count = 5;",
      "workers/c.ts": "f({ block_count: 5 });",
    },
    good: {
      "src/ext4/map.ts": "const { ee_len } = extent; extent.ee_block = ee_len; const GROUP_UNINIT = 1;",
      "src/ext4/media/extent.ts": `const Raw = struct("raw", { ee_block: u32 });`,
      "src/lab/c.ts": `f({ extent_max_zeroout_kb: 4 }, "ee_block", MAX_LINES);`,
    },
  },
  {
    title: "no test is skipped and none runs alone",
    check: eachNode(
      (path) => path.startsWith("test/"),
      (node) => {
        const property = name(node["property"]);
        if (node.type !== "MemberExpression" || !/^(only|skip|todo|skipIf|runIf|fails)$/.test(property))
          return;
        return /^(test|it|describe)$/.test(leftmost(node)) ? `has ${property}` : undefined;
      },
    ),
    bad: {
      "test/a.test.ts": `test.only("x", f);`,
      "test/b.test.ts": `describe.skip("x", f);`,
      "test/c.test.ts": `test.each([1]).skip("x", f);`,
      "test/d.test.ts": `it.skipIf(slow)("x", f);`,
    },
    good: { "test/a.test.ts": `options.only = list.skip; test.each([1])("x", f);` },
  },
  {
    title: "nothing is left for later",
    check: (sources) =>
      sources
        .filter(({ path }) => path !== "test/tidy.test.ts")
        .flatMap((source) =>
          source.text
            .split("\n")
            .flatMap((line, index) =>
              marks.test(line) || stubWords.test(line) ? [`${source.path}:${index + 1}: ${line.trim()}`] : [],
            ),
        ),
    bad: {
      "src/a.ts": "// TODO: later",
      "test/b.ts": `throw new Error("not implemented");`,
      "src/c.ts": "// a stub",
    },
    good: {
      "src/a.ts": "// stubborn readers; what was implemented is no hack",
      "src/b.ts": "const todo = 1;",
    },
  },
  {
    title: "what src/ exports is used by another file or is the library's",
    check: deadExports,
    bad: {
      "src/mm/a.ts": "export function lonely() {}",
      "src/mm/b.ts": "export const lonely = 1; f(lonely);",
      "src/mm/c.ts": "export type Lonely = number;",
      "src/mm/d.ts": "function f() {} export { f as lonely };",
    },
    good: {
      "src/mm/a.ts": "export const used = 1; export type Shape = number; export function f(x: Shape) {}",
      "src/mm/b.ts": `import { used } from "./a.ts"; run("entry");`,
      "src/index.ts": `export { f } from "./mm/a.ts"; export const api = 1;`,
      "src/lab/entry.ts": "export function entry() {}",
      "src/lab/scenarios/one.ts": "export default 1;",
    },
  },
  {
    title: "what the library exports is described where it is declared",
    check: undescribed,
    bad: {},
    together: {
      "src/index.ts": `export { told } from "./mm/a.ts";`,
      "src/mm/a.ts": `/** Told. */ export const other = 1;\n// No.\nexport function told() {}`,
    },
    good: {
      "src/kernel.ts": `export { told, type Shape } from "./mm/a.ts"; export type { A } from "./mm/a.ts";`,
      "src/mm/a.ts": `/** A. */ export interface A {}\n/** Told. */ export const told = 1;\n/** S */ export type Shape = 1;`,
      "src/mm/b.ts": "export const inside = 1;",
    },
  },
];

function isEmptyCollection(node: Node | null): boolean {
  if (node?.type !== "NewExpression" || (node["arguments"] as Node[]).length > 0) return false;
  return ["Map", "Set"].includes(name(node["callee"]));
}

const sources = sourcesIn("src", "workers", "test");
const parse = (texts: Files): Source[] => Object.entries(texts).map(([path, text]) => new Source(path, text));

describe.each(rules)("$title", ({ check, bad, together, good }) => {
  test("holds in this repository", () => {
    expect(check(sources)).toEqual([]);
  });

  const examples: Files[] = Object.entries(bad).map(([path, text]) => ({ [path]: text }));
  if (together !== undefined) examples.push(together);
  test.each(examples)("is broken by example %#", (example) => {
    const problems = check(parse(example));
    expect(problems).not.toEqual([]);
    expect(problems[0]).toMatch(/^[\w./-]+:(\d+:)? ./);
  });

  test("is not broken by what only looks like it", () => {
    expect(check(parse(good))).toEqual([]);
  });
});
