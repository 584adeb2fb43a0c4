// What every file should hold when a run begins: what the setup's calls have made of an empty file system.
//
// Not what a design reads back after the setup: a design that hands out stale bytes would hand them out
// there too.  The setup runs alone, so its calls are simply applied one after another.
//
// What need not have happened (a store behind the end of the file, a call that failed) is no content: it may show
// in the run, or not, as long as nothing of the setup was surely put there afterwards.

import { Call } from "../../syscalls/record.ts";
import { Content } from "./content.ts";
import { BEFORE, historyOf, type CallWrite, type InitialFile, type RecordedCall } from "./history.ts";
import type { Resize, Write } from "./register.ts";

/** The file before the run. */
class FileAtFirst implements InitialFile {
  readonly content = new Content();
  maybe: CallWrite[] = [];

  get size(): number {
    return this.content.size;
  }

  byteAt(position: number): number {
    return this.content.byteAt(position);
  }

  /** Something was surely put there: what may have been is gone. */
  cover(from: number, end: number): void {
    this.maybe = this.maybe
      .flatMap((write) => [part(write, -Infinity, from), part(write, end, Infinity)])
      .filter(({ length }) => length > 0);
  }
}

/** What a write has of a range. */
function part(write: CallWrite, from: number, end: number): CallWrite {
  const position = Math.max(write.position, from);
  const length = Math.max(0, Math.min(write.position + write.length, end) - position);
  const skipped = position - write.position;
  const { value } = write;
  if (value instanceof Uint8Array) {
    return { ...write, position, length, value: value.subarray(skipped, skipped + length) };
  }
  if (typeof value === "string") return { ...write, position, length };
  return { ...write, position, length, value: { file: value.file, position: value.position + skipped } };
}

export class InitialFiles {
  readonly #files = new Map<string, FileAtFirst>();
  readonly #sources: ReadonlyMap<object, string>;
  readonly #setup: readonly RecordedCall[];

  /** From the setup's calls, oldest first. */
  constructor(setup: readonly RecordedCall[]) {
    this.#setup = setup.filter(
      ({ kind }) => kind === Call.pwrite || kind === Call.write || kind === Call.store,
    );
    const history = historyOf(setup, this.file);
    const events = [...history.files]
      .flatMap(([key, { writes, resizes }]) => [
        // The first resize is the size before the setup.
        ...resizes.slice(1).map((resize) => ({ at: resize.begin, run: () => this.#resize(key, resize) })),
        ...writes.map((write) => ({ at: write.begin + 0.5, run: () => this.#write(key, write) })),
      ])
      .toSorted((a, b) => a.at - b.at);
    this.#sources = new Map([...history.files].map(([key, file]) => [file, key]));
    for (const { run } of events) run();
  }

  /** A file by key; undefined when it did not exist. */
  readonly file = (key: string): InitialFile | undefined => this.#files.get(key);

  /** Whether the setup has written that byte anywhere: it may lie in a block that was given up since. */
  wrote(value: number): boolean {
    return this.#setup.some(({ data }) => data.includes(value));
  }

  #file(key: string): FileAtFirst {
    let file = this.#files.get(key);
    if (file === undefined) {
      file = new FileAtFirst();
      this.#files.set(key, file);
    }
    return file;
  }

  #resize(key: string, { size, exact, maybe }: Resize): void {
    if (maybe) return;
    const { content } = this.#file(key);
    if (exact) content.resize(size);
    else content.size = Math.max(content.size, size);
  }

  #write(key: string, write: CallWrite): void {
    const file = this.#file(key);
    if (write.maybe || write.value === "unknown") {
      file.maybe.push({ ...write, maybe: true, begin: BEFORE.begin, end: BEFORE.end });
      return;
    }
    file.cover(write.position, write.position + write.length);
    this.#put(file.content, write);
  }

  #put(content: Content, { position, length, value }: Write): void {
    if (value === "unknown") return;
    if (value === "zeros") return content.clear(position, position + length);
    if (value instanceof Uint8Array) return content.set(position, value.subarray(0, length));
    const { content: source } = this.#file(this.#sources.get(value.file) as string);
    const bytes = Uint8Array.from({ length }, (_, i) => source.byteAt(value.position + i));
    content.set(position, bytes);
  }
}
