// matrix: every scenario under every design.  Cells run at once as far as there are cores; one that cannot
// be run is a cell too, with the reason.

import { designs } from "../xip/designs/index.ts";
import { Crews } from "./host/crews.ts";
import { exploreWith, SEARCH_KEYS, type ExploreResult, type SearchOptions } from "./explore.ts";
import { ProgressSum } from "./host/jobs.ts";
import { loadDesign, loadScenario, placeOf } from "./load.ts";
import type { Scenario } from "./scenario.ts";
import { scenarios } from "./scenarios/index.ts";
import { knownKeys, UsageError } from "./usage.ts";

/** What `matrix` takes; the options of a search hold for each cell. */
export interface MatrixOptions extends SearchOptions {
  /** Names, paths or scenarios; default all built-in ones. */
  scenarios?: (string | Scenario)[];
  /** Names or paths; default all built-in ones. */
  designs?: string[];
  /** Called for each cell when it is done. */
  onCell?: (cell: Cell) => void;
}

/** One scenario under one design. */
export interface Cell extends ExploreResult {
  readonly scenario: string;
  readonly design: string;
  /** What the design says of itself: whether it is meant to keep every promise. */
  readonly sound: boolean;
  readonly verdict: "held" | "broken" | "error";
  /** Why the cell could not be run. */
  readonly error?: string;
}

/** All cells. */
export interface MatrixResult {
  /** A row for each scenario, in it a cell for each design. */
  readonly cells: Cell[];
  /** Milliseconds. */
  readonly elapsed: number;
}

/** How many more runs of a broken cell are counted, unless the caller says otherwise. */
const GO_ON = 1000;

/**
 * Explores every cell.  `runs`, `timeout` and the other options of a search hold for each cell.
 * Throws `UsageError` when a scenario or design cannot be loaded; nothing was run then.
 */
export async function matrix(options: MatrixOptions = {}): Promise<MatrixResult> {
  const {
    scenarios: rows = [...scenarios.values()],
    designs: columns = [...designs.keys()],
    onCell,
    ...search
  } = options;
  if (!Array.isArray(rows) || !Array.isArray(columns))
    throw new UsageError("scenarios and designs are arrays");
  knownKeys("matrix", search, SEARCH_KEYS);
  const begin = performance.now();
  const loaded = await Promise.all(rows.map(async (row) => loadScenario(row)));
  const placed = await Promise.all(columns.map(async (column) => loadDesign(column)));
  const crews = new Crews();
  const progress = new ProgressSum(search.onProgress);
  const work = loaded.flatMap((scenario) =>
    placed.map(async (design): Promise<Cell> => {
      const what = { scenario: scenario.name, design: design.design.name, sound: design.design.sound };
      const cell = await runCell(crews, scenario, placeOf(design), {
        ...search,
        onProgress: progress.part(),
      });
      const whole = { ...what, ...cell };
      onCell?.(whole);
      return whole;
    }),
  );
  try {
    return { cells: await Promise.all(work), elapsed: performance.now() - begin };
  } finally {
    await Promise.allSettled(work);
    await crews.close();
  }
}

type Outcome = Omit<Cell, "scenario" | "design" | "sound">;

async function runCell(
  crews: Crews,
  scenario: Scenario,
  design: string,
  options: SearchOptions,
): Promise<Outcome> {
  if (options.signal?.aborted === true)
    return { ...NOTHING, verdict: "error", error: "not run: stopped before" };
  try {
    const result = await exploreWith(crews, scenario, { goOn: GO_ON, ...options, design });
    return { ...result, verdict: result.violation === undefined ? "held" : "broken" };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return { ...NOTHING, verdict: "error", error: (error as Error).message };
  }
}

const NOTHING = { runs: 0, distinct: 0, complete: false, broken: 0, elapsed: 0 };
