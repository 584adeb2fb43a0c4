// Promises 1 and 2, byte by byte: each byte of a file is a *regular register*.
//
//   a read returns the last write completed before it began, or one that ran beside it
//
// With several writes beside each other before the read, any of them that no other surely followed may be
// the last.  A write W is ruled out when a whole write lies between: W ended, then another began and ended,
// then the read began.  Truncation and the zeroing modes of fallocate write zeros; what was never written
// reads as zeros; bytes beyond the end of the file are zeros that an extension uncovers.
//
// Verified: every byte that a read or load returned, and a read that came back shorter than the file
//   surely was.
// Not verified:
//   two reads against each other (a later read may return an older of two concurrent writes);
//   whether a read that crosses several bytes saw them at one moment (Linux does not promise that);
//   short reads beside a change of size; reads longer than the file was;
//   stores beyond the end of the file: they may show or not when the file grows over them;
//   what a failed call left: its bytes may show or not;
//   bytes after a call that moves data (collapse, insert): nothing is known of them.

/** Where copied bytes came from: another (or the same) file's bytes, read while the write ran. */
export interface CopySource {
  readonly file: FileHistory;
  readonly position: number;
}

/** One call that set bytes of a file. */
export interface Write {
  readonly begin: number;
  /** Infinity while the call has not returned. */
  readonly end: number;
  readonly position: number;
  /** Infinity for a truncation: to the end of everything. */
  readonly length: number;
  readonly value: Uint8Array | "zeros" | "unknown" | CopySource;
  /** It explains bytes, but need not have happened: it rules no other write out. */
  readonly maybe: boolean;
}

/** One call that returned bytes of a file. */
export interface Read {
  readonly begin: number;
  readonly end: number;
  readonly position: number;
  /** How much was asked for; what came back is `bytes`. */
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** A call that set the size of a file (`exact`), or made it at least `size`. */
export interface Resize {
  readonly begin: number;
  readonly end: number;
  readonly size: number;
  readonly exact: boolean;
  /** It need not have happened. */
  readonly maybe: boolean;
}

/** What happened to one file, in order of begin. */
export interface FileHistory {
  readonly initial: (position: number) => number;
  readonly writes: Write[];
  readonly resizes: Resize[];
}

/** A byte that no write explains. */
export interface Unexplained {
  readonly position: number;
  readonly value: number;
  /** What it should have been; empty when the values are not known. */
  readonly expected: number[];
}

const MAX_COPY_DEPTH = 8;

/** The writes a read may return at a place all writes of the list cover, and whether it may return the initial byte. */
function candidates(
  covering: readonly Write[],
  begin: number,
  end: number,
): { writes: Write[]; initial: boolean } {
  let surely = -Infinity; // the latest begin among the writes that surely happened before the read
  for (const write of covering) {
    if (!write.maybe && write.end < begin && write.begin > surely) surely = write.begin;
  }
  return {
    writes: covering.filter((write) => write.begin < end && write.end >= surely),
    initial: surely === -Infinity,
  };
}

const covers = (write: Write, position: number): boolean =>
  write.position <= position && position < write.position + write.length;

/** Whether a write can have put `value` at `position`. */
function canWrite(write: Write, position: number, value: number, depth: number): boolean {
  if (write.value === "zeros") return value === 0;
  if (write.value === "unknown") return true;
  if (write.value instanceof Uint8Array) return write.value[position - write.position] === value;
  const { file, position: from } = write.value;
  return mayRead(file, from + position - write.position, value, write.begin, write.end, depth + 1);
}

/** Whether a read between `begin` and `end` may return `value` at `position`. */
export function mayRead(
  file: FileHistory,
  position: number,
  value: number,
  begin: number,
  end: number,
  depth = 0,
): boolean {
  if (depth > MAX_COPY_DEPTH) return true; // copies of copies in a circle: not decided
  const covering = file.writes.filter((write) => covers(write, position));
  const { writes, initial } = candidates(covering, begin, end);
  if (initial && file.initial(position) === value) return true;
  return writes.some((write) => canWrite(write, position, value, depth));
}

/** The values a read may return at `position`, for the report; empty when one of them is not known. */
function expectedAt(file: FileHistory, position: number, begin: number, end: number): number[] {
  const values: number[] = [];
  for (let value = 0; value < 256; value++) {
    if (mayRead(file, position, value, begin, end)) values.push(value);
  }
  return values.length === 256 ? [] : values;
}

/** The first byte of a read that nothing explains. */
export function checkRead(file: FileHistory, read: Read): Unexplained | undefined {
  const stop = read.position + read.bytes.length;
  const near = file.writes.filter(
    (write) => write.position < stop && write.position + write.length > read.position,
  );
  const edges = new Set<number>([read.position, stop]);
  for (const write of near) {
    if (write.position > read.position) edges.add(write.position);
    if (write.position + write.length < stop) edges.add(write.position + write.length);
  }
  const cuts = [...edges].toSorted((a, b) => a - b);
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [from, to] = [cuts[i] as number, cuts[i + 1] as number];
    const { writes, initial } = candidates(
      near.filter((write) => covers(write, from)),
      read.begin,
      read.end,
    );
    for (let position = from; position < to; position++) {
      const value = read.bytes[position - read.position] as number;
      if (initial && file.initial(position) === value) continue;
      if (writes.some((write) => canWrite(write, position, value, 0))) continue;
      return { position, value, expected: expectedAt(file, position, read.begin, read.end) };
    }
  }
  return undefined;
}

/** A size that the file surely had, or more, from `begin` to `end`. */
export function certainSize(file: FileHistory, begin: number, end: number): number {
  let size = 0;
  for (const grown of file.resizes) {
    if (grown.maybe || grown.size <= size || grown.end >= begin) continue;
    const shrunk = file.resizes.some(
      (other) =>
        other !== grown &&
        other.exact &&
        other.size < grown.size &&
        other.end > grown.begin &&
        other.begin < end,
    );
    if (!shrunk) size = grown.size;
  }
  return size;
}

/** How many bytes a read lacks of those that the file surely had; 0 when it may be as short as it is. */
export function missingBytes(file: FileHistory, read: Read): number {
  if (read.bytes.length >= read.length) return 0;
  const certain = Math.min(certainSize(file, read.begin, read.end), read.position + read.length);
  return Math.max(0, certain - (read.position + read.bytes.length));
}
