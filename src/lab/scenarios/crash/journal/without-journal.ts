// Without a journal fsync still makes data durable; what it changes of metadata is written in place.

import { MIB } from "../../../../machine/limits.ts";
import { scenario } from "../../../scenario.ts";
import { BLOCK, filled, written } from "../../bytes.ts";

export default scenario(import.meta, {
  claim: "On a file system that is too small for a journal, bytes written over others survive after fsync.",
  size: 4 * MIB,
  setup(sys) {
    written(sys, "/file", filled(2 * BLOCK, 0x11));
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, filled(BLOCK, 0xaa), 100);
      sys.fsync(fd);
    },
  },
});
