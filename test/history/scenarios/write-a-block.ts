// One task fills a whole preallocated block: nothing stale is left in it, but is it converted?

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "A block that was written is there for who mounts the image.",
  setup(sys) {
    sys.fallocate(sys.open("/file", "w+"), 0, 0, 4096);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), new Uint8Array(4096).fill(0xaa), 0);
    },
  },
});
