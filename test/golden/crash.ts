// Images as they lay in persistent memory when a machine with Linux 6.1 was killed, and what Linux made of them.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const folder = new URL("../../../test/golden/crash/", import.meta.url);

/** The image of a crash: its journal needs recovery. */
export function crashImage(number: number): Uint8Array {
  return new Uint8Array(gunzipSync(readFileSync(new URL(`${number}.img.gz`, folder))));
}
