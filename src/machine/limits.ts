// Every limit of a machine.  Reaching one is an error number, never growth.

/** Tasks that scenarios can have. */
export const MAX_TASKS = 16;
/** The task number of the thread that owns the machine: it sets up, checks, and serves `machine.sys()`. */
export const HOST_TASK = MAX_TASKS;
/** Tasks and the host. */
export const TASK_SLOTS = MAX_TASKS + 1;
/** Processes; each task may be one of its own, and the host is one. */
export const MAX_PROCESSES = TASK_SLOTS;

export const MAX_INODES = 256; // in memory at once: ENFILE
export const MAX_PREALLOCATIONS = 256; // runs of blocks set aside: no more are
export const MAX_FILES = 1024; // open file descriptions of the machine: ENFILE
export const MAX_DESCRIPTORS = 256; // of one process: EMFILE
export const MAX_VMAS = 256; // mappings of the machine: ENOMEM

export const MAX_PATH = 4096; // bytes, with the final NUL: ENAMETOOLONG
export const MAX_NAME = 255; // bytes: ENAMETOOLONG
export const MAX_SYMLINKS = 40; // followed in one walk: ELOOP

/** Bytes of data copied between two steps, at least: a cache line.  At most it is a page. */
export const MIN_PIECE = 64;

/** Steps of one run before it counts as a livelock, unless the caller says otherwise. */
export const MAX_STEPS = 50_000;

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

export const MIN_MEDIA = 1 * MIB;
export const DEFAULT_MEDIA = 16 * MIB;
export const MAX_MEDIA = 2 * GIB;
