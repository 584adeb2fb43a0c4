// The way in which programs replace a file: write another one, fsync it, rename it over the old one.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A file that is replaced by a rename is the old one or the new one whole after a power failure; after the directory's fsync the new one.",
  setup(sys) {
    written(sys, "/file", filled(BLOCK, 0x11));
  },
  tasks: {
    replacer(sys) {
      const fd = sys.open("/file.new", "w+");
      sys.write(fd, filled(2 * BLOCK, 0xaa));
      sys.fsync(fd);
      sys.rename("/file.new", "/file");
      sys.fsync(sys.open("/", "r"));
    },
  },
});
