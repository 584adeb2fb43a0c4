// The mode of a file as ls prints it.

const TYPES: Record<number, readonly [mark: string, name: string]> = {
  0o010000: ["p", "fifo"],
  0o020000: ["c", "character device"],
  0o040000: ["d", "directory"],
  0o060000: ["b", "block device"],
  0o100000: ["-", "regular file"],
  0o120000: ["l", "symbolic link"],
  0o140000: ["s", "socket"],
};

export function typeName(mode: number): string {
  return TYPES[mode & 0o170000]?.[1] ?? "unknown";
}

export function isDirectory(mode: number): boolean {
  return (mode & 0o170000) === 0o040000;
}

export function isSymlink(mode: number): boolean {
  return (mode & 0o170000) === 0o120000;
}

/** 0o100644 -> "-rw-r--r--"; set-id and sticky bits as ls shows them. */
export function modeText(mode: number): string {
  const special = [
    [0o4000, "s"],
    [0o2000, "s"],
    [0o1000, "t"],
  ] as const;
  let text = TYPES[mode & 0o170000]?.[0] ?? "?";
  special.forEach(([bit, letter], who) => {
    const bits = (mode >> (6 - 3 * who)) & 7;
    const runs = (bits & 1) !== 0;
    text += bits & 4 ? "r" : "-";
    text += bits & 2 ? "w" : "-";
    if (mode & bit) text += runs ? letter : letter.toUpperCase();
    else text += runs ? "x" : "-";
  });
  return text;
}

/** Milliseconds since 1970 -> "2026-11-23 17:36:56", in UTC: the same everywhere. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ");
}
