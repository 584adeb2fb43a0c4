// A directory that gets another name, beside a task that has walked through it by the old one.

import { scenario } from "../../../../src/lab/scenario.ts";
import { codeOf } from "../../../support/kernel.ts";

export default scenario(import.meta, {
  claim:
    "A directory that is renamed has one of its two names at every moment, also for who knew it by the first.",
  setup(sys) {
    sys.mkdir("/a");
    sys.mkdir("/a/x");
  },
  tasks: {
    mover(sys) {
      sys.rename("/a", "/b");
    },
    walker(sys) {
      const first = codeOf(() => sys.stat("/a/x"));
      const after = codeOf(() => sys.stat("/b/x"));
      return [first, after, codeOf(() => sys.stat("/a/x"))];
    },
  },
  check(_sys, { walker }) {
    const [first, after, before] = walker as string[];
    if (after === "none" && before === "none") return "it has both names";
    return first === "ENOENT" && after === "ENOENT" ? "it has none" : undefined;
  },
});
