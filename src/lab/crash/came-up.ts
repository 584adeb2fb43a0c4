// What comes up after a power failure: recovered, mounted, brought to rest and checked; and what people see of it: paths,
// kinds, sizes, contents, and where space is reserved.

import { header } from "../../machine/layout.ts";
import { Bug } from "../../machine/errors.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { check } from "../../ext4/check/check.ts";
import { readTree, type FileOnMedia } from "../../ext4/check/tree.ts";
import { freeze } from "../../ext4/journal/commit.ts";
import { Mode } from "../../ext4/media/inode.ts";
import { superBlock } from "../../ext4/super.ts";
import { WHOLE } from "../oracles/endstate.ts";
import { fileKey } from "../oracles/history.ts";
import type { Finding } from "../oracles/promises.ts";
import type { Recovered } from "./moment.ts";
import { namesIn, type NameMap } from "./names.ts";
import type { Target } from "./target.ts";

/** A file system after power failures and recovery. */
export interface CameUp {
  /** What people see of it: equal for equal ones. */
  readonly seen: string;
  /** The same with which file each is: an inode can have become another's. */
  readonly identity: string;
  readonly names: NameMap;
  /** Undefined where they took too much room. */
  files: readonly Recovered[] | undefined;
}

/** What comes up has so many bytes of files at hand, to judge it at another moment. */
const KEPT = 64 * 2 ** 20;

/** What has come up in a search: nothing is recovered, and nothing is looked at, twice. */
export class Recoveries {
  readonly #target: Target;
  /** By what the media held before recovery, and after it. */
  readonly #before = new Map<number, CameUp | Finding>();
  readonly #after = new Map<number, CameUp | Finding>();
  readonly #identities = new Map<string, CameUp>();
  #kept: CameUp[] = [];
  #keptBytes = 0;

  constructor(target: Target) {
    this.#target = target;
  }

  /** What has come up of media that held that. */
  known(content: number): CameUp | Finding | undefined {
    return this.#before.get(content);
  }

  /** What comes up of the media that `fail` leaves, which says what they hold. */
  up(fail: () => number): CameUp | Finding {
    const content = fail();
    const known = this.known(content);
    if (known !== undefined) return known;
    const up = recover(this.#target) ?? this.#recovered();
    this.#before.set(content, up);
    return up;
  }

  #recovered(): CameUp | Finding {
    const content = this.#target.outsideJournal();
    const known = this.#after.get(content);
    if (known !== undefined) return known;
    const found = lookAt(this.#target.mem);
    const up = "promise" in found ? found : this.#shared(found);
    this.#after.set(content, up);
    return up;
  }

  /** The one of those that are equal that stands for all. */
  #shared(up: CameUp): CameUp {
    const known = this.#identities.get(up.identity);
    if (known !== undefined) return known;
    this.#identities.set(up.identity, up);
    this.#keep(up);
    return up;
  }

  /** The files of what has come up of the media that `fail` leaves. */
  filesOf(up: CameUp, fail: () => number): readonly Recovered[] {
    if (up.files === undefined) {
      fail();
      recover(this.#target);
      up.files = (lookAt(this.#target.mem) as CameUp).files;
      this.#keep(up);
    }
    return up.files ?? [];
  }

  /** Has its files at hand for a while. */
  #keep(up: CameUp): void {
    this.#kept.push(up);
    this.#keptBytes += bytesOf(up);
    while (this.#keptBytes > KEPT && this.#kept.length > 1) {
      const oldest = this.#kept.shift() as CameUp;
      this.#keptBytes -= bytesOf(oldest);
      oldest.files = undefined;
    }
  }
}

const bytesOf = ({ files = [] }: CameUp): number => files.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Recovers the media as it is, and brings the file system to rest.  A finding says why that cannot be. */
export function recover(target: Target): Finding | undefined {
  return guarded(() => {
    const refused = target.mount();
    if (refused !== undefined)
      return inconsistent(`after the power failure the image cannot be mounted: ${refused}`);
    if (freeze(superBlock(target.mem)) < 0)
      return inconsistent("after the power failure the file system cannot be brought to rest");
    return undefined;
  });
}

/** What has been recovered, looked at; or what the checker finds. */
function lookAt(mem: Memory): CameUp | Finding {
  return guarded(() => look(mem));
}

function guarded<T>(work: () => T): T | Finding {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Bug)) throw error;
    return { promise: "no-bug", message: `recovery: ${error.message}` };
  }
}

function look(mem: Memory): CameUp | Finding {
  const [problem] = check(mem);
  if (problem !== undefined) return inconsistent(`after recovery: ${problem.place}: ${problem.message}`);
  const tree = readTree(mem);
  const names = namesIn(tree);
  const words = [...tree].map(([path, file]) => `${path} ${wordsOf(mem, file)}`).join("\n");
  const seen = hashOf(new TextEncoder().encode(words));
  const files = [...tree.values()]
    .filter(({ mode }) => (mode & Mode.type) === Mode.file)
    .map((file) => ({
      key: fileKey(file.ino, file.generation),
      size: file.size,
      bytes: file.content(WHOLE),
    }));
  return { seen, identity: `${seen} ${[...names.values()].join()}`, names, files };
}

const inconsistent = (message: string): Finding => ({ promise: "consistent", message });

/** Everything about a file but its name. */
function wordsOf(mem: Memory, file: FileOnMedia): string {
  const extents = file.extents.map(
    ({ logical, length, unwritten }) => `${logical}+${length}${unwritten ? "u" : ""}`,
  );
  const content = (file.mode & Mode.type) === Mode.directory ? "" : contentHash(mem, file);
  return `${file.mode} ${file.nlink} ${file.size} ${content} ${extents.join()}`;
}

/** Of the written blocks, as far as they belong to the file: what lies behind its end does not count. */
function contentHash(mem: Memory, { size, extents, mode, content }: FileOnMedia): string {
  if ((mode & Mode.type) !== Mode.file) return hashOf(content());
  const { start } = header(mem).media;
  const parts: (number | string)[] = [];
  for (const { logical, physical, length } of extents.filter(({ unwritten }) => !unwritten)) {
    for (let block = 0; block < length; block++) {
      const at = start + (physical + block) * PAGE_SIZE;
      const bytes = Math.min(PAGE_SIZE, size - (logical + block) * PAGE_SIZE);
      if (bytes === PAGE_SIZE) parts.push(mem.bulk.hash(at, PAGE_SIZE, logical + block));
      else if (bytes > 0) parts.push(hashOf(mem.u8.subarray(at, at + bytes)));
    }
  }
  return parts.join();
}

/** FNV-1a, two of them, so that what differs is told apart. */
function hashOf(bytes: Uint8Array): string {
  let [one, other] = [0x811c9dc5, 0x9747b28c];
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193);
    other = Math.imul(other ^ byte, 0x5bd1e995);
  }
  return `${(one >>> 0).toString(16)}.${(other >>> 0).toString(16)}`;
}
