// Commands about the shell itself, and names of xfs_io that mean something on XFS only.

import { Failure } from "../input.ts";
import type { Session } from "../session.ts";
import { isListed, usage, type ShellCommand } from "../shell.ts";

/** `list` gives all commands, in order. */
export function shellCommands(list: () => readonly ShellCommand[]): readonly ShellCommand[] {
  return [
    {
      name: "help",
      alias: "?",
      takes: "[command]",
      does: "list the commands, or tell about one",
      words: [0, 1],
      needs: "nothing",
      once: true,
      run(session, { rest: [name] }) {
        if (name === undefined) {
          for (const command of list()) if (isListed(command)) session.out(usage(command));
          session.out("\nUse 'help commandname' for extended help.");
        } else {
          helpOf(
            session,
            name,
            list().find((one) => one.name === name || one.alias === name),
          );
        }
      },
    },
    {
      name: "quit",
      alias: "q",
      does: "leave; the image is written back",
      words: [0, Infinity],
      needs: "nothing",
      once: true,
      run(session) {
        session.ended = true;
      },
    },
    ...OF_XFS.map((name) => ofXfs(name, false)),
    ...OF_XFS_EXPERTS.map((name) => ofXfs(name, true)),
    ...NOT_HERE.map(notHere),
  ];
}

const OF_XFS = [
  ...["allocsp", "freesp", "unresvsp", "zero", "extsize", "cowextsize", "bmap", "swapext"],
  ...["scrub", "bulkstat", "bulkstat_single", "inumbers"],
];
const OF_XFS_EXPERTS = ["imap", "inject", "parent", "repair", "resblks"];

/** What else xfs_io 6.1 knows: a script that wants it is told, and fails. */
const NOT_HERE = [
  ...[
    "add_enckey",
    "chattr",
    "chproj",
    "crc32cselftest",
    "dedupe",
    "enckey_status",
    "flink",
    "freeze",
    "fsmap",
  ],
  ...["get_encpolicy", "getrusage", "inode", "label", "log_writes", "lsattr", "lsproj", "mincore", "mremap"],
  ...["readdir", "reflink", "rm_enckey", "sendfile", "set_encpolicy", "shutdown", "statx", "thaw"],
];

function notHere(name: string): ShellCommand {
  return {
    name,
    does: "not supported here",
    words: [0, Infinity],
    needs: "absent",
    once: true,
    run() {
      throw new Failure(`${name}: xfs_io knows it, \`unwritten io\` does not`);
    },
  };
}

function ofXfs(name: string, expert: boolean): ShellCommand {
  return {
    name,
    does: "of XFS only",
    words: [0, Infinity],
    needs: "xfs",
    expert,
    run() {
      throw new Failure(`${name} is a command of XFS`);
    },
  };
}

function helpOf(session: Session, name: string, command: ShellCommand | undefined): void {
  if (command === undefined) {
    session.out(`command ${name} not found`);
    return;
  }
  session.out(usage(command));
  if (command.details !== undefined) session.out(`\n${command.details}\n`);
}
