// fsck: the built-in checker on an image, and recovery of its journal.

import { flag } from "../arguments.ts";
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import type { Problem } from "../../ext4/check/check.ts";
import { createMemory, header } from "../../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted } from "../terminal/words.ts";
import { readImage } from "./open.ts";
import type { Recovered } from "./recover.ts";

export const fsckCommand = command({
  name: "fsck",
  summary: "check an image for inconsistencies, or recover its journal",
  takes: "IMAGE [options]",
  details: [
    "The checker that runs after every explored run: checksums, bitmaps, extent trees, directories, link counts,",
    "free counts, the orphan list. It reads the media with a parser of its own. An image whose journal needs",
    "recovery has that problem, and those that recovery would leave; it is recovered in memory only, as by ls and",
    "cat. --replay does it in the image's file: the journal, then orphans. Nothing else is ever repaired.",
  ].join("\n"),
  positionals: { min: 1, max: 1 },
  options: { replay: flag("replay the journal into the image, and free its orphans") },
  examples: [
    ["disk.img", "one line for each problem; exit code 1 when there is one"],
    ["--replay disk.img", "what Linux does when it mounts the image after a crash"],
  ],
  json: [
    "{ image, problems: [{ place, message }], recovered? }",
    "recovered: { transactions, blocks, orphans }: what --replay did",
  ].join("\n"),
  exits: "0  clean\n1  problems were found and printed",
  async run({ values, positionals }) {
    const [image = ""] = positionals;
    const { wrongFormat } = await import("../../ext4/mount/superblock.ts");
    const { check } = await import("../../ext4/check/check.ts");
    const { needsRecovery } = await import("../../ext4/mount/marks.ts");
    const { recoverFile, recoverMedia } = await import("./recover.ts");
    const content = await readImage(image);
    const mem = mediaOf(image, content, wrongFormat);
    const needed = needsRecovery(mem);
    let recovered: Recovered | string | undefined;
    if (values.replay) recovered = await recoverFile(image, content, mem);
    else if (needed) recovered = recoverMedia(mem);
    const problems: Problem[] = check(mem);
    if (typeof recovered === "string") problems.unshift({ place: "journal", message: recovered });
    else if (needed && !values.replay) problems.unshift({ place: "journal", message: NEEDED });
    const done = values.replay && typeof recovered === "object" ? recovered : undefined;
    if (values.json) printJson({ image, problems, ...(done === undefined ? {} : { recovered: done }) });
    else {
      if (done !== undefined) print(`${image}: ${inWords(done)}`);
      for (const { place, message } of problems) print(`${place}: ${message}`);
      print(problems.length === 0 ? `${image}: clean` : `${image}: ${counted(problems.length, "problem")}`);
    }
    return problems.length === 0 ? Exit.nothingFound : Exit.violation;
  },
});

const NEEDED = "it needs recovery; what else is wrong is said of the image as recovery leaves it";

function inWords({ transactions, blocks, orphans }: Recovered): string {
  const journal =
    transactions === 0 && blocks === 0
      ? "nothing to replay"
      : `replayed ${counted(transactions, "transaction")}, ${counted(blocks, "block")}`;
  return orphans ? `${journal}; freed orphans` : journal;
}

/** A machine that holds the image on its media, not mounted. */
function mediaOf(
  image: string,
  content: Uint8Array,
  wrongFormat: (mem: Memory) => string | undefined,
): Memory {
  const mem = createMemory(Math.ceil(content.length / PAGE_SIZE) * PAGE_SIZE);
  mem.write(header(mem).media.start, content);
  const wrong = wrongFormat(mem);
  if (wrong !== undefined) throw new Refusal(`${image}: ${wrong}`);
  return mem;
}
