// The shell: finds the command that a line names, checks what it is given, runs it, and says what went wrong.
//
// Command lines of `-c` run once for every open file, unless the command is about the session itself; lines
// that are typed, and those of `-C`, run for the current file only.  As in xfs_io, a name that nobody knows and
// a wrong count of words are said, but do not change the exit code.

import { SysError } from "../../syscalls/error.ts";
import { Exit } from "../exit.ts";
import { Complaint, Failure, optionsOf, WrongUsage, wordsOf, type Given } from "./input.ts";
import type { Session } from "./session.ts";
import { errorText } from "./words.ts";

export interface ShellCommand {
  readonly name: string;
  readonly alias?: string;
  /** What follows the name in its usage. */
  readonly takes?: string;
  readonly does: string;
  /** More help, and an example. */
  readonly details?: string;
  /** How many words may follow, options counted. */
  readonly words: readonly [min: number, max: number];
  /** Its options as getopt lists them; without, words that begin with a dash are words. */
  readonly options?: string;
  /** How many words may be left behind the options. */
  readonly rest?: readonly number[];
  /** What must be there: an open file unless it says otherwise.  "absent": it is no command but a name. */
  readonly needs?: "nothing" | "mapping" | "xfs" | "absent";
  /** There only for who asks for all commands. */
  readonly expert?: boolean;
  /** About the session: runs once, however many files are open. */
  readonly once?: boolean;
  run(session: Session, given: Given): void | Promise<void>;
}

export class Shell {
  readonly session: Session;
  readonly commands: readonly ShellCommand[];
  /** Whether commands of experts are there. */
  expert = false;

  /** The commands are listed in the order of their names. */
  constructor(session: Session, commands: readonly ShellCommand[]) {
    this.session = session;
    this.commands = commands;
  }

  find(name: string): ShellCommand | undefined {
    return this.commands.find(
      (one) => (one.name === name || one.alias === name) && (this.expert || one.expert !== true),
    );
  }

  /** Runs a line for the current file. */
  async run(line: string): Promise<void> {
    await this.#run(line, false);
  }

  /** Runs a line for every open file. */
  async runForEach(line: string): Promise<void> {
    await this.#run(line, true);
  }

  async #run(line: string, forEach: boolean): Promise<void> {
    const [name, ...words] = wordsOf(line);
    if (name === undefined) return;
    const command = this.find(name);
    if (command === undefined) {
      this.session.around.complain(`command "${name}" not found`);
      return;
    }
    if (!forEach || command.once === true) {
      await this.#once(command, name, words);
      return;
    }
    for (let i = 0; i < this.session.files.length && !this.session.ended; i++) {
      this.session.currentFile = i;
      await this.#once(command, name, words);
    }
  }

  async #once(command: ShellCommand, name: string, words: readonly string[]): Promise<void> {
    const refused = this.#missing(command) ?? wrongCount(command, name, words.length);
    if (refused !== undefined) {
      this.session.around.complain(refused);
      return;
    }
    await this.attempt(() => command.run(this.session, givenTo(command, name, words)), command);
  }

  /** Does something, and says what went wrong with it. */
  async attempt(work: () => void | Promise<void>, command?: ShellCommand): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#explain(error, command);
    }
  }

  #missing({ name, needs }: ShellCommand): string | undefined {
    if (needs !== "nothing" && needs !== "absent" && this.session.files.length === 0)
      return "no files are open, try 'help open'";
    if (needs === "mapping" && this.session.mappings.length === 0)
      return "no mapped regions, try 'help mmap'";
    if (needs === "xfs") return `foreign file active, ${name} command is for XFS filesystems only`;
    return undefined;
  }

  #explain(error: unknown, command: ShellCommand | undefined): void {
    const { session } = this;
    if (error instanceof WrongUsage) {
      if (error.message !== "") session.around.complain(error.message);
      if (command !== undefined) session.out(usage(command));
      session.exitCode ||= Exit.violation;
    } else if (error instanceof Complaint) {
      session.out(error.message);
      session.exitCode ||= Exit.violation;
    } else if (error instanceof Failure) {
      session.fail(error.message);
    } else if (error instanceof SysError) {
      const signal = SIGNALS[error.code];
      if (signal === undefined) {
        session.fail(`${error.syscall}: ${errorText(error.code)}`);
      } else {
        // The program would be gone: what it did before stays done, and nothing behind it runs.
        session.around.complain(signal.text);
        session.exitCode = signal.exit;
        session.ended = true;
      }
    } else {
      throw error;
    }
  }
}

/** How a shell reports a program that such a signal killed. */
const SIGNALS: Record<string, { readonly text: string; readonly exit: number }> = {
  SIGBUS: { text: "Bus error", exit: Exit.busError },
  SIGSEGV: { text: "Segmentation fault", exit: Exit.segmentationFault },
};

/** Whether a command does something here. */
export const isListed = ({ needs }: ShellCommand): boolean => needs !== "xfs" && needs !== "absent";

export function usage({ name, takes, does }: ShellCommand): string {
  return `${name}${takes === undefined ? "" : ` ${takes}`} -- ${does}`;
}

function wrongCount({ words: [min, max] }: ShellCommand, name: string, count: number): string | undefined {
  if (count >= min && count <= max) return undefined;
  let expected = `between ${min} and ${max}`;
  if (max === Infinity) expected = `at least ${min}`;
  else if (min === max) expected = String(min);
  return `bad argument count ${count} to ${name}, expected ${expected} arguments`;
}

function givenTo(command: ShellCommand, name: string, words: readonly string[]): Given {
  if (command.options === undefined) return { options: [], rest: words };
  const given = optionsOf(name, words, command.options);
  if (command.rest !== undefined && !command.rest.includes(given.rest.length)) throw new WrongUsage("");
  return given;
}
