// 538f8ea6c852 "mm: xip fix fault vs sparse page invalidate race", ac401cc78242 "dax: New fault locking",
// e3fce68cdbed "dax: Avoid page invalidation races and unnecessary radix tree traversals": a zero page that is
// mapped just after the hole was filled stays for ever.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A process that has the zero page of a hole mapped sees what others put into the hole.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    sys.ftruncate(fd, BLOCK);
    sys.close(fd);
  },
  tasks: {
    watcher(sys) {
      const at = sys.mmap(BLOCK, "r", "shared", sys.open("/file", "r"), 0);
      sys.load(at, 16);
      return sys.load(at, 16);
    },
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(16, 0xaa), 0);
    },
  },
});
