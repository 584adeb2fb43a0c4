// How the shell writes bytes, rates, times and errors down: as xfs_io and the C library do.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/**
 * 4096 -> "4 KiB", 20 -> "20.000000 bytes".  A whole number of bytes is shown in whole units, whatever that
 * loses; one beyond 32 bits and a fraction, as rates have, with three digits.
 */
function amount(bytes: number): string {
  if (bytes < 1024) return `${bytes.toFixed(6)} bytes`;
  const power = Math.min(UNITS.length, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  const whole = Number.isInteger(bytes) && bytes < 2 ** 31;
  return `${whole ? String(roundHalfEven(value)) : value.toFixed(3)} ${UNITS[power - 1]}`;
}

/** As printf rounds: a half goes to the even neighbour. */
function roundHalfEven(value: number): number {
  return value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
}

export interface Transfer {
  readonly verb: "wrote" | "read";
  readonly offset: number;
  /** Bytes that were asked for, and that were moved. */
  readonly asked: number;
  readonly moved: number;
  readonly operations: number;
  readonly milliseconds: number;
}

/** The two lines behind a read or a write. */
export function report(done: Transfer): string {
  const { verb, offset, asked, moved, operations, milliseconds } = done;
  const seconds = microseconds(milliseconds) / 1e6;
  const time = seconds < 1 ? `0.${String(Math.floor(seconds * 1e4)).padStart(4, "0")} sec` : clock(seconds);
  const rate = `${amount(moved / seconds)}/sec and ${(operations / seconds).toFixed(4)} ops/sec`;
  return `${verb} ${moved}/${asked} bytes at offset ${BigInt(offset)}\n${amount(moved)}, ${operations} ops; ${time} (${rate})`;
}

/** The same on one line, for programs: bytes, operations, time, bytes and operations a second. */
export function condensed({ moved, operations, milliseconds }: Transfer): string {
  const seconds = microseconds(milliseconds) / 1e6;
  const rates = `${(moved / seconds).toFixed(3)},${(operations / seconds).toFixed(3)}`;
  return `${moved},${operations},${clock(seconds)},${rates}`;
}

/** At least one: a rate is a number. */
function microseconds(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds * 1000));
}

function two(value: number): string {
  return String(Math.floor(value)).padStart(2, "0");
}

/** 75.5 -> "0:01:15.50". */
function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 3600)}:${two((whole / 60) % 60)}:${two(whole % 60)}.${two((seconds % 1) * 100)}`;
}

/** Bytes as rows of sixteen: their offset, their values, and what of them is a letter or a digit. */
export function rows(bytes: Uint8Array, offset: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const values = row.map((byte) => `${byte.toString(16).padStart(2, "0")} `).join("");
    const letters = row.map((byte) => letter(byte)).join("");
    lines.push(`${(offset + at).toString(16).padStart(8, "0")}:  ${values} ${letters}`);
  }
  return lines;
}

function letter(byte: number): string {
  const text = String.fromCharCode(byte);
  return /[A-Za-z0-9]/.test(text) ? text : ".";
}

/** Milliseconds since 1970 as ctime prints them, in local time: "Tue Nov 24 15:32:25 2026". */
export function timeText(milliseconds: number): string {
  const [day = "", month = "", date = "", year = "", time = ""] = new Date(milliseconds)
    .toString()
    .split(" ");
  return `${day} ${month} ${String(Number(date)).padStart(2)} ${time} ${year}`;
}

/** What the C library calls the errors a file system returns. */
const ERRORS: Record<string, string> = {
  EPERM: "Operation not permitted",
  ENOENT: "No such file or directory",
  EINTR: "Interrupted system call",
  EIO: "Input/output error",
  ENXIO: "No such device or address",
  E2BIG: "Argument list too long",
  EBADF: "Bad file descriptor",
  EAGAIN: "Resource temporarily unavailable",
  ENOMEM: "Cannot allocate memory",
  EACCES: "Permission denied",
  EFAULT: "Bad address",
  EBUSY: "Device or resource busy",
  EEXIST: "File exists",
  EXDEV: "Invalid cross-device link",
  ENODEV: "No such device",
  ENOTDIR: "Not a directory",
  EISDIR: "Is a directory",
  EINVAL: "Invalid argument",
  ENFILE: "Too many open files in system",
  EMFILE: "Too many open files",
  ETXTBSY: "Text file busy",
  EFBIG: "File too large",
  ENOSPC: "No space left on device",
  ESPIPE: "Illegal seek",
  EROFS: "Read-only file system",
  EMLINK: "Too many links",
  ERANGE: "Numerical result out of range",
  ENAMETOOLONG: "File name too long",
  ENOTEMPTY: "Directory not empty",
  ELOOP: "Too many levels of symbolic links",
  EOVERFLOW: "Value too large for defined data type",
  EFSBADCRC: "Bad message",
  EOPNOTSUPP: "Operation not supported",
  EUCLEAN: "Structure needs cleaning",
};

export function errorText(code: string): string {
  return ERRORS[code] ?? code;
}
