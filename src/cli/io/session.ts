// A session: the files that are open, what is mapped, which of them is current, and where output goes.
//
// Commands change it; the shell runs commands in it.  `exitCode` only ever goes up, as in xfs_io: one command
// that failed makes the whole session end with 1.

import type { Sys } from "../../syscalls/sys.ts";
import { Complaint } from "./input.ts";

export interface OpenFile {
  readonly fd: number;
  /** As it was given: every message calls it that. */
  readonly name: string;
  readonly ways: Ways;
}

/** Ways to open a file. */
export interface Ways {
  readonly append?: boolean;
  readonly create?: boolean;
  readonly direct?: boolean;
  readonly noFollow?: boolean;
  readonly nonBlock?: boolean;
  readonly readOnly?: boolean;
  readonly sync?: boolean;
  readonly truncate?: boolean;
  /** Permissions of a file that is created. */
  readonly mode?: number;
}

export interface Mapping {
  readonly address: number;
  readonly length: number;
  readonly offset: number;
  readonly name: string;
  /** As it is listed: "rwx". */
  readonly access: string;
}

/** What a session needs of the program around it. */
export interface Surroundings {
  readonly sys: Sys;
  /** The name of the image: paths may begin with it and a colon. */
  readonly image: string;
  out(line: string): void;
  complain(line: string): void;
  /** Writes the image back; the file system has been synced. */
  save(): Promise<void>;
  /** Has somebody asked to stop? */
  stopped(): boolean;
}

export class Session {
  readonly around: Surroundings;
  readonly files: OpenFile[] = [];
  readonly mappings: Mapping[] = [];
  /** Places in the lists above; of no meaning while they are empty. */
  currentFile = 0;
  currentMapping = 0;
  exitCode = 0;
  /** Set by `quit`, or by a signal that a store raised. */
  ended = false;
  /** Set by Ctrl-C: the command that runs is to stop, the session goes on. */
  interrupted = false;
  /** Whether a file was opened in a way that can change the image. */
  mayHaveChanged = false;
  #breath = performance.now();

  constructor(around: Surroundings) {
    this.around = around;
  }

  get sys(): Sys {
    return this.around.sys;
  }

  get file(): OpenFile {
    const file = this.files[this.currentFile];
    if (file === undefined) throw new Error("a command that needs a file ran without one");
    return file;
  }

  get mapping(): Mapping {
    const mapping = this.mappings[this.currentMapping];
    if (mapping === undefined) throw new Error("a command that needs a mapping ran without one");
    return mapping;
  }

  out(line: string): void {
    this.around.out(line);
  }

  /** A sentence on stderr for something that failed. */
  fail(line: string): void {
    this.around.complain(line);
    this.exitCode ||= 1;
  }

  /** Lets a signal come through in the middle of a long command; it ends with a complaint then. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#breath < 50) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#breath = performance.now();
    if (this.interrupted || this.around.stopped()) throw new Complaint("interrupted");
  }

  /** The path inside the image: "disk.img:/a" -> "/a", and "a" is looked for in the root directory. */
  pathOf(name: string): string | undefined {
    const prefix = `${this.around.image}:`;
    if (name.startsWith(`${prefix}/`)) return name.slice(prefix.length);
    if (name === this.around.image) return "/";
    if (name.includes(":/")) return undefined;
    return name.startsWith("/") ? name : `/${name}`;
  }
}
