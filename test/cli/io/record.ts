// Records what the real xfs_io says to the cases.  As root, where Linux can mount a loop device and xfs_io is there:
//
//   npm run --silent build && node dist/test/cli/io/record.js > test/cli/io/recorded.json

import { release } from "node:os";
import { cases } from "./cases.ts";
import { askXfsIo, version, witnessRefusal } from "./witness.ts";

const refusal = witnessRefusal();
if (refusal !== "") throw new Error(refusal);
const recorded = {
  witness: version(),
  kernel: `Linux ${release()}`,
  made: "node dist/test/cli/io/record.js",
  answers: askXfsIo(cases),
};
console.log(JSON.stringify(recorded, undefined, 1));
