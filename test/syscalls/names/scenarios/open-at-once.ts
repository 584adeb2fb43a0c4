// A file that nobody has open is opened by two tasks, each of which appends a byte.

import { scenario } from "../../../../src/lab/scenario.ts";

/** O_WRONLY | O_APPEND: without O_CREAT, names are looked up by both at once. */
const APPEND = 0o2001;

export default scenario(import.meta, {
  claim: "A file is in memory once, whoever opens it while another one opens or closes it.",
  setup(sys) {
    sys.close(sys.open("/file", "w"));
  },
  tasks: {
    one(sys) {
      const fd = sys.open("/file", APPEND);
      sys.write(fd, Uint8Array.of(1));
      sys.close(fd);
    },
    other(sys) {
      const fd = sys.open("/file", APPEND);
      sys.write(fd, Uint8Array.of(2));
      sys.close(fd);
    },
  },
  check(sys) {
    const fd = sys.open("/file", "r");
    const bytes = [...sys.pread(fd, 8, 0)];
    sys.close(fd);
    return bytes.toSorted().join() === "1,2" ? undefined : `the file holds ${bytes.join()}`;
  },
});
