// The size is published last: two growing writes must not overwrite each other's.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Of two writes that grow a file, the one that reaches further decides where it ends.",
  setup(sys) {
    written(sys, "/file", new Uint8Array(0));
  },
  tasks: {
    near(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), 0);
    },
    far(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xbb), BLOCK);
    },
  },
  check(sys) {
    const { size } = sys.stat("/file");
    return size === BLOCK + 512 ? undefined : `the file has ${size} bytes, the writes reach ${BLOCK + 512}`;
  },
});
