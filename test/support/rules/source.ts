// The sources of this repository as the house rules read them: text, syntax tree, imports and exports.

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAst } from "vitest/node";

/** Tests run from dist/test/. */
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

/** Any node of the ESTree that the parser gives, with what it hangs on. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly parent: Node | undefined;
  /** The property of the parent that holds it. */
  readonly role: string;
  readonly [property: string]: unknown;
}

export interface Import {
  /** A path inside the repository, or the name of a package. */
  readonly from: string;
  readonly relative: boolean;
  /** Names as the other file exports them; "*" for all of them. */
  readonly names: readonly string[];
  readonly at: number;
}

export interface Export {
  readonly name: string;
  /** Whether only types go by this name. */
  readonly typeOnly: boolean;
  readonly at: number;
}

/** One file, parsed. */
export class Source {
  /** As in `src/locks/mutex.ts`. */
  readonly path: string;
  readonly text: string;
  readonly nodes: readonly Node[];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    this.nodes = flatten(parseAst(text, { lang: "ts" }) as unknown as Tree);
  }

  /** `src/locks/mutex.ts:12: the problem`. */
  problem(at: number, words: string): string {
    return `${this.path}:${this.text.slice(0, at).split("\n").length}: ${words}`;
  }

  get imports(): Import[] {
    return this.nodes.flatMap((node): Import[] => {
      const kinds = [
        "ImportDeclaration",
        "ExportNamedDeclaration",
        "ExportAllDeclaration",
        "ImportExpression",
      ];
      const from = (node["source"] as Node | null | undefined)?.["value"];
      if (!kinds.includes(node.type) || typeof from !== "string") return [];
      const relative = from.startsWith(".");
      const resolved = relative ? normalize(join(dirname(this.path), from)) : from;
      return [{ from: resolved, relative, names: importedNames(node), at: node.start }];
    });
  }

  get exports(): Export[] {
    const found = this.nodes.flatMap((node): Export[] => {
      if (node.type === "ExportDefaultDeclaration")
        return [{ name: "default", typeOnly: false, at: node.start }];
      if (node.type !== "ExportNamedDeclaration") return [];
      return exportedNames(node).map((one) => ({ ...one, at: node.start }));
    });
    // A value and a type of one name are one export.
    const values = new Set(found.filter(({ typeOnly }) => !typeOnly).map(({ name }) => name));
    return found.filter(({ name, typeOnly }) => !typeOnly || !values.has(name));
  }
}

type Tree = { type: string; start: number } & Record<string, unknown>;

function flatten(root: Tree): Node[] {
  const nodes: Node[] = [];
  const visit = (tree: Tree, parent: Node | undefined, role: string): void => {
    const node = Object.assign(tree, { parent, role }) as Node;
    nodes.push(node);
    for (const [key, value] of Object.entries(tree)) {
      if (key === "parent") continue;
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isTree(child)) visit(child, node, key);
      }
    }
  };
  visit(root, undefined, "");
  return nodes;
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

const nameOf = (node: unknown): string => {
  const { name, value } = node as { name?: string; value?: string };
  return name ?? value ?? "";
};

function importedNames(node: Node): string[] {
  if (node.type === "ExportAllDeclaration" || node.type === "ImportExpression") return ["*"];
  return (node["specifiers"] as Node[]).map((one) => {
    if (one.type === "ImportNamespaceSpecifier") return "*";
    if (one.type === "ImportDefaultSpecifier") return "default";
    return nameOf(node.type === "ImportDeclaration" ? one["imported"] : one["local"]);
  });
}

function exportedNames(node: Node): Omit<Export, "at">[] {
  const typeOnly = node["exportKind"] === "type";
  const declaration = node["declaration"] as Node | null;
  if (declaration === null) {
    return (node["specifiers"] as Node[]).map((one) => ({ name: nameOf(one["exported"]), typeOnly }));
  }
  const declared = (declaration["declarations"] as Node[] | undefined) ?? [declaration];
  return declared.map((one) => ({ name: nameOf(one["id"]), typeOnly }));
}

/** All TypeScript files under these folders, parsed. */
export function sourcesIn(...folders: string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .toSorted()
      .map((name) => `${folder}/${name}`)
      .map((path) => new Source(path, readFileSync(join(ROOT, path), "utf8"))),
  );
}
