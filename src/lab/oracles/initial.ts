// What every file should hold when a run begins: what the image holds, changed by the setup's calls.
//
// Not what a design reads back after the setup: a design that hands out stale bytes would hand them out
// there too.  The setup runs alone, so its calls are simply applied one after another.

import { Content } from "./content.ts";
import { historyOf, type InitialFile, type RecordedCall } from "./history.ts";
import type { Resize, Write } from "./register.ts";

/** A regular file of the image that was mounted. */
export interface ImageFile {
  readonly size: number;
  content(): Uint8Array;
}

export class InitialFiles {
  readonly #contents = new Map<string, Content>();
  readonly #image: ReadonlyMap<string, ImageFile>;

  /** `image` by the keys of `fileKey`; `setup` oldest first. */
  constructor(image: ReadonlyMap<string, ImageFile>, setup: readonly RecordedCall[]) {
    this.#image = image;
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

  readonly #sources: ReadonlyMap<object, string>;

  /** A file by key; undefined when it did not exist. */
  readonly file = (key: string): InitialFile | undefined => {
    const known = this.#contents.get(key);
    const file = this.#image.get(key);
    if (known !== undefined || file === undefined) return known;
    const content = new Content();
    content.size = file.size;
    content.set(0, file.content());
    this.#contents.set(key, content);
    return content;
  };

  /** Whether some file but this one held that byte. */
  heldByOther(key: string, value: number): boolean {
    for (const other of this.#image.keys()) this.file(other);
    return [...this.#contents].some(([other, content]) => other !== key && content.holds(value));
  }

  #content(key: string): Content {
    let content = this.file(key) as Content | undefined;
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
