// Numbers as people read them.

/** 1234567 -> "1,234,567". */
export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** "1 run", "2 runs". */
export function counted(value: number, noun: string, nouns = `${noun}s`): string {
  return `${grouped(value)} ${value === 1 ? noun : nouns}`;
}

/** Milliseconds -> "850 ms", "12.3 s", "2 min 5 s". */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Bytes -> "16 MiB", "1.5 KiB", "12 bytes". */
export function bytes(value: number): string {
  const units = ["KiB", "MiB", "GiB", "TiB"];
  if (value < 1024) return counted(value, "byte");
  let scaled = value / 1024;
  let unit = 0;
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${Number(scaled.toFixed(1))} ${units[unit]}`;
}
