// The benchmark: figures with medians, and beside them what is wanted.  Not a test: other work on the
// machine changes all of it.

import { spawnSync } from "node:child_process";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { benchCrash } from "./crash.ts";
import { benchDamage } from "./damage.ts";
import { benchExplore, benchMemory } from "./explore.ts";
import { benchExtents } from "./extents.ts";
import { benchFree } from "./free.ts";
import { benchFsync } from "./fsync/fsync.ts";
import { benchRecovery } from "./recovery.ts";
import { benchNames } from "./names/names.ts";
import { benchToys } from "./sched.ts";
import { benchBoot, benchFirstWrites } from "./space.ts";

interface Section {
  readonly about: string;
  run(): void | Promise<void>;
}

const sections: Readonly<Record<string, Section>> = {
  toys: { about: "runs of one to four tasks of ten atomic operations", run: benchToys },
  explore: {
    about: "runs of two, three and four tasks of system calls, and where their time goes",
    run: benchExplore,
  },
  memory: { about: "how much memory an exploration takes", run: benchMemory },
  free: { about: "overwrites and reads on real cores, beside bare copies", run: benchFree },
  first: {
    about: "first writes into unwritten space, in files of few and many extents",
    run: benchFirstWrites,
  },
  extents: { about: "finding, listing and freeing extents, in files of up to 100,000", run: benchExtents },
  damage: { about: "10,000 damaged images, mounted and used; DAMAGE_SEED=1234 does one", run: benchDamage },
  journal: { about: "mounting with a full journal, and with 10,000 damaged ones", run: benchRecovery },
  crash: { about: "states that power failures leave, and where the time of one goes", run: benchCrash },
  fsync: { about: "writes with an fsync behind each, by one task and by four", run: benchFsync },
  names: {
    about: "files made by one task and by two, and a name found among ten thousand",
    run: benchNames,
  },
  boot: { about: "booting a machine, and going back to a snapshot of it", run: benchBoot },
};

const help = `Usage: npm run bench -- [SECTION...]

Measures, and prints medians with what is wanted beside them. Without sections, all of them:

${Object.entries(sections)
  .map(([name, { about }]) => `  ${name.padEnd(9)} ${about}`)
  .join("\n")}

Each section runs in a process of its own. Wants an idle computer: look at the load that it prints.
`;

/** In a process of its own: what one section leaves (memory, compiled code) must not change another's figures. */
function runAlone(section: string): boolean {
  const { status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), section], {
    stdio: "inherit",
  });
  return status === 0;
}

async function main(names: readonly string[]): Promise<number> {
  if (names.some((name) => name === "--help" || name === "-h")) {
    process.stdout.write(help);
    return 0;
  }
  const unknown = names.find((name) => !Object.hasOwn(sections, name));
  if (unknown !== undefined) {
    process.stderr.write(`there is no section ${JSON.stringify(unknown)}; see --help\n`);
    return 2;
  }
  if (names.length === 1) {
    await (sections[names[0] as string] as Section).run();
    return 0;
  }
  const load = loadavg().map((value) => value.toFixed(1));
  console.log(`Node ${process.version}, ${availableParallelism()} cores, load ${load.join(" ")}`);
  const chosen = names.length === 0 ? Object.keys(sections) : names;
  return chosen.map(runAlone).every(Boolean) ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
