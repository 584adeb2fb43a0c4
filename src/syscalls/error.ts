// What a failed system call throws, in the shape of node:fs's errors: the same properties, and for the same
// failure the same sentence.

import { errnoName, type ErrnoName } from "../machine/errors.ts";

const sentences: Record<ErrnoName, string> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EINTR: "interrupted system call",
  EIO: "i/o error",
  ENXIO: "no such device or address",
  E2BIG: "argument list too long",
  EBADF: "bad file descriptor",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "not enough memory",
  EACCES: "permission denied",
  EFAULT: "bad address in system call argument",
  EBUSY: "resource busy or locked",
  EEXIST: "file already exists",
  EXDEV: "cross-device link not permitted",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EISDIR: "illegal operation on a directory",
  EINVAL: "invalid argument",
  ENFILE: "file table overflow",
  EMFILE: "too many open files",
  ETXTBSY: "text file is busy",
  EFBIG: "file too large",
  ENOSPC: "no space left on device",
  ESPIPE: "invalid seek",
  EROFS: "read-only file system",
  EMLINK: "too many links",
  ERANGE: "result too large",
  ENAMETOOLONG: "name too long",
  ENOTEMPTY: "directory not empty",
  ELOOP: "too many symbolic links encountered",
  EOVERFLOW: "value too large for defined data type",
  EFSBADCRC: "bad checksum on the media",
  EOPNOTSUPP: "operation not supported",
  EUCLEAN: "structure needs cleaning",
  SIGBUS: "access to a page that its file cannot provide",
  SIGSEGV: "access to an address that is not mapped that way",
};

/** What an error is about: its properties of the same names. */
export interface SysErrorPlace {
  path?: string | undefined;
  dest?: string | undefined;
  address?: number;
  reason?: string | undefined;
}

/** A system call that failed, or a load or store that raised a signal. */
export class SysError extends Error {
  override readonly name = "SysError";
  /** The error's name: "ENOENT", "SIGBUS" … */
  readonly code: string;
  /** Its number as the kernel returns it: negative. */
  readonly errno: number;
  /** The call's name: "open", "load" … */
  readonly syscall: string;
  /** The path the call was given, if it takes one. */
  readonly path?: string;
  /** The second path, if it takes two. */
  readonly dest?: string;
  /** Of a load or store: the address that could not be reached.  The bytes before it were. */
  readonly address?: number;
  /** Of a call that met damage on the media: which structure it is, in a sentence. */
  readonly reason?: string;

  constructor(errno: number, syscall: string, where: SysErrorPlace = {}) {
    const code = errnoName(errno);
    const sentence = sentences[code as ErrnoName] ?? "unknown error";
    const { path, dest, address, reason } = where;
    const paths = dest === undefined ? `'${path}'` : `'${path}' -> '${dest}'`;
    const place =
      path !== undefined ? ` ${paths}` : address !== undefined ? ` at 0x${address.toString(16)}` : "";
    super(`${code}: ${sentence}, ${syscall}${place}${reason === undefined ? "" : `: ${reason}`}`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
    if (path !== undefined) this.path = path;
    if (dest !== undefined) this.dest = dest;
    if (address !== undefined) this.address = address;
    if (reason !== undefined) this.reason = reason;
  }
}
