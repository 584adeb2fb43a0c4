// One run of io: an image, its machine, a session.
//
// The machine boots from the image's bytes.  They are written back when something was made durable, and when the
// session ends, unmounted: at every moment the file holds either what it held or a whole new image.

import type { Readable, Writable } from "node:stream";
import type { Machine } from "../../lab/machine.ts";
import type { Ordered, Parsed } from "../arguments.ts";
import { Refusal, type ExitCode } from "../exit.ts";
import { bootImage, placeOf } from "../image/open.ts";
import { interruptible, type Interrupts } from "../interrupt.ts";
import { ImageFile } from "./image.ts";
import type { ioOptions } from "./io.ts";
import type { Session, Ways } from "./session.ts";
import type { Shell } from "./shell.ts";

/** Where a session's lines come from and go to. */
export interface Console {
  out(line: string): void;
  complain(line: string): void;
  readonly input: Readable;
  readonly output: Writable;
  /** Whether a person sits at both. */
  readonly terminal: boolean;
}

export async function runIo(
  { values, positionals, order }: Parsed<typeof ioOptions>,
  console: Console,
): Promise<ExitCode> {
  const places = positionals.map((given) => placeOf(given));
  const image = places[0]?.image ?? "";
  const other = places.find((place) => place.image !== image);
  if (other !== undefined)
    throw new Refusal(`all files must be in one image, not in ${image} and ${other.image}`);
  const ways: Ways = {
    append: values.append === true,
    create: values.create === true,
    direct: values.direct === true,
    noFollow: values.nofollow === true,
    nonBlock: values.nonblock === true,
    readOnly: values["read-only"] === true,
    sync: values.sync === true,
    truncate: values.truncate === true,
    ...(values.mode !== undefined && { mode: modeOf(values.mode) }),
  };
  const file = await ImageFile.read(image);
  const machine = await bootImage(image, file.bytes, {
    design: values.design ?? "dax-6.1",
    options: Object.fromEntries(values.option ?? []),
  });
  return interruptible(async (interrupts) => {
    const shell = await shellOf(machine, file, image, console, interrupts);
    shell.expert = values.expert === true;
    const { session } = shell;
    await openAll(shell, positionals, ways);
    // A file that cannot be opened ends the run before its first command.
    if (session.exitCode === 0) await runAll(shell, linesOf(order), console, interrupts);
    await machine.close();
    if (session.mayHaveChanged) await file.save(machine.media());
    return interrupts.received() ?? (session.exitCode as ExitCode);
  });
}

function modeOf(given: string): number {
  if (/^(0x[\da-f]+|\d+)$/i.test(given)) return Number(/^0[0-7]+$/.test(given) ? `0o${given}` : given);
  throw new Refusal(`--mode must be a number such as 0644, not "${given}"`);
}

interface Line {
  readonly words: string;
  readonly once: boolean;
}

function linesOf(order: readonly Ordered[]): Line[] {
  return order
    .filter(({ name }) => name === "command" || name === "once")
    .flatMap(({ name, value }) => (value as string[]).map((words) => ({ words, once: name === "once" })));
}

async function shellOf(
  machine: Machine,
  file: ImageFile,
  image: string,
  { out, complain }: Console,
  { signal }: Interrupts,
): Promise<Shell> {
  const { Session } = await import("./session.ts");
  const { Shell } = await import("./shell.ts");
  const { commands } = await import("./commands/all.ts");
  const session: Session = new Session({
    sys: machine.sys(),
    image,
    out,
    complain,
    save: () => file.save(machine.media()),
    stopped: () => signal.aborted,
  });
  return new Shell(session, commands);
}

async function openAll(shell: Shell, names: readonly string[], ways: Ways): Promise<void> {
  const { openFile } = await import("./commands/files.ts");
  await shell.attempt(() => names.forEach((name) => openFile(shell.session, name, ways)));
}

async function runAll(
  shell: Shell,
  lines: readonly Line[],
  { input, output, terminal }: Console,
  { signal }: Interrupts,
): Promise<void> {
  if (lines.length === 0) {
    const { converse } = await import("./prompt.ts");
    await converse(shell, { input, output, terminal, signal });
    return;
  }
  for (const { words, once } of lines) {
    if (shell.session.ended || signal.aborted) return;
    await (once ? shell.run(words) : shell.runForEach(words));
  }
}
