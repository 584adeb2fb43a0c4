import { scenario } from "../../../src/lab/scenario.ts";
import { BLOCK, filled, preallocated } from "../../../src/lab/scenarios/bytes.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";

const read = (sys: Sys): Uint8Array => sys.pread(sys.open("/file", "r"), BLOCK, BLOCK);

export default scenario(import.meta, {
  claim: "Readers of preallocated space see zeros or the new bytes, never what the media held before.",
  setup(sys) {
    preallocated(sys, "/file", 4 * BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), BLOCK);
    },
    first: read,
    second: read,
  },
});
