// How a range is read or written: piece by piece, forwards, backwards or at random places.

import type { Session } from "../session.ts";
import { Random } from "./random.ts";

/** One call: where, and how many bytes. */
export type Piece = readonly [offset: number, length: number];

/** Does one call: returns how many bytes it moved. */
export type Move = (offset: number, length: number) => number;

interface Moved {
  readonly moved: number;
  readonly operations: number;
}

/** Ends early where a call moves less than it was given: at the end of the file, or of the space. */
export async function transfer(session: Session, pieces: Iterable<Piece>, move: Move): Promise<Moved> {
  let [moved, operations] = [0, 0];
  for (const [offset, length] of pieces) {
    const done = move(offset, length);
    if (done === 0) break;
    operations += 1;
    moved += done;
    if (done < length) break;
    await session.breathe();
  }
  return { moved, operations };
}

export function* forwards(offset: number, length: number, unit: number): Iterable<Piece> {
  for (let done = 0; done < length; done += unit) yield [offset + done, Math.min(unit, length - done)];
}

/**
 * First down to a multiple of the unit, then unit by unit.  As in xfs_io that ends when no more bytes are left
 * than the range's first offset says: a range that begins at 0 is done whole, another one perhaps not.
 */
export function* backwards(offset: number, length: number, unit: number): Iterable<Piece> {
  const first = offset - length;
  const odd = Math.min(length, offset % unit);
  if (odd > 0) yield [offset - odd, odd];
  for (let left = length - odd; left > first; left -= unit) {
    const piece = Math.min(unit, left);
    yield [first + left - piece, piece];
  }
}

/** As many whole units as the range has, each at a multiple of the unit: some twice, some never. */
export function* atRandom(offset: number, length: number, unit: number, seed: number): Iterable<Piece> {
  const random = new Random(seed === 0 ? Math.floor(Date.now() / 1000) : seed);
  const start = offset - (offset % unit);
  const total = Math.max(unit, length + (length % unit));
  const range = total - unit;
  for (let done = 0; done < total; done += unit) {
    const place = start + (range === 0 ? 0 : random.next() % range);
    yield [place - (place % unit), unit];
  }
}
