// designs: what is built in, with the locks of each path.

import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";

export const designsCommand = command({
  name: "designs",
  summary: "list the built-in designs: what they are, their locks, whether they are meant to be sound",
  takes: "[--json]",
  positionals: { min: 0, max: 0 },
  options: {},
  examples: [["", "all of them, with the locks of each path"]],
  json: "[{ name, summary, source, sound, locks: { read, write, fault, truncate, fallocate, sync } }]",
  async run({ values }) {
    const { designs } = await import("../../xip/designs/index.ts");
    const all = [...designs.values()].map(({ name, summary, source, sound, locks }) => ({
      name,
      summary,
      source,
      sound,
      locks,
    }));
    if (values.json) {
      printJson(all);
    } else {
      const { bold, dim } = look(process.stdout);
      for (const { name, summary, source, sound, locks } of all) {
        print(`${bold(name)}  ${dim(sound ? "(meant to be sound)" : "(as history had it)")}`);
        print(`    ${summary}\n    ${dim(`After: ${source}`)}`);
        for (const [path, sentence] of Object.entries(locks))
          print(`    ${`${path}:`.padEnd(10)} ${sentence}`);
      }
    }
    return Exit.nothingFound;
  },
});
