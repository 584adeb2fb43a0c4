// scenarios: what is built in, with the claims.
import { command } from "../command.ts";
import { Exit } from "../exit.ts";
import { look } from "../terminal/look.ts";
import { print, printJson } from "../terminal/output.ts";

export const scenariosCommand = command({
  name: "scenarios",
  summary: "list the built-in scenarios: their claims and tasks",
  takes: "[--json]",
  positionals: { min: 0, max: 0 },
  options: {},
  examples: [["", "all of them"]],
  json: "[{ name, claim, tasks: [name, …] }]",
  async run({ values }) {
    const { taskNames } = await import("../../lab/scenario.ts");
    const { scenarios } = await import("../../lab/scenarios/index.ts");
    const all = [...scenarios.values()].map((one) => ({
      name: one.name,
      claim: one.claim,
      tasks: taskNames(one),
    }));
    if (values.json) {
      printJson(all);
    } else {
      const { bold, dim } = look(process.stdout);
      for (const { name, claim, tasks } of all)
        print(`${bold(name)}  ${dim(`(${tasks.join(", ")})`)}\n    ${claim}`);
    }
    return Exit.nothingFound;
  },
});
