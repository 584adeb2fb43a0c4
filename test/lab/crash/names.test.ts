// Which names a recovery may leave, held to a file system of objects on which the same calls are made one by one.

import { assert, constantFrom, array, integer, nat, property, record } from "fast-check";
import { expect, test } from "vitest";
import { NamesLeft, type NameMap } from "../../../src/lab/crash/names.ts";
import type { RecordedCall } from "../../../src/lab/oracles/history.ts";
import type { Finding } from "../../../src/lab/oracles/promises.ts";
import { O } from "../../../src/syscalls/flags.ts";
import { Call } from "../../../src/syscalls/record.ts";

const words = { task: String, file: (key: string) => `file ${key}` };

/** A file, or with `inside` a directory. */
interface Thing {
  readonly key: string;
  readonly inside?: Map<string, Thing>;
}

/** Names as objects that lie in each other: nothing of it is a path. */
class Model {
  readonly root: Thing = { key: "2:0", inside: new Map() };
  #made = 10;

  #find(path: string): [Map<string, Thing>, string, Thing | undefined] | undefined {
    const names = path.split("/").slice(1);
    const last = names.pop() as string;
    let place = this.root.inside;
    for (const name of names) place = place?.get(name)?.inside;
    return place === undefined ? undefined : [place, last, place.get(last)];
  }

  /** Makes the call: the key of what it concerns, or undefined where it fails. */
  call(kind: Call, path: string, other: string): string | undefined {
    const found = this.#find(path);
    if (found === undefined) return undefined;
    const [place, name, thing] = found;
    if (kind === Call.open || kind === Call.mkdir) {
      if (thing !== undefined)
        return kind === Call.open && thing.inside === undefined ? thing.key : undefined;
      const made: Thing = { key: `${this.#made++}:1`, ...(kind === Call.mkdir && { inside: new Map() }) };
      place.set(name, made);
      return made.key;
    }
    if (thing === undefined) return undefined;
    if (kind === Call.unlink || kind === Call.rmdir) {
      if ((kind === Call.rmdir) !== (thing.inside !== undefined) || (thing.inside?.size ?? 0) > 0)
        return undefined;
      place.delete(name);
      return thing.key;
    }
    const target = this.#find(other);
    if (target === undefined || other.startsWith(`${path}/`)) return undefined;
    const [otherPlace, otherName, there] = target;
    if (kind === Call.link) {
      if (there !== undefined || thing.inside !== undefined) return undefined;
    } else {
      if (there !== undefined && (there.inside !== undefined) !== (thing.inside !== undefined))
        return undefined;
      if ((there?.inside?.size ?? 0) > 0) return undefined;
      if (there !== thing) place.delete(name);
    }
    otherPlace.set(otherName, thing);
    return thing.key;
  }

  /** What the names mean now. */
  get names(): NameMap {
    const names = new Map([["/", this.root.key]]);
    const visit = (path: string, { inside }: Thing): void => {
      for (const [name, thing] of inside ?? []) {
        names.set(`${path}/${name}`, thing.key);
        visit(`${path}/${name}`, thing);
      }
    };
    visit("", this.root);
    return names;
  }
}

function callOf(kind: Call, path: string, other: string, file: string, begin: number): RecordedCall {
  const data = new TextEncoder().encode(
    kind === Call.rename || kind === Call.link ? `${path}\0${other}` : path,
  );
  const [task, process, number, ino, position, length, result] = [0, 0, begin, 0, 0, 0, 0];
  const extra = kind === Call.open ? O.CREAT : 0;
  const rest = { task, process, number, ino, position, length, result, extra };
  const none = { error: 0, mapped: 0, source: "", sourcePosition: 0 };
  return { kind, begin, end: begin + 1, file, data, ...rest, ...none };
}

const same = (one: NameMap, two: NameMap): boolean =>
  one.size === two.size && [...one].every(([path, key]) => two.get(path) === key);

const kinds = [
  Call.open,
  Call.open,
  Call.mkdir,
  Call.unlink,
  Call.rmdir,
  Call.rename,
  Call.rename,
  Call.link,
  Call.sync,
];
const paths = ["/a", "/b", "/d", "/d/a", "/d/b", "/d/e", "/d/e/a"];
const calls = array(
  record({ kind: constantFrom(...kinds), path: constantFrom(...paths), other: constantFrom(...paths) }),
  { maxLength: 14 },
);

test("what the first calls have left is right from the last sync on; before that a call is undone, and nothing else is right", () => {
  let undone = 0;
  let wrong = 0;
  assert(
    property(calls, integer({ min: 0, max: 14 }), nat(), (asked, cut, odd) => {
      const model = new Model();
      const made: RecordedCall[] = [];
      const after: NameMap[] = [model.names];
      let [synced, count] = [0, 0];
      for (const [index, { kind, path, other }] of asked.entries()) {
        const key = kind === Call.sync ? "0:0" : model.call(kind, path, other);
        if (key === undefined) continue;
        made.push(callOf(kind, path, other, key, 2 * index + 1));
        if (kind === Call.sync) synced = count;
        else after.push(model.names);
        if (kind !== Call.sync) count += 1;
      }
      const left = new NamesLeft(made, after[0] as NameMap);
      const at = Math.min(cut, count);
      const found = after[at] as NameMap;
      const finding = left.judge(found, words);
      const isRight = after.slice(synced).some((names) => same(names, found));
      expect(finding?.promise).toBe(isRight ? undefined : "no-lost-write");
      if (!isRight) undone += 1;
      const broken = new Map(found);
      const path = [...broken.keys()][odd % broken.size] as string;
      if (odd % 2 === 0) broken.delete(path);
      else broken.set(path, "99:9");
      if (after.some((names) => same(names, broken))) return;
      wrong += 1;
      expect(left.judge(broken, words)?.promise).toBe("consistent");
    }),
    { numRuns: 400 },
  );
  expect(undone).toBeGreaterThan(0);
  expect(wrong).toBeGreaterThan(100);
});

const initial: NameMap = new Map([
  ["/", "2:0"],
  ["/new", "12:1"],
  ["/old", "13:1"],
]);
const rename = callOf(Call.rename, "/new", "/old", "0:0", 1);
const judge = (found: Record<string, string>, ...more: RecordedCall[]): Finding | undefined =>
  new NamesLeft([rename, ...more], initial).judge(new Map(Object.entries({ "/": "2:0", ...found })), words);

test("a path that is renamed over names the old or the new file, and after a sync of either or of the directory the new", () => {
  const before = { "/new": "12:1", "/old": "13:1" };
  expect(judge(before)).toBe(undefined);
  expect(judge({ "/old": "12:1" })).toBe(undefined);
  expect(judge({ "/new": "12:1" })?.message).toBe(
    "after recovery /old names nothing where file 13:1 or file 12:1 was right",
  );
  expect(judge({ "/old": "13:1" })?.message).toBe(
    "after recovery a call is half done: /new names nothing, /old names file 13:1",
  );
  expect(judge({ "/new": "12:1", "/old": "12:1" })?.message).toMatch(/half done/);
  for (const key of ["2:0", "12:1", "13:1"]) {
    expect(judge(before, callOf(Call.fsync, "", "", key, 3))?.message).toBe(
      "rename /new to /old is undone after recovery, and a sync that covers it had returned",
    );
  }
  expect(judge(before, callOf(Call.fsync, "", "", "14:1", 3))).toBe(undefined);
  expect(judge(before, callOf(Call.fdatasync, "", "", "12:1", 3))).toBe(undefined);
});

test("two calls that ran beside each other may stand in either order, and two that did not may not", () => {
  const names = (...found: string[]): NameMap =>
    new Map([...initial, ...found.map((path) => [path, path] as const)]);
  const [one, two] = ["/x", "/y"].map((path) => callOf(Call.open, path, "", path, 1)) as [
    RecordedCall,
    RecordedCall,
  ];
  const beside = new NamesLeft([one, { ...two, task: 1 }], initial);
  const behind = new NamesLeft([one, { ...two, task: 1, begin: 3, end: 4 }], initial);
  for (const left of [beside, behind]) {
    for (const found of [names(), names("/x"), names("/x", "/y")])
      expect(left.judge(found, words)).toBe(undefined);
  }
  expect(beside.judge(names("/y"), words)).toBe(undefined);
  expect(behind.judge(names("/y"), words)?.promise).toBe("consistent");
});

test("a symlink is a name like others, until a path leads through it: then nothing is said", () => {
  const made = { ...callOf(Call.symlink, "", "", "14:1", 1), data: new TextEncoder().encode("/old\0/link") };
  const through = callOf(Call.open, "/link", "", "13:1", 3);
  const below = callOf(Call.mkdir, "/link/inside", "", "15:1", 3);
  const lost = callOf(Call.sync, "", "", "0:0", 5);
  const withLink: NameMap = new Map([...initial, ["/link", "14:1"]]);
  expect(new NamesLeft([made], initial).judge(withLink, words)).toBe(undefined);
  expect(new NamesLeft([made], initial).judge(new Map([...initial, ["/odd", "14:1"]]), words)).toBeDefined();
  expect(new NamesLeft([made, lost], initial).judge(initial, words)?.promise).toBe("no-lost-write");
  for (const call of [through, below]) {
    expect(new NamesLeft([made, call, lost], initial).judge(initial, words)).toBe(undefined);
    expect(new NamesLeft([call, lost], withLink).judge(initial, words)).toBeDefined();
    expect(new NamesLeft([call, lost], withLink, new Set(["/link"])).judge(initial, words)).toBe(undefined);
  }
});
