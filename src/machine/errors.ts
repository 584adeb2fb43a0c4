// How things go wrong.  An expected error is a number, returned negative: `return -Errno.ENOSPC`.  What stops the
// machine is thrown: a broken invariant (`Bug`), or that somebody has halted it (`Halted`).
//
// Kernel code has no try and no finally: what is thrown unwinds the task to its entry, and the locks that it held
// stay held, as those of a dead CPU do.

/** A broken invariant of the emulated kernel.  The lab reports it as a violation of `no-bug`. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** Thrown out of a step, or by a system call, when the machine has been stopped.  Never caught by kernel layers. */
export class Halted extends Error {
  override readonly name = "Halted";
  constructor(message = "the machine was halted") {
    super(message);
  }
}

/** A run did more than there is room to record: nothing can be said of it. */
export class RecordsFull extends Error {
  override readonly name = "RecordsFull";
}

/** Stops the machine: the sentence says what was found, not what should have been. */
export function bug(message: string): never {
  throw new Bug(message);
}

/** The sentence states what must hold: `assert(count > 0, "a held lock has a holder")`. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) bug(`assertion failed: ${message}`);
}

/** As Linux numbers them (include/uapi/asm-generic/errno*.h). */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOTEMPTY: 39,
  ELOOP: 40,
  EOVERFLOW: 75,
  EFSBADCRC: 74,
  EOPNOTSUPP: 95,
  EUCLEAN: 117,
  // Signals that a failed access raises; above all error numbers, in the same negative range.
  SIGBUS: 1007,
  SIGSEGV: 1011,
} as const;
export type ErrnoName = keyof typeof Errno;

const names = new Map(Object.entries(Errno).map(([name, value]) => [value as number, name]));

/** -28 -> "ENOSPC". */
export function errnoName(result: number): string {
  return names.get(Math.abs(result)) ?? `E${Math.abs(result)}`;
}
