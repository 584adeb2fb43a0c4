// The bytes a file should have, kept as pages; what was never written is zero.

import { PAGE_SHIFT, PAGE_SIZE } from "../../machine/memory.ts";

export class Content {
  size = 0;
  readonly #pages = new Map<number, Uint8Array>();

  /** The byte at a position; zero behind the end. */
  byteAt(position: number): number {
    const page = this.#pages.get(Math.floor(position / PAGE_SIZE));
    return page === undefined ? 0 : (page[position % PAGE_SIZE] as number);
  }

  /** Sets bytes; the size does not change. */
  set(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = position + done;
      const piece = bytes.subarray(done, done + PAGE_SIZE - (at % PAGE_SIZE));
      this.#page(Math.floor(at / PAGE_SIZE)).set(piece, at % PAGE_SIZE);
      done += piece.length;
    }
  }

  /** Sets bytes to zero; `end` may be Infinity. */
  clear(from: number, end: number): void {
    for (const [number, page] of this.#pages) {
      const start = number * PAGE_SIZE;
      if (start + PAGE_SIZE <= from || start >= end) continue;
      page.fill(0, Math.max(0, from - start), Math.min(PAGE_SIZE, end - start));
    }
  }

  /** Sets the size; bytes behind it are zeros from now on. */
  resize(size: number): void {
    this.clear(size, Infinity);
    this.size = size;
  }

  #page(number: number): Uint8Array {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint8Array(1 << PAGE_SHIFT);
      this.#pages.set(number, page);
    }
    return page;
  }
}
