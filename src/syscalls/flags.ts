// The numbers programs pass to system calls, as Linux on x86-64 defines them, and the flag strings of
// node:fs.  (include/uapi/asm-generic/fcntl.h, include/uapi/linux/fs.h, mman.h)

/** Flags of `open`. */
export const O = {
  RDONLY: 0o0,
  WRONLY: 0o1,
  RDWR: 0o2,
  ACCMODE: 0o3,
  CREAT: 0o100,
  EXCL: 0o200,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  DSYNC: 0o10000,
  DIRECTORY: 0o200000,
  NOFOLLOW: 0o400000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TMPFILE: 0o20200000,
} as const;

/** `whence` of `lseek`. */
export const Seek = { set: 0, current: 1, end: 2, data: 3, hole: 4 } as const;

/** Flags of `msync`. */
export const Msync = { async: 1, invalidate: 2, sync: 4 } as const;

/** The largest file that ext4 keeps in extents of 4 KiB blocks, in bytes.  kernel: ext4_max_size */
export const MAX_FILE_SIZE = (2 ** 32 - 1) * 4096;

/** One read or write moves at most this many bytes.  kernel: MAX_RW_COUNT */
export const MAX_TRANSFER = 0x7ffff000;

/** Offsets beyond this do not fit the kernel's loff_t. */
export const MAX_OFFSET = 2 ** 63 - 1024;

const strings = new Map<string, number>([
  ["r", O.RDONLY],
  ["rs", O.RDONLY | O.SYNC],
  ["r+", O.RDWR],
  ["rs+", O.RDWR | O.SYNC],
  ["w", O.TRUNC | O.CREAT | O.WRONLY],
  ["wx", O.TRUNC | O.CREAT | O.WRONLY | O.EXCL],
  ["w+", O.TRUNC | O.CREAT | O.RDWR],
  ["wx+", O.TRUNC | O.CREAT | O.RDWR | O.EXCL],
  ["a", O.APPEND | O.CREAT | O.WRONLY],
  ["ax", O.APPEND | O.CREAT | O.WRONLY | O.EXCL],
  ["as", O.APPEND | O.CREAT | O.WRONLY | O.SYNC],
  ["a+", O.APPEND | O.CREAT | O.RDWR],
  ["ax+", O.APPEND | O.CREAT | O.RDWR | O.EXCL],
  ["as+", O.APPEND | O.CREAT | O.RDWR | O.SYNC],
]);
// The same letters in the other orders that node:fs takes.
for (const [twin, text] of [
  ["sr", "rs"],
  ["sr+", "rs+"],
  ["xw", "wx"],
  ["xw+", "wx+"],
  ["xa", "ax"],
  ["xa+", "ax+"],
  ["sa", "as"],
  ["sa+", "as+"],
] as const) {
  strings.set(twin, strings.get(text) as number);
}

/** "r+" -> O.RDWR; undefined for a string that node:fs does not know either. */
export function flagsOf(text: string): number | undefined {
  return strings.get(text);
}
