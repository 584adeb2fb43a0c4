// Questions about nodes of a syntax tree, for the house rules.

import type { Node } from "./source.ts";

/** The name of an identifier, "" of anything else. */
export const name = (node: unknown): string => (node as { name?: string } | undefined)?.name ?? "";

/** Whether an identifier stands for itself, not for a property of something. */
export function isFree(node: Node): boolean {
  if (node.type !== "Identifier") return false;
  const parent = node.parent as Node;
  const isProperty = node.role === "property" && parent["computed"] === false;
  return !isProperty && !(node.role === "key" && parent["shorthand"] !== true);
}

/** The function whose code a node is in. */
export function functionAround(node: Node): Node | undefined {
  let around = node.parent;
  while (around !== undefined && !/Function/.test(around.type)) around = around.parent;
  return around;
}

/** Whether a property belongs to an object or a type, not to a pattern that takes one apart. */
export function inObject(property: Node): boolean {
  return property.parent?.type !== "ObjectPattern";
}

/** The name with which a chain of calls and properties starts: `test.each([1]).only` -> "test". */
export function leftmost(node: Node): string {
  let left = node;
  for (;;) {
    const next = (left["object"] ?? left["callee"] ?? left["tag"]) as Node | undefined;
    if (next === undefined) return name(left);
    left = next;
  }
}
