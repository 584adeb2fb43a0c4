// A freed block is another file's before the transaction that freed it is durable.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A file whose truncation was lost with the power does not show what another file put into its block.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    truncater(sys) {
      sys.truncate("/old", 0);
      const fd = sys.open("/new", "r+");
      sys.pwrite(fd, filled(BLOCK, 0x22), 0);
      sys.fsync(fd);
    },
  },
});
