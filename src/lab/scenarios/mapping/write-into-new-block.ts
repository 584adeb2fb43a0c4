// A write finds the block that a write fault is just putting into a hole; the writer has the hole's zero page
// mapped, and the fault has not yet taken it out.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "What a task wrote it finds through its mapping, whoever filled the hole.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    sys.ftruncate(fd, BLOCK);
    sys.close(fd);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      const at = sys.mmap(BLOCK, "r", "shared", fd, 0);
      sys.load(at, 16);
      sys.pwrite(fd, filled(16, 0xaa), 0);
      return sys.load(at, 16);
    },
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 1024, filled(16, 0xbb));
    },
  },
});
