// A directory that is removed, and another one with its number, beside a task that has walked through the first.

import { scenario } from "../../../../src/lab/scenario.ts";
import { codeOf } from "../../../support/kernel.ts";

export default scenario(import.meta, {
  claim: "Nobody comes into a new directory by the name of one that is gone.",
  setup(sys) {
    sys.mkdir("/gone");
  },
  tasks: {
    maker(sys) {
      sys.rmdir("/gone"); // its number is free again, unless the walker is in there
      sys.mkdir("/new");
      sys.mkdir("/new/x");
    },
    walker(sys) {
      codeOf(() => sys.stat("/gone"));
      return codeOf(() => sys.stat("/gone/x"));
    },
  },
  check(_sys, { walker }) {
    return walker === "ENOENT" ? undefined : `the walker was answered ${String(walker)}`;
  },
});
