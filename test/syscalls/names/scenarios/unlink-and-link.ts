// The same with a mover that takes the old name away first: the claim must break.

import { scenario } from "../../../../src/lab/scenario.ts";
import right from "./rename-over-file.ts";

export default scenario(import.meta, {
  claim: right.claim,
  setup: (sys) => right.setup?.(sys),
  tasks: {
    mover(sys) {
      sys.unlink("/file");
      sys.rename("/new", "/file");
    },
    reader(sys) {
      return sys.stat("/file").size;
    },
  },
});
