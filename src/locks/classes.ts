// Lock classes: all locks that play one role ("inode.rwsem" of every inode) are one class, and lockdep
// learns in which order classes nest.  A lock of class `none` is checked for recursion and for releases
// of what is not held, but has no place in any order.

/** The class of a lock, by the role's name: `LockClass["inode.rwsem"]`.  At most 63 of them. */
export const LockClass = {
  none: 0,
  "inode.rwsem": 1, // of regular files
  "directory.rwsem": 2, // the same field in a directory: taken before that of the files in it
  "inode.invalidateSem": 3,
  "inode.dataSem": 4,
  "inode.truncateMutex": 5,
  "inode.spareSem": 6,
  "inode.spareMutex": 7,
  "mapping.sem": 8,
  "mapping.entry": 9,
  "space.mmapSem": 10,
  "sb.allocMutex": 11,
  "sb.orphanMutex": 12,
  "sb.sparseMutex": 13,
  "inodeTable.mutex": 14,
  "group.mutex": 15, // a group's bitmaps and descriptor: inside sb.allocMutex
  "journal.sem": 16,
  "journal.commitMutex": 17,
  "pagePool.lock": 18,
  "files.lock": 19,
  "file.positionMutex": 20,
  "process.lock": 21,
  "sb.renameMutex": 30,
  // directory.rwsem again, where a task holds another directory's: the second one of a rename, and one that lies in
  // a directory which is held.
  "directory.rwsem of the second": 31,
  "directory.rwsem of a child": 32,
  // For the locks of a design that is not ours.
  "design.first": 60,
  "design.second": 61,
  "design.third": 62,
  "design.fourth": 63,
} as const;
export type LockClass = (typeof LockClass)[keyof typeof LockClass];

/** Classes are numbered below this: the order graph is a square of so many bits. */
export const MAX_CLASSES = 64;

const names: string[] = [];
for (const [name, value] of Object.entries(LockClass)) names[value] = name;

/** 1 -> "inode.rwsem". */
export function className(cls: number): string {
  return names[cls] ?? `class ${cls}`;
}
