// What every file should hold when a run begins: what the setup's calls have made of an empty file system.
//
// Not what a design reads back after the setup: a design that hands out stale bytes would hand them out
// there too.  The setup runs alone, so its calls are simply applied one after another.

import { Call } from "../../syscalls/record.ts";
import { Content } from "./content.ts";
import { historyOf, type InitialFile, type RecordedCall } from "./history.ts";
import type { Resize, Write } from "./register.ts";

export class InitialFiles {
  readonly #contents = new Map<string, Content>();
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
  readonly file = (key: string): InitialFile | undefined => this.#contents.get(key);

  /** Whether the setup has written that byte anywhere: it may lie in a block that was given up since. */
  wrote(value: number): boolean {
    return this.#setup.some(({ data }) => data.includes(value));
  }

  #content(key: string): Content {
    let content = this.#contents.get(key);
    if (content === undefined) {
      content = new Content();
      this.#contents.set(key, content);
    }
    return content;
  }

  #resize(key: string, { size, exact }: Resize): void {
    const content = this.#content(key);
    if (exact) content.resize(size);
    else content.size = Math.max(content.size, size);
  }

  #write(key: string, { position, length, value }: Write): void {
    const content = this.#content(key);
    if (value === "unknown") return;
    if (value === "zeros") return content.clear(position, position + length);
    if (value instanceof Uint8Array) return content.set(position, value.subarray(0, length));
    const source = this.#content(this.#sources.get(value.file) as string);
    const bytes = Uint8Array.from({ length }, (_, i) => source.byteAt(value.position + i));
    content.set(position, bytes);
  }
}
