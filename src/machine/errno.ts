// Error numbers, as Linux numbers them (include/uapi/asm-generic/errno*.h).  Kernel layers return them
// negative: `return -Errno.ENOSPC`.

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
