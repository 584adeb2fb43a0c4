// The README cannot lie: its TypeScript is compiled (with types) and run, its commands are run, and what
// they print is compared with what the README says they print.
//
//   ```ts        first line `// name.ts`: becomes that file, beside the others
//   ```text      directly after a ts block: what running that block prints
//   ```console   `$ command` and what it prints; `unwritten` and `node` are run, in order, in one directory
//
// `UPDATE_README=1 npx vitest run dist/test/readme.test.js` writes what was printed into the README.  Times and
// rates differ from run to run: they are compared as "some time", and kept as they stand where nothing else differs.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = join(root, "README.md");
const update = process.env["UPDATE_README"] === "1";

interface Block {
  readonly language: string;
  /** The number of the line after the opening fence. */
  readonly line: number;
  readonly lines: readonly string[];
  /** Whether only blank lines stand between the block before and this one. */
  readonly follows: boolean;
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  let open: { language: string; line: number; follows: boolean } | undefined;
  let between = false;
  lines.forEach((line, index) => {
    const fence = /^```(\w*)/.exec(line);
    if (open !== undefined) {
      if (line !== "```") return;
      blocks.push({ ...open, lines: lines.slice(open.line, index) });
      open = undefined;
      between = false;
    } else if (fence) {
      open = { language: fence[1] ?? "", line: index + 1, follows: blocks.length > 0 && !between };
    } else if (line.trim() !== "") {
      between = true;
    }
  });
  if (open !== undefined) throw new Error(`README.md:${open.line}: a block is not closed`);
  return blocks;
}

/** Times, rates and what follows from them; everything else must be equal. */
function steady(output: string): string {
  return output
    .replaceAll(/\b\d+ min \d+ s\b|\b[\d,.]+ (?:ms|s)\b/g, "<time>")
    .replaceAll(/\b[\d,.]+ (runs|steps|calls)\/s/g, "<rate> $1/s")
    .replaceAll(/[ \t]+$/gm, "")
    .trimEnd();
}

const blocks = blocksOf(readFileSync(readme, "utf8"));
const sources = blocks.filter(({ language }) => language === "ts");
const consoles = blocks.filter(({ language }) => language === "console");
/** What the lines of a block should be instead, by the block's line. */
const corrections = new Map<number, { old: readonly string[]; lines: readonly string[] }>();

let directory = "";
let compiled = "";

beforeAll(() => {
  mkdirSync(join(root, "dist"), { recursive: true });
  // Inside the package, so that `import "unwritten"` finds it by its own name.
  directory = mkdtempSync(join(root, "dist", "readme-"));
  compiled = join(directory, "out");
  mkdirSync(compiled);
  symlinkSync(join(root, "dist", "src", "cli", "main.js"), join(directory, "unwritten"));
  for (const source of sources) writeFileSync(join(directory, nameOf(source)), source.lines.join("\n"));
  writeFileSync(
    join(directory, "tsconfig.json"),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: {
        rootDir: ".",
        outDir: "out",
        declaration: false,
        declarationMap: false,
        sourceMap: false,
        noUnusedLocals: false,
      },
      include: ["*.ts"],
    }),
  );
});

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
  if (!update || corrections.size === 0) return;
  const lines = readFileSync(readme, "utf8").split("\n");
  // From the end, so that the numbers of the lines before stay right.
  for (const [line, { old, lines: right }] of [...corrections].toSorted(([a], [b]) => b - a))
    lines.splice(line, old.length, ...right);
  writeFileSync(readme, lines.join("\n"));
});

function nameOf(source: Block): string {
  const name = /^\/\/ ([\w-]+\.ts)\b/.exec(source.lines[0] ?? "")?.[1];
  if (name === undefined) throw new Error(`README.md:${source.line}: the block's first line names no file`);
  return name;
}

/** What npm would put into PATH. */
const shellFunction = `unwritten() { node ../unwritten "$@"; }`;

function run(command: string): string {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" };
  for (const name of Object.keys(env)) if (name.startsWith("npm_")) delete env[name];
  const ended = spawnSync("bash", ["-c", `${shellFunction}\n${command}`], {
    cwd: compiled,
    env,
    encoding: "utf8",
    timeout: 300_000,
  });
  // A search that finds something exits with 1: that is what it is for.
  const fine = ended.status === 0 || (ended.status === 1 && command.startsWith("unwritten "));
  if (!fine)
    throw new Error(`${command}: exit code ${ended.status ?? ended.signal}\n${ended.stdout}${ended.stderr}`);
  return ended.stdout.trimEnd();
}

/** Compares, or notes what the README should say. */
function mustPrint(block: Block, right: readonly string[]): void {
  if (steady(right.join("\n")) === steady(block.lines.join("\n"))) return;
  if (update) corrections.set(block.line, { old: block.lines, lines: right });
  else expect(steady(block.lines.join("\n")), `README.md:${block.line}`).toBe(steady(right.join("\n")));
}

/** The whole matrix is among the commands. */
const MATRIX_TIME = 300_000; // milliseconds

test("the README has code and commands to run", () => {
  expect(sources.length).toBeGreaterThan(0);
  expect(consoles.length).toBeGreaterThan(0);
});

test("the README's code compiles, with types", () => {
  const tsc = spawnSync(
    process.execPath,
    [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", directory],
    {
      encoding: "utf8",
    },
  );
  expect(tsc.stdout + tsc.stderr).toBe("");
});

for (const block of blocks) {
  const before = blocks[blocks.indexOf(block) - 1];
  if (block.language === "text" && block.follows && before?.language === "ts") {
    test(`the code above line ${block.line} of the README prints what stands there`, () => {
      mustPrint(block, run(`node ${nameOf(before).replace(/ts$/, "js")}`).split("\n"));
    });
  }
  if (block.language === "console") {
    test(
      `the commands at line ${block.line} of the README print what stands there`,
      () => {
        const right: string[] = [];
        for (const line of block.lines) {
          if (!line.startsWith("$ ")) continue;
          const command = line.slice(2);
          if (!/^(unwritten|node)\b/.test(command))
            throw new Error(
              `README.md:${block.line}: "${command}" is not run by this test; put it into a sh block`,
            );
          const output = run(command);
          if (right.length > 0) right.push("");
          right.push(line, ...(output === "" ? [] : output.split("\n")));
        }
        mustPrint(block, right);
      },
      MATRIX_TIME,
    );
  }
}
