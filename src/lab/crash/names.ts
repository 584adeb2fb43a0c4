// Which names recovery may find, by the calls that had been made when the power failed.
//
// A call that makes, moves or takes away names is one transaction, and transactions become durable in their order.  So
// what is found is what the calls up to some place of their order have left, whole calls only: after a rename over a
// file, the path names the old file or the new one, never nothing, and the new one has one name, never two or none.
// Calls that ran beside each other may stand in either order.
//
// A sync that has returned says how far that place is on at least: sync all calls that had returned before it began;
// fsync those that concern its file: its creation, a name of it that came or went, and of a directory what
// happened in it; fdatasync the creation.  That is what Linux' ext4 does, whose commits may bring more.
//
// Not verified: names of runs in which a path leads through a symlink, or has ".." in it; of more orders of calls than
// MAX_WAYS.

import { Call } from "../../syscalls/record.ts";
import { O } from "../../syscalls/flags.ts";
import type { FileOnMedia } from "../../ext4/check/tree.ts";
import { Mode } from "../../ext4/media/inode.ts";
import type { Names } from "../oracles/explain.ts";
import { fileKey, SYNCS, type RecordedCall } from "../oracles/history.ts";
import type { Finding } from "../oracles/promises.ts";
import { callWords } from "../report/words.ts";

/** For each path the key of what it names. */
export type NameMap = ReadonlyMap<string, string>;

export function namesIn(tree: ReadonlyMap<string, FileOnMedia>): NameMap {
  return new Map([...tree].map(([path, { ino, generation }]) => [path, fileKey(ino, generation)]));
}

/** The paths of symlinks. */
export function linksIn(tree: ReadonlyMap<string, FileOnMedia>): ReadonlySet<string> {
  return new Set(
    [...tree].flatMap(([path, { mode }]) => ((mode & Mode.type) === Mode.symlink ? [path] : [])),
  );
}

/** The names after the first calls of each task. */
interface Way {
  readonly names: NameMap;
  /** How many calls of each task. */
  readonly counts: readonly number[];
}

const MAX_WAYS = 4096;
const CHANGES = new Set<Call>([
  Call.open,
  Call.unlink,
  Call.rename,
  Call.link,
  Call.symlink,
  Call.mkdir,
  Call.rmdir,
]);
/** kernel: RENAME_EXCHANGE */
const EXCHANGE = 2;

export class NamesLeft {
  readonly #calls: readonly RecordedCall[];
  /** Those that change names, by task. */
  readonly #changes: RecordedCall[][];
  readonly #initial: NameMap;
  readonly #obscure: boolean;
  #ways: Way[] | undefined;
  #durable = new Set<RecordedCall>();

  /**
   * `calls` as they stood when the power failed; `initial` are the names before them, `links` the symlinks among those.
   */
  constructor(calls: readonly RecordedCall[], initial: NameMap, links: ReadonlySet<string> = new Set()) {
    this.#calls = calls;
    this.#initial = initial;
    const changes = calls.filter((call) => call.error === 0 && CHANGES.has(call.kind));
    this.#obscure = isObscure(changes, links);
    const tasks = new Set(changes.map(({ task }) => task));
    this.#changes = [...tasks].map((one) => changes.filter(({ task }) => task === one));
  }

  /** What is wrong with the names that recovery has left. */
  judge(found: NameMap, names: Names): Finding | undefined {
    if (this.#obscure) return undefined;
    if (this.#ways === undefined) {
      this.#ways = this.#allWays();
      this.#durable = this.#allDurable();
    }
    if (this.#ways.length >= MAX_WAYS) return undefined;
    const needed = this.#changes.map((calls) => 1 + calls.findLastIndex((call) => this.#durable.has(call)));
    const isLate = ({ counts }: Way): boolean => counts.every((count, i) => count >= (needed[i] as number));
    const right = this.#ways.filter(isLate);
    if (right.some((way) => sameNames(way.names, found))) return undefined;
    const early = this.#ways.find((way) => sameNames(way.names, found));
    return early === undefined ? halfDone(right, found, names) : this.#undone(early, names);
  }

  /** The changes that a sync which has returned covers. */
  #allDurable(): Set<RecordedCall> {
    const syncs = this.#calls.filter(
      (call) => SYNCS.has(call.kind) && call.end !== Infinity && call.error === 0,
    );
    const durable = new Set<RecordedCall>();
    const names = new Map(this.#initial);
    for (const change of this.#changes.flat().toSorted((one, other) => one.end - other.end)) {
      // What it concerns: the files whose names come and go, and the directories in which they do.
      const paths = pathsOf(change);
      const places = [...paths, ...paths.map(parentOf)];
      const keys = new Set(places.map((path) => names.get(path)));
      apply(names, change);
      for (const path of places) keys.add(names.get(path));
      const covers = ({ kind, file, begin }: RecordedCall): boolean =>
        change.end < begin &&
        (kind === Call.sync || (keys.has(file) && (kind === Call.fsync || change.kind === Call.open)));
      if (syncs.some(covers)) durable.add(change);
    }
    return durable;
  }

  /** All that some first calls of each task leave, MAX_WAYS at most. */
  #allWays(): Way[] {
    const changes = this.#changes;
    const ways: Way[] = [{ names: this.#initial, counts: changes.map(() => 0) }];
    const seen = new Set<string>();
    for (let at = 0; at < ways.length && ways.length < MAX_WAYS; at++) {
      const { names, counts } = ways[at] as Way;
      const next = changes.map((calls, task) => calls[counts[task] as number]);
      for (const [task, call] of next.entries()) {
        if (call === undefined || next.some((other) => other !== undefined && other.end < call.begin))
          continue;
        const changed = new Map(names);
        apply(changed, call);
        const way = { names: changed, counts: counts.with(task, (counts[task] as number) + 1) };
        const key = changes.length === 1 ? at : `${way.counts.join()} ${[...changed].toSorted().join()}`;
        if (seen.has(`${key}`)) continue;
        seen.add(`${key}`);
        ways.push(way);
      }
    }
    return ways;
  }

  #undone({ counts }: Way, names: Names): Finding {
    const left = this.#changes.flatMap((calls, task) => calls.slice(counts[task]));
    const call = left.find((one) => this.#durable.has(one)) as RecordedCall;
    const what =
      call.kind === Call.open
        ? `${pathsOf(call)[0]} is gone after recovery`
        : `${callWords(call, names.file(call.file))} is undone after recovery`;
    return { promise: "no-lost-write", message: `${what}, and a sync that covers it had returned` };
  }
}

function halfDone(right: readonly Way[], found: NameMap, names: Names): Finding {
  const word = (key: string | undefined): string => (key === undefined ? "nothing" : names.file(key));
  const paths = new Set([...found.keys(), ...right.flatMap((way) => [...way.names.keys()])]);
  const open = [...paths]
    .toSorted()
    .filter((path) => right.some((way) => !sameKey(way.names.get(path), found.get(path))));
  for (const path of open) {
    const allowed = right.map((way) => way.names.get(path));
    if (allowed.some((key) => sameKey(key, found.get(path)))) continue;
    const words = [...new Set(allowed.map(word))].join(" or ");
    const message = `after recovery ${path} names ${word(found.get(path))} where ${words} was right`;
    return { promise: "consistent", message };
  }
  const words = open.map((path) => `${path} names ${word(found.get(path))}`).join(", ");
  return { promise: "consistent", message: `after recovery a call is half done: ${words}` };
}

/** What a call does to names; nothing where it does not apply. */
function apply(names: Map<string, string>, call: RecordedCall): void {
  const [path = "", other = ""] = pathsOf(call);
  const key = names.get(path);
  switch (call.kind) {
    case Call.open:
      if (key === undefined && (call.extra & O.CREAT) !== 0) names.set(path, call.file);
      return;
    case Call.mkdir:
    case Call.symlink:
      if (key === undefined) names.set(path, call.file);
      return;
    case Call.unlink:
    case Call.rmdir:
      names.delete(path);
      return;
    case Call.link:
      if (key !== undefined && !names.has(other)) names.set(other, key);
      return;
    default:
      if (key !== undefined && key !== names.get(other))
        move(names, path, other, (call.extra & EXCHANGE) !== 0);
  }
}

/** With all that is below it. */
function move(names: Map<string, string>, from: string, to: string, exchange: boolean): void {
  const take = (path: string): [string, string][] => {
    const taken = [...names].filter(([one]) => one === path || one.startsWith(`${path}/`));
    for (const [one] of taken) names.delete(one);
    return taken.map(([one, key]) => [one.slice(path.length), key]);
  };
  const [moved, replaced] = [take(from), take(to)];
  for (const [rest, key] of moved) names.set(to + rest, key);
  if (exchange) for (const [rest, key] of replaced) names.set(from + rest, key);
}

/** The paths that a call was given, from the root; not what a symlink says. */
function pathsOf({ kind, data }: RecordedCall): string[] {
  const paths = new TextDecoder().decode(data).split("\0");
  const named = kind === Call.symlink ? paths.slice(1) : paths;
  return named.map((path) => `/${path.split("/").filter(isName).join("/")}`);
}

const isName = (name: string): boolean => name !== "" && name !== ".";
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/** Whether some path may mean another place than its text says. */
function isObscure(changes: readonly RecordedCall[], before: ReadonlySet<string>): boolean {
  const links = new Set(before);
  for (const call of changes) {
    if (call.kind === Call.open && (call.extra & O.CREAT) === 0) continue;
    const paths = pathsOf(call);
    const [from = "", to = ""] = paths;
    const leads = (path: string, link: string): boolean =>
      path.startsWith(`${link}/`) || (path === link && call.kind === Call.open);
    if (paths.some((path) => path.split("/").includes("..") || [...links].some((link) => leads(path, link))))
      return true;
    if (call.kind === Call.symlink) links.add(from);
    if (call.kind !== Call.rename && call.kind !== Call.link) continue;
    for (const link of [...links]) {
      if (link === from || link.startsWith(`${from}/`)) links.add(to + link.slice(from.length));
      else if (link === to || link.startsWith(`${to}/`)) links.add(from + link.slice(to.length));
    }
  }
  return false;
}

/** The key of a call that was stopped before it knew its file may be any. */
const sameKey = (one: string | undefined, other: string | undefined): boolean =>
  one === other || (one === UNKNOWN && other !== undefined);
const UNKNOWN = fileKey(0, 0);

function sameNames(one: NameMap, other: NameMap): boolean {
  if (one.size !== other.size) return false;
  for (const [path, key] of one) if (!sameKey(key, other.get(path))) return false;
  return true;
}
