// All commands of the shell, by name.
import { shellCommands } from "./about.ts";
import { preadCommand, pwriteCommand } from "./data.ts";
import { extentCommands } from "./extents.ts";
import { fileCommands } from "./files.ts";
import { mappingCommands } from "./mappings.ts";
import type { ShellCommand } from "../shell.ts";
import { spaceCommands, syncCommands } from "./space.ts";

export const commands: readonly ShellCommand[] = [
  preadCommand,
  pwriteCommand,
  ...extentCommands,
  ...fileCommands,
  ...mappingCommands,
  ...spaceCommands,
  ...syncCommands,
  ...shellCommands(() => commands),
].toSorted((a, b) => (a.name < b.name ? -1 : 1));
