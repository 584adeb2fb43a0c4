// The same through a mapping.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "A block that was stored into is there for who mounts the image.",
  setup(sys) {
    sys.fallocate(sys.open("/file", "w+"), 0, 0, 4096);
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, new Uint8Array(4096).fill(0xaa));
    },
  },
});
