// fsck: the built-in checker on an image.
import { command } from "../command.ts";
import { Exit, Refusal } from "../exit.ts";
import { createMemory, header } from "../../machine/layout.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { print, printJson } from "../terminal/output.ts";
import { counted } from "../terminal/words.ts";
import { readImage } from "./open.ts";

export const fsckCommand = command({
  name: "fsck",
  summary: "check an image for inconsistencies; repairs nothing",
  takes: "IMAGE",
  details: [
    "The checker that runs after every explored run: checksums, bitmaps, extent trees, directories, link counts,",
    "free counts, the orphan list. It reads the media with a parser of its own.",
  ].join("\n"),
  positionals: { min: 1, max: 1 },
  options: {},
  examples: [["disk.img", "one line for each problem; exit code 1 when there is one"]],
  json: "{ image, problems: [{ place, message }] }",
  exits: "0  clean\n1  problems were found and printed",
  async run({ values, positionals }) {
    const [image = ""] = positionals;
    const { wrongFormat } = await import("../../ext4/mount/superblock.ts");
    const { check } = await import("../../ext4/check/check.ts");
    const problems = check(mediaOf(image, await readImage(image), wrongFormat));
    if (values.json) {
      printJson({ image, problems });
    } else {
      for (const { place, message } of problems) print(`${place}: ${message}`);
      print(problems.length === 0 ? `${image}: clean` : `${image}: ${counted(problems.length, "problem")}`);
    }
    return problems.length === 0 ? Exit.nothingFound : Exit.violation;
  },
});

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
