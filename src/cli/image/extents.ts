// An extent of a file as people read it.

import type { FileExtent } from "../../syscalls/data/space.ts";
import { bytes, grouped } from "../terminal/words.ts";

/** "0 + 4,096 (4 KiB) at 5,246,976, written": offset, length, place, all in bytes. */
export function extentLine({ logical, physical, length, unwritten }: FileExtent): string {
  const range = `${grouped(logical)} + ${grouped(length)} (${bytes(length)})`;
  return `${range} at ${grouped(physical)}, ${unwritten ? "unwritten" : "written"}`;
}
