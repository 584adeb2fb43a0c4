// scenarios: what is built in, with the claims.

import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";

export const scenariosCommand = command({
  name: "scenarios",
  summary: "list the built-in scenarios, those for power failures too: their claims and tasks",
  takes: "[--json]",
  positionals: { min: 0, max: 0 },
  options: {},
  examples: [["", "all of them"]],
  json: [
    "[{ name, claim, tasks: [name, …], of }, …]",
    "of: matrix or crash, the command that runs it when it is given no scenario",
  ].join("\n"),
  async run({ values }) {
    const { taskNames } = await import("../../lab/scenario.ts");
    const { scenarios } = await import("../../lab/scenarios/index.ts");
    const { crashScenarios } = await import("../../lab/scenarios/crash/index.ts");
    const told = (of: "matrix" | "crash", known: typeof scenarios) =>
      [...known.values()].map((one) => ({ name: one.name, claim: one.claim, tasks: taskNames(one), of }));
    const all = [...told("matrix", scenarios), ...told("crash", crashScenarios)];
    if (values.json) {
      printJson(all);
    } else {
      const { bold, dim } = look(process.stdout);
      for (const { name, claim, tasks, of } of all) {
        const failing = of === "crash" ? "; for power failures" : "";
        print(`${bold(name)}  ${dim(`(${tasks.join(", ")}${failing})`)}\n    ${claim}`);
      }
    }
    return Exit.nothingFound;
  },
});
