// Two tasks' fsyncs can share one commit.

import { scenario } from "../../scenario.ts";
import { filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "Each of two fsyncs that ran beside each other has made its own file's bytes durable when it returns.",
  setup(sys) {
    written(sys, "/a", new Uint8Array(0));
    written(sys, "/b", new Uint8Array(0));
  },
  tasks: {
    first(sys) {
      const fd = sys.open("/a", "r+");
      sys.pwrite(fd, filled(64, 0xaa), 0);
      sys.fsync(fd);
    },
    second(sys) {
      const fd = sys.open("/b", "r+");
      sys.pwrite(fd, filled(64, 0xbb), 0);
      sys.fsync(fd);
    },
  },
});
