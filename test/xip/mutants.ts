// Copies of a design with one line of defence taken out, as modules that workers can load.
//
// The mutation is done on the compiled design: its imports are made absolute, and the named statements
// are removed or moved.  A pattern that no longer matches is an error, so the list below cannot rot.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Mutant {
  /** What is missing: the end of the sentence "without …". */
  readonly without: string;
  readonly change: (text: string) => string;
  /** The built-in scenario that must notice. */
  readonly scenario: string;
}

const DESIGN = new URL("../../src/xip/designs/ext4-xip-serialized.js", import.meta.url);

/** The body of a top level function or a method of the design object, from its name to its closing brace. */
function inFunction(name: string, change: (body: string) => string): (text: string) => string {
  return (text) => {
    const found = new RegExp(String.raw`^( *)(?:function )?${name}\([^)]*\) \{\n[\s\S]*?^\1\}`, "m").exec(
      text,
    );
    if (found === null) throw new Error(`the design has no function ${name}`);
    const [body] = found;
    return text.slice(0, found.index) + change(body) + text.slice(found.index + body.length);
  };
}

/** Takes statements out of a function; each must be there once. */
function dropping(name: string, ...statements: string[]): (text: string) => string {
  return inFunction(name, (body) =>
    statements.reduce((rest, statement) => {
      const parts = rest.split(statement);
      if (parts.length !== 2) throw new Error(`${name} has ${parts.length - 1} times: ${statement}`);
      return parts.join("");
    }, body),
  );
}

export const mutants: Mutant[] = [
  {
    without: "rwsem in read",
    change: dropping("read", "downRead(inode.rwsem);", "upRead(inode.rwsem);"),
    scenario: "truncate-and-reuse",
  },
  {
    without: "rwsem in write",
    change: dropping("write", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "write-beside-truncate",
  },
  {
    without: "rwsem in truncate",
    change: dropping("truncate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "write-beside-truncate",
  },
  {
    without: "rwsem in fallocate",
    change: dropping("fallocate", "downWrite(inode.rwsem);", "upWrite(inode.rwsem);"),
    scenario: "fallocate-next-door",
  },
  {
    without: "invalidateSem in fault",
    change: dropping("fault", "downRead(inode.invalidateSem);", "upRead(inode.invalidateSem);"),
    scenario: "store-beside-truncate",
  },
  {
    without: "invalidateSem in truncate",
    change: dropping("truncate", "downWrite(inode.invalidateSem);", "upWrite(inode.invalidateSem);"),
    scenario: "truncate-and-reuse",
  },
  {
    without: "dataSem where a hole is mapped",
    change: dropping("mapHole", "downRead(inode.dataSem);", "upRead(inode.dataSem);"),
    scenario: "zero-page",
  },
  {
    without: "dataSem until the zero page is unmapped: it is dropped before",
    change: inFunction("makeWritten", (body) => {
      const last = /( *if \(media > 0\)\n? *unmapRange\([^;]*\);\n)( *upWrite\(inode\.dataSem\);\n)/;
      if (!last.test(body)) throw new Error("makeWritten does not unmap, then unlock");
      return body.replace(last, "$2$1");
    }),
    scenario: "zero-page",
  },
  {
    without: "dataSem around zeroing and converting",
    change: dropping("makeWritten", "downWrite(inode.dataSem);", "upWrite(inode.dataSem);"),
    scenario: "two-store-faults",
  },
  {
    without: "the zeroing before the unlock: it comes after",
    change: (text) => {
      const zeroing = /\n *zeroBytes\(inode\.mem, mediaAddress\([^;]*\), PAGE_SIZE\);/;
      const late = `upWrite(inode.dataSem);
    if (media > 0) zeroBytes(inode.mem, mediaAddress(superBlock(inode.mem), media), PAGE_SIZE);`;
      const without = inFunction("zeroAndConvert", (body) => {
        if (!zeroing.test(body)) throw new Error("zeroAndConvert does not zero");
        return body.replace(zeroing, "");
      })(text);
      return inFunction("makeWritten", (body) => body.replace("upWrite(inode.dataSem);", late))(without);
    },
    scenario: "write-beside-load",
  },
  {
    without: "the second look under the lock",
    change: inFunction("zeroAndConvert", (body) => {
      const look = /if \(extent\.state === State\.written\)\n? *return [^;]*;/;
      if (!look.test(body)) throw new Error("zeroAndConvert does not look again");
      return body.replace(look, "");
    }),
    scenario: "two-store-faults",
  },
  {
    without: "unmapping the zero page of a hole that is filled",
    change: inFunction("makeWritten", (body) => {
      const unmap = /if \(media > 0\)\n? *unmapRange\([^;]*\);/;
      if (!unmap.test(body)) throw new Error("makeWritten does not unmap");
      return body.replace(unmap, "");
    }),
    scenario: "zero-page",
  },
  {
    without: "unmapping what is truncated",
    change: inFunction("truncateLocked", (body) => {
      const unmap = /unmapRange\([^;]*\);/;
      if (!unmap.test(body)) throw new Error("truncateLocked does not unmap");
      return body.replace(unmap, "");
    }),
    scenario: "truncate-and-reuse",
  },
];

/** Writes a mutant into a folder of its own; gives its path, and what removes it. */
export function writeMutant({ change }: Mutant): { path: string; remove: () => void } {
  const text = readFileSync(DESIGN, "utf8");
  const changed = change(text);
  if (changed === text) throw new Error("the mutation changed nothing");
  const absolute = changed.replace(
    /from "(\.[^"]+)"/g,
    (_, relative: string) => `from "${new URL(relative, DESIGN).href}"`,
  );
  const folder = mkdtempSync(join(tmpdir(), "unwritten-mutant-"));
  const path = join(folder, "mutant.mjs");
  writeFileSync(path, absolute.replace(/^\/\/# sourceMappingURL.*$/m, ""));
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}
